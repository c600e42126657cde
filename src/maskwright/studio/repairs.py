"""Repairs: holes, specks, and borders that move, of one value of a class map."""

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.labels import LabelMap
from .edit import Edit, Grow, Holes, Repair, Shrink, Specks

Mask = NDArray[np.bool_]


def repair(labels_HW: LabelMap, edit: Edit, geometry: Repair) -> LabelMap:
    """The class map after a repair of the value of an edit.

    What grows and what fills holes paints as the mode of the edit says; what shrinks and what
    is a speck takes the values around it.
    """
    match geometry:
        case Holes(most_px=most_px):
            return paint(labels_HW, find_holes(labels_HW == edit.value, most_px), edit)
        case Grow(px=px):
            return paint(labels_HW, _grow(labels_HW == edit.value, px), edit)
        case Specks(most_px=most_px):
            inside_HW = labels_HW == edit.value
            return absorb(labels_HW, find_specks(inside_HW, most_px), inside_HW)
        case Shrink(px=px):
            inside_HW = labels_HW == edit.value
            return absorb(labels_HW, inside_HW & _grow(~inside_HW, px), inside_HW)


def paint(labels_HW: LabelMap, region_HW: Mask, edit: Edit) -> LabelMap:
    """The class map after an edit of a region."""
    changed_HW = labels_HW.copy()
    changed_HW[region_HW] = edit.table[labels_HW[region_HW]]
    return changed_HW


def find_holes(inside_HW: Mask, most_px: int) -> Mask:
    """Regions outside, connected by sides, that do not touch the border of the image."""
    number, region_HW, stats, _ = _find_regions(~inside_HW)
    height, width = inside_HW.shape
    left, top, columns, rows, area = stats.T
    encloses = (left > 0) & (top > 0) & (left + columns < width) & (top + rows < height)
    is_hole = encloses & (area <= most_px)
    is_hole[0] = False  # the class itself
    return np.asarray(is_hole[region_HW]) if number > 1 else np.zeros_like(inside_HW)


def find_specks(inside_HW: Mask, most_px: int) -> Mask:
    """Regions, connected by sides, of at most some pixels."""
    _, region_HW, stats, _ = _find_regions(inside_HW)
    is_speck = stats[:, cv2.CC_STAT_AREA] <= most_px
    is_speck[0] = False
    return np.asarray(is_speck[region_HW])


def absorb(labels_HW: LabelMap, region_HW: Mask, inside_HW: Mask) -> LabelMap:
    """The class map in which a region has the values of the nearest pixels outside a class.

    `inside_HW` are the pixels of the class, of which the region is a part.
    """
    if inside_HW.all() or not region_HW.any():
        return labels_HW.copy()
    _, nearest_HW = cv2.distanceTransformWithLabels(
        inside_HW.astype(np.uint8),
        cv2.DIST_L2,
        cv2.DIST_MASK_5,
        labelType=cv2.DIST_LABEL_PIXEL,
    )
    values = np.zeros(int(nearest_HW.max()) + 1, np.uint8)
    values[nearest_HW[~inside_HW]] = labels_HW[~inside_HW]
    return np.where(region_HW, values[nearest_HW], labels_HW)


def _grow(inside_HW: Mask, px: int) -> Mask:
    """The pixels up to `px` away from a region, by the distance of centres, and the region."""
    if not inside_HW.any():
        return inside_HW
    outside_HW = (~inside_HW).astype(np.uint8)
    distance_HW = cv2.distanceTransform(outside_HW, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance_HW <= px)


def _find_regions(inside_HW: Mask) -> tuple[int, NDArray[np.int32], NDArray[np.int32], object]:
    number, region_HW, stats, centers = cv2.connectedComponentsWithStats(
        inside_HW.astype(np.uint8), connectivity=4
    )
    return number, np.asarray(region_HW), np.asarray(stats), centers
