"""MeasurePlan and Figures: what to measure in one class map, and the result.

Regions smaller than `min_area` are left out of regions, gaps and thin structures: otherwise a
few wrong pixels could decide a gap. Coverage and change count every pixel. The gap of a class
to itself is the least gap between two of its regions.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from ...core.labels import IGNORE, LabelMap
from ...data.georef.pixel_scale import PixelScale, PixelSize, middle_of_image, middle_of_mask
from ..ground.roi import Mask
from .change import ClassChange
from .coverage import Coverage, count_coverage
from .gap import Gap, find_gap
from .regions import RegionProperties, find_regions
from .thin import ThinStructure, measure_thin

ClassPair = tuple[int, int]
"""Two class indices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurePlan:
    """What to measure, by class index; `min_area` is in the unit of areas."""

    num_classes: int
    regions: tuple[int, ...] = ()
    gaps: tuple[ClassPair, ...] = ()
    thin: tuple[int, ...] = ()
    min_area: float = 0.0

    @property
    def draws(self) -> bool:
        """Whether the plan has regions, gaps or thin structures, which an overlay shows."""
        return bool(self.regions or self.gaps or self.thin)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Figures:
    """The figures of one map: `coverage` by region of interest, `regions` and `thin` by class.

    A value of `gaps` is None where a class is absent. `rois` are the same figures of what lies
    inside each region of interest, where more than coverage is measured.
    """

    coverage: Mapping[str, Coverage]
    regions: Mapping[int, list[RegionProperties]]
    gaps: Mapping[ClassPair, Gap | None]
    thin: Mapping[int, ThinStructure]
    change: ClassChange | None = None
    rois: Mapping[str, "Figures"] = field(default_factory=dict)


def measure_map(
    labels_HW: LabelMap,
    plan: MeasurePlan,
    scale: PixelScale,
    *,
    rois: Mapping[str, Mask],
    before_HW: LabelMap | None = None,
) -> Figures:
    """Measure what `plan` lists, and the change where a map of an earlier date is given.

    Args:
        labels_HW: Class indices or IGNORE.
        plan: What to measure.
        scale: The size of a pixel.
        rois: Regions of interest by name, each H x W.
        before_HW: The class map of the same place at an earlier date.

    Raises:
        DataError: The map of the earlier date is of another size.
    """
    figures = _measure_labels(labels_HW, plan, scale, rois=rois, before_HW=before_HW)
    if not plan.draws and before_HW is None:
        return figures
    inside = {}
    for name, roi_HW in rois.items():
        labels, before = (
            None if m is None else np.where(roi_HW, m, np.uint8(IGNORE))
            for m in (labels_HW, before_HW)
        )
        if labels is not None:
            inside[name] = _measure_labels(labels, plan, scale, rois={}, before_HW=before)
    return replace(figures, rois=inside)


def _measure_labels(
    labels_HW: LabelMap,
    plan: MeasurePlan,
    scale: PixelScale,
    *,
    rois: Mapping[str, Mask],
    before_HW: LabelMap | None,
) -> Figures:
    middle = scale.at(*middle_of_image(labels_HW.shape))
    min_px = max(1, math.ceil(plan.min_area / middle.pixel_area - 1e-9))
    indices = {*plan.thin, *(index for pair in plan.gaps for index in pair)}
    masks = {index: keep_large_regions(labels_HW == index, min_px) for index in sorted(indices)}
    return Figures(
        coverage=count_coverage(labels_HW, plan.num_classes, scale, rois),
        regions={
            index: find_regions(labels_HW == index, scale, min_area_px=min_px)
            for index in plan.regions
        },
        gaps={
            (a, b): find_gap(masks[a], masks[b], scale.at(*middle_of_mask(masks[a] | masks[b])))
            if a != b
            else find_gap_within(masks[a], scale.at(*middle_of_mask(masks[a])))
            for a, b in plan.gaps
        },
        thin={
            index: measure_thin(masks[index], scale.at(*middle_of_mask(masks[index])))
            for index in plan.thin
        },
        change=None
        if before_HW is None
        else ClassChange.from_maps(before_HW, labels_HW, plan.num_classes, scale),
    )


def keep_large_regions(mask_HW: Mask, min_px: int) -> Mask:
    """Remove the 8-connected regions that have less than `min_px` pixels; H x W."""
    if min_px <= 1:
        return mask_HW
    _, region_HW, stats, _ = cv2.connectedComponentsWithStats(mask_HW.astype(np.uint8))
    kept = stats[:, cv2.CC_STAT_AREA] >= min_px
    kept[0] = False
    return np.asarray(kept[region_HW], np.bool_)


def find_gap_within(mask_HW: Mask, size: PixelSize) -> Gap | None:
    """Find the least gap between two 8-connected regions of a mask; None below two regions.

    Around each region, smallest first, only pixels within the least gap so far are searched.
    """
    _, region_HW, stats, _ = cv2.connectedComponentsWithStats(mask_HW.astype(np.uint8))
    least: Gap | None = None
    for index in 1 + np.argsort(stats[1:, cv2.CC_STAT_AREA], kind="stable"):
        left, top, width, height, _ = stats[index].tolist()
        reach_HW = (
            mask_HW.shape
            if least is None
            else [math.ceil(least.distance / side) for side in size.pixel_HW]
        )
        y0, x0 = max(0, top - reach_HW[0]), max(0, left - reach_HW[1])
        window = np.s_[y0 : top + height + reach_HW[0], x0 : left + width + reach_HW[1]]
        one_HW = region_HW[window] == index
        gap = find_gap(one_HW, mask_HW[window] & ~one_HW, size)
        if gap is not None and (least is None or gap.distance < least.distance):
            least = replace(gap, a_px=_shift(gap.a_px, x0, y0), b_px=_shift(gap.b_px, x0, y0))
    return least


def _shift(point: tuple[float, float], x: float, y: float) -> tuple[float, float]:
    return point[0] + x, point[1] + y
