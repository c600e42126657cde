"""Interpolation: the class map between two that are labelled, region by region.

1. Regions of one class are matched between both maps, nearest centres first.
2. Matched regions are moved to the centre between their centres; there, their signed distances
   are mixed, and what is above 0 is the region (Raya and Udupa 1990, Shape-based interpolation
   of multidimensional objects). Others stay until the middle, or begin there.
3. Regions are painted from large to small, so that objects lie over their background.
4. Pixels that no region covers get the value of the nearest one.

Unlabelled pixels are regions too, so that they stay unlabelled.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.labels import LabelMap
from .proposals import Proposed
from .repairs import Mask, absorb

_MOST_REGIONS = 300
"""Of one class, the largest first; smaller ones take the values around them."""

_REACH = 2.0
"""Matched centres are at most so many times the square root of the area apart."""

_SURE_PX = 8.0
"""From this distance to the border on, a pixel is sure; on the border its confidence is 0.5."""


@dataclass(frozen=True, slots=True, eq=False)
class _Region:
    """Connected pixels of one value: a mask whose left upper corner is `corner_yx`."""

    value: int
    mask_hw: Mask
    corner_yx: NDArray[np.int64]
    centre_yx: NDArray[np.float64]
    area: int


def interpolate(first_HW: LabelMap, last_HW: LabelMap, share: float) -> Proposed:
    """The class map at `share` of the way from one to the other, in [0, 1]."""
    pairs = [
        pair
        for value in np.union1d(np.unique(first_HW), np.unique(last_HW))
        for pair in _match(_list_regions(first_HW, value), _list_regions(last_HW, value), share)
    ]
    painted_HW = np.zeros_like(first_HW)
    distance_HW = np.zeros(first_HW.shape, np.float32)
    is_open_HW = np.ones(first_HW.shape, np.bool_)
    for first, last in sorted(pairs, key=lambda pair: -max(r.area for r in pair)):
        value, corner_yx, distance_hw = _mix(first, last, share)
        inside_hw, part = _clip(distance_hw > 0, corner_yx, first_HW.shape)
        painted_HW[part][inside_hw] = value
        clipped_hw, _ = _clip(distance_hw, corner_yx, first_HW.shape)
        distance_HW[part][inside_hw] = clipped_hw[inside_hw]
        is_open_HW[part][inside_hw] = False
    labels_HW = absorb(painted_HW, is_open_HW, is_open_HW)
    confidence_HW = 0.5 + 0.5 * np.clip(distance_HW / _SURE_PX, 0, 1)
    return Proposed(labels_HW, confidence_HW.astype(np.float32))


def _list_regions(labels_HW: LabelMap, value: int) -> list[_Region]:
    number, region_HW, stats, centres = cv2.connectedComponentsWithStats(
        (labels_HW == value).astype(np.uint8), connectivity=4
    )
    order = 1 + np.argsort(-stats[1:number, cv2.CC_STAT_AREA], kind="stable")[:_MOST_REGIONS]
    found = []
    for index in order:
        left, top, width, height, area = stats[index]
        mask_hw = region_HW[top : top + height, left : left + width] == index
        corner_yx = np.array((top, left), np.int64)
        found.append(_Region(int(value), mask_hw, corner_yx, centres[index][::-1], int(area)))
    return found


def _match(
    ones: Sequence[_Region], others: Sequence[_Region], share: float
) -> Iterator[tuple[_Region, _Region]]:
    """Pairs of regions, nearest centres first; what has none stays or begins as it is."""
    if ones and others:
        centres = [np.array([r.centre_yx for r in regions]) for regions in (ones, others)]
        sizes = [np.sqrt([r.area for r in regions]) for regions in (ones, others)]
        far = np.linalg.norm(centres[0][:, None] - centres[1], axis=2)
        far[far > _REACH * np.maximum(sizes[0][:, None], sizes[1])] = np.inf
    free_ones, free_others = {*range(len(ones))}, {*range(len(others))}
    while free_ones and free_others:
        one, other = np.unravel_index(far.argmin(), far.shape)
        if np.isinf(far[one, other]):
            break
        yield ones[one], others[other]
        far[one], far[:, other] = np.inf, np.inf
        free_ones.discard(int(one))
        free_others.discard(int(other))
    alone = [ones[i] for i in free_ones] if share < 0.5 else [others[i] for i in free_others]
    yield from ((region, region) for region in alone)


def _mix(
    first: _Region, last: _Region, share: float
) -> tuple[int, NDArray[np.int64], NDArray[np.float32]]:
    """Value, corner and signed distances of a region between two."""
    centre_yx = (1 - share) * first.centre_yx + share * last.centre_yx
    corners = [
        np.rint(r.corner_yx + centre_yx - r.centre_yx).astype(np.int64) for r in (first, last)
    ]
    low_yx = np.minimum(*corners)
    high_yx = np.maximum(
        *(corner + r.mask_hw.shape for corner, r in zip(corners, (first, last), strict=True))
    )
    distances = [
        _sign_distances(region, corner - low_yx, tuple(high_yx - low_yx))
        for region, corner in zip((first, last), corners, strict=True)
    ]
    mixed_hw = (1 - share) * distances[0] + share * distances[1]
    return first.value, low_yx, mixed_hw.astype(np.float32)


def _sign_distances(
    region: _Region, offset_yx: NDArray[np.int64], size_hw: tuple[int, ...]
) -> NDArray[np.float32]:
    """Distances to the border of a region: above 0 inside, below outside."""
    mask_hw = np.zeros((size_hw[0] + 2, size_hw[1] + 2), np.uint8)
    (top, left), (height, width) = offset_yx + 1, region.mask_hw.shape
    mask_hw[top : top + height, left : left + width] = region.mask_hw
    inside_hw, outside_hw = (
        cv2.distanceTransform(m, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        for m in (mask_hw, 1 - mask_hw)
    )
    return np.asarray((inside_hw - outside_hw)[1:-1, 1:-1], np.float32)


def _clip(
    values_hw: NDArray[np.generic], corner_yx: NDArray[np.int64], size_HW: tuple[int, ...]
) -> tuple[NDArray[np.generic], tuple[slice, slice]]:
    """The part of an array at a corner that lies in the image, and its place."""
    (top, left), (height, width) = corner_yx, values_hw.shape
    low_y, low_x = max(top, 0), max(left, 0)
    high_y, high_x = min(top + height, size_HW[0]), min(left + width, size_HW[1])
    part_hw = values_hw[
        low_y - top : max(high_y, low_y) - top, low_x - left : max(high_x, low_x) - left
    ]
    return part_hw, (slice(low_y, max(high_y, low_y)), slice(low_x, max(high_x, low_x)))
