"""Decisions on intensity: the kind of the images, their window, mean and std, and augmentation.

Mean and std of CT are those of the clipped foreground (nnU-Net, Isensee et al. 2021,
supplementary note 2); `data.intensities` finds the kind and the window.
"""

import numpy as np
from numpy.typing import NDArray

from maskwright.core.errors import ConfigError
from maskwright.core.intensity import CALIBRATED, Kind
from maskwright.data.facts import Facts
from maskwright.data.intensities import find_kind, find_window
from maskwright.data.values import ValueSample
from maskwright.nn.encoders import find_input_statistics
from maskwright.pages.text import format_count

from .histogram import draw_histogram
from .plan import Plan
from .situation import Situation

_NOT_IN_STD = "augment.unit std changes no colours"


def decide_intensity(plan: Plan, situation: Situation) -> None:
    """Decide how values become network input, and how augmentation may change them.

    Raises:
        ConfigError: The given kind is not one that the images can have.
        DataError: Images of several modalities, and no kind is given.
    """
    facts = situation.facts
    slices = plan.get("input.slices")
    reason = "channels of the images"
    if slices > 1:
        reason = f"{slices} slices, of {format_count(facts.channels, 'channel')} each"
    elif facts.planes:
        plan.keep("input.slices", "each slice by itself; 3 adds a neighbour on both sides")
    plan.decide("input.channels", slices * facts.channels, reason)
    if facts.bands:
        plan.decide("input.bands", list(facts.bands), "the bands that dataset.yaml names")
    if situation.conversion:
        plan.decide("input.convert_channels", True, situation.conversion)
    plan.decide("input.max_value", facts.max_value, "the bit depth of the images")
    if "input.kind" not in plan.settings:
        plan.decide(
            "input.kind",
            *find_kind(facts.values, facts.max_value, converted=bool(situation.conversion)),
        )
    _require_possible(plan, facts)
    _decide_statistics(plan, situation)
    _decide_augmentation(plan, facts)


def _require_possible(plan: Plan, facts: Facts) -> None:
    kind = plan.get("input.kind")
    if kind == "photograph" and "float32" in facts.values.types:
        raise ConfigError(
            "input.kind photograph takes values of 8 or 16 bits, and the images hold values "
            "below 0 or fractions; use ct, mr or reflectance"
        )


def _decide_statistics(plan: Plan, situation: Situation) -> None:
    """Decide window, mean and std."""
    facts, kind = situation.facts, plan.get("input.kind")
    slices: int = plan.get("input.slices")
    mean_C, std_C, reason = np.array(facts.mean), np.array(facts.std), "of the training images"
    initial = situation.initial
    if initial is not None and initial.takes(kind, slices * facts.channels):
        spec, reason = initial.card.input, f"that of {initial.source}"
        mean_C, std_C = np.array(spec.mean), np.array(spec.std)
        if spec.window:
            plan.decide("input.window", [list(pair) for pair in spec.window], reason)
    elif kind == "photograph":
        is_rgb = facts.channels == 3 and facts.max_value == 255 and slices == 1
        if is_rgb and plan.is_pretrained:
            mean_C, std_C, reason = _find_statistics(plan, situation)
    elif kind == "mr":
        mean_C, std_C = np.zeros(facts.channels), np.ones(facts.channels)
        reason = "of the z-score of each image"
    else:
        window_C2 = _decide_window(plan, facts.values, kind)
        mean_C, std_C = facts.values.measure_moments(window_C2, foreground=kind == "ct")
        reason = f"of the clipped {'foreground' if kind == 'ct' else 'values'}"
    if kind != "photograph":
        window = plan.get("input.window")[: facts.channels]
        plan.histogram = draw_histogram(facts.values, kind, window)
    for key, values_C in (("input.mean", mean_C), ("input.std", std_C)):
        # those of one slice are the same for all
        times = slices if len(values_C) == facts.channels else 1
        plan.decide(key, [float(f"{v:.4f}") for v in values_C] * times, reason)


def _find_statistics(
    plan: Plan, situation: Situation
) -> tuple[NDArray[np.float64], NDArray[np.float64], str]:
    """Mean and std of RGB images that the encoder was trained with, and the reason."""
    found = situation.checkpoint
    if found is not None and found.statistics is not None:
        mean, std = found.statistics
        return np.array(mean), np.array(std), f"that of {found.source}"
    mean, std = find_input_statistics(str(plan.get("model.encoder")))
    return np.array(mean), np.array(std), "that of the encoder's pretraining"


def _decide_window(plan: Plan, values: ValueSample, kind: Kind) -> NDArray[np.float64]:
    """Decide the window, and return it per channel, (C, 2)."""
    window_C2, reason = find_window(values, kind)
    pairs = window_C2.tolist()
    repeated = pairs * (plan.get("input.slices") if len(pairs) > 1 else 1)
    plan.decide("input.window", repeated, reason)
    given = np.atleast_2d(np.asarray(plan.get("input.window"), np.float64))
    given = given[: values.channels]
    return np.broadcast_to(given, (values.channels, 2))


def _decide_augmentation(plan: Plan, facts: Facts) -> None:
    kind: Kind = plan.get("input.kind")
    if kind == "photograph" and facts.max_value == 255:
        if plan.get("input.slices") > 1:
            for name in ("saturation", "hue", "jpeg"):
                plan.decide(f"augment.{name}", 0.0, "the channels are slices, not colours")
        elif facts.channels not in {1, 3}:
            plan.decide("augment.jpeg", 0.0, "JPEG stores 8-bit images of 1 or 3 channels only")
        return
    plan.decide("augment.unit", "std", "relative to the statistics of the images")
    for name in ("saturation", "hue", "jpeg"):
        plan.decide(f"augment.{name}", 0.0, _NOT_IN_STD)
    if kind in CALIBRATED:
        for name in ("brightness", "contrast", "noise"):
            reason = f"off: absolute values of kind {kind} tell classes apart"
            plan.decide(f"augment.{name}", 0.0, reason)
