"""The scale of images before the network, and the size of training crops."""

import math

from .plan import Plan
from .situation import Situation

CROP_PX = {"cpu": 352, "cuda": 512}
SMALL_CROP_PX = 256
MULTIPLE = 32
SOURCE = "benchmarks/recipes.md"
LARGE_PX = {"cpu": 640_000, "cuda": 2_000_000}
"""Pixels of an image above which it is reduced."""

OBJECT_PX = 28.0
"""Side that the median object of the smallest class should have before the network."""

MAX_SCALE = 2.0

HALVED_PASSES = 3.0
"""Passes over the pixels of the training images below which half the scale teaches more: of
0.9 (CamVid) it gained 2.7 points, of 5.6 (magnetic tiles) nothing, and of about 9 (cwfid, few
images) it lost 5.3 (benchmarks/recipes.md)."""


def decide_scale(plan: Plan, situation: Situation) -> None:
    """Reduce large images, enlarge images with small objects; 1 where neither matters much.

    Georeferenced images are never reduced: objects on the ground have one size in pixels,
    however large the scene is.
    """
    height, width = situation.facts.median_size_HW
    reason = f"the median image is {height} x {width} px"
    to_fit = math.sqrt(LARGE_PX[situation.machine.planned_as] / (height * width))
    if situation.is_georeferenced:
        to_fit = math.inf
        reason += ", georeferenced: crops of full resolution"
    areas = [area for area in situation.facts.object_area_px_C if area]
    to_see = OBJECT_PX / math.sqrt(min(areas)) if areas else 0.0
    if to_see > min(1.0, to_fit):
        reason += f", objects of the smallest class are {OBJECT_PX / to_see:.0f} px across"
    ratio = min(max(min(1.0, to_fit), to_see), MAX_SCALE)
    ratio = 1.0 if 0.85 < ratio < 1.15 else round(ratio, 2)
    plan.decide("input.scale_ratio", ratio, reason)


def decide_crops(plan: Plan, situation: Situation) -> None:
    """Take crops of the median image at the decided scale, up to the limit of the device."""
    side, ratio = CROP_PX[situation.machine.planned_as], plan.get("input.scale_ratio")
    crop = [min(side, _round_up(n * ratio)) for n in situation.facts.median_size_HW]
    plan.decide("data.crop_px", crop, f"at most {side} px per side, in multiples of {MULTIPLE}")


def decide_fewer_pixels(plan: Plan, situation: Situation, passes: float) -> None:
    """Save time: no longer enlarge images; halve the scale of those that were not enlarged.

    In the same time, images at half the scale taught more than crops of half the side
    (benchmarks/recipes.md). Crops alone become smaller where the images are seen often in
    any case (`passes` over their pixels), are small or georeferenced, or have a given scale.
    """
    ratio = plan.get("input.scale_ratio")
    if ratio > 1 and "input.scale_ratio" not in plan.settings:
        plan.decide(
            "input.scale_ratio", 1.0, f"the budget is too short for enlarging ({SOURCE})"
        )
        decide_crops(plan, situation)
        return
    is_large = ratio * min(situation.facts.median_size_HW) >= SMALL_CROP_PX
    if is_large and passes < HALVED_PASSES and _is_scale_free(plan, situation):
        _halve(plan, f"more is learnt in a tight budget than with smaller crops ({SOURCE})")
        return
    small = [min(SMALL_CROP_PX, side) for side in plan.get("data.crop_px")]
    plan.decide("data.crop_px", small, "the budget is tight: more crops, but smaller ones")


def decide_half_scale(plan: Plan, situation: Situation) -> None:
    """Save more time: halve the scale of images, and with it the crops.

    Where images are georeferenced, or their scale was given, crops alone become smaller.
    """
    if _is_scale_free(plan, situation):
        _halve(plan, "the budget is too tight for the full scale")
        return
    plan.decide("data.crop_px", _halve_crops(plan), "the budget is too tight for larger crops")


def _is_scale_free(plan: Plan, situation: Situation) -> bool:
    return not situation.is_georeferenced and "input.scale_ratio" not in plan.settings


def _halve(plan: Plan, reason: str) -> None:
    half = max(0.1, round(plan.get("input.scale_ratio") / 2, 2))
    plan.decide("input.scale_ratio", half, f"half the scale: {reason}")
    plan.decide("data.crop_px", _halve_crops(plan), "half of what they were, as the images are")


def _halve_crops(plan: Plan) -> list[int]:
    return [max(64, _round_up(side / 2)) for side in plan.get("data.crop_px")]


def _round_up(length: float) -> int:
    """The next multiple of 32, at least 64."""
    return max(64, math.ceil(length / MULTIPLE) * MULTIPLE)
