"""All that is measured of one class map, and what is to be measured.

Regions smaller than `min_area` are left out of regions, gaps and thin structures alike: a speck
of some pixels would otherwise decide a gap. They stay in coverage and change, which count all.
The gap of a class to itself is the least one between two of its regions.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np

from ...core.labels import LabelMap
from ..ground.pixel_scale import PixelScale, PixelSize, middle_of, middle_of_image
from ..ground.roi import Mask
from .change import ClassChange
from .coverage import Coverage, count_coverage
from .gap import Gap, least_gap
from .regions import RegionProperties, find_regions
from .thin import ThinStructure, measure_thin

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurePlan:
    """What to measure, by class index; `min_area` is in the unit of areas."""

    num_classes: int
    regions: tuple[int, ...] = ()
    gaps: tuple[Pair, ...] = ()
    thin: tuple[int, ...] = ()
    min_area: float = 0.0

    @property
    def draws(self) -> bool:
        """Whether something is measured that an overlay can show."""
        return bool(self.regions or self.gaps or self.thin)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Figures:
    """What was measured of one map; `gaps` holds None where a class is absent."""

    coverage: Mapping[str, Coverage]
    regions: Mapping[int, list[RegionProperties]]
    gaps: Mapping[Pair, Gap | None]
    thin: Mapping[int, ThinStructure]
    change: ClassChange | None = None


def measure_map(
    labels_HW: LabelMap,
    plan: MeasurePlan,
    scale: PixelScale,
    *,
    rois: Mapping[str, Mask],
    before_HW: LabelMap | None = None,
) -> Figures:
    """Everything that `plan` asks of one map, and its change where there is one before it.

    Raises:
        DataError: The map before is of another size.
    """
    middle = scale.at(*middle_of_image(labels_HW.shape))
    min_px = max(1, math.ceil(plan.min_area / middle.pixel_area - 1e-9))
    asked = {*plan.thin, *(index for pair in plan.gaps for index in pair)}
    masks = {index: large_regions(labels_HW == index, min_px) for index in sorted(asked)}
    return Figures(
        coverage=count_coverage(labels_HW, plan.num_classes, scale, rois),
        regions={
            index: find_regions(labels_HW == index, scale, min_area_px=min_px)
            for index in plan.regions
        },
        gaps={
            (a, b): least_gap(masks[a], masks[b], scale.at(*middle_of(masks[a] | masks[b])))
            if a != b
            else least_gap_within(masks[a], scale.at(*middle_of(masks[a])))
            for a, b in plan.gaps
        },
        thin={
            index: measure_thin(masks[index], scale.at(*middle_of(masks[index])))
            for index in plan.thin
        },
        change=None
        if before_HW is None
        else ClassChange.of(before_HW, labels_HW, plan.num_classes, middle),
    )


def large_regions(mask_HW: Mask, min_px: int) -> Mask:
    """The pixels of those 8-connected regions that have at least `min_px`."""
    if min_px <= 1:
        return mask_HW
    _, place_HW, stats, _ = cv2.connectedComponentsWithStats(mask_HW.astype(np.uint8))
    kept = stats[:, cv2.CC_STAT_AREA] >= min_px
    kept[0] = False
    return np.asarray(kept[place_HW], np.bool_)


def least_gap_within(mask_HW: Mask, size: PixelSize) -> Gap | None:
    """The least gap between two 8-connected regions of a mask; None where there is one or none.

    What lies further from a region than the least gap so far is never looked at.
    """
    _, place_HW, stats, _ = cv2.connectedComponentsWithStats(mask_HW.astype(np.uint8))
    least: Gap | None = None
    for number in 1 + np.argsort(stats[1:, cv2.CC_STAT_AREA], kind="stable"):
        left, top, width, height, _ = stats[number].tolist()
        reach_HW = (
            mask_HW.shape
            if least is None
            else [math.ceil(least.distance / side) for side in size.pixel_HW]
        )
        y0, x0 = max(0, top - reach_HW[0]), max(0, left - reach_HW[1])
        window = np.s_[y0 : top + height + reach_HW[0], x0 : left + width + reach_HW[1]]
        one_HW = place_HW[window] == number
        found = least_gap(one_HW, mask_HW[window] & ~one_HW, size)
        if found is not None and (least is None or found.distance < least.distance):
            least = replace(
                found, a_px=_moved(found.a_px, x0, y0), b_px=_moved(found.b_px, x0, y0)
            )
    return least


def _moved(point: tuple[float, float], x: float, y: float) -> tuple[float, float]:
    return point[0] + x, point[1] + y
