"""Regions of a map in strips are those of the map in one piece, which OpenCV labels."""

import cv2
import numpy as np
import pytest

from maskwright.core.labels import IGNORE
from maskwright.data.check.defects import DefectTally, Strip, find_defects
from maskwright.data.check.task import TaskTally
from maskwright.data.shapes.regions import RegionTally


def draw_map(seed):
    """Blocks, specks and lines of four classes, one of them IGNORE."""
    rng = np.random.default_rng(seed)
    labels_HW = rng.integers(0, 3, (9, 11)).astype(np.uint8).repeat(7, 0).repeat(6, 1)
    noise_HW = rng.random(labels_HW.shape)
    labels_HW[noise_HW < (0.02, 0.3)[seed % 2]] = IGNORE
    labels_HW[noise_HW > (0.98, 0.7)[seed % 2]] = 1
    labels_HW[rng.integers(63)] = 2
    labels_HW[:, rng.integers(66)] = 0
    return labels_HW


def cut(labels_HW, seed):
    """Strips of one row and more."""
    rng = np.random.default_rng(seed)
    ends = np.flatnonzero(rng.random(len(labels_HW)) < 0.3)[1:]
    return np.split(labels_HW, ends[ends > 0])


def list_regions(strips):
    regions = RegionTally()
    found = [item for strip_HW in strips for item in regions.add(strip_HW)]
    found += regions.finish()
    names = ("area_R", "top_R", "bottom_R", "left_R", "right_R", "is_thick_R")
    rows = [
        (index, *row)
        for index, part in found
        for row in zip(*(getattr(part, name).tolist() for name in names), strict=True)
    ]
    return sorted(rows), dict(regions.thin_px), regions.broad


def list_expected(labels_HW):
    rows, thin_px, broad = [], {}, set()
    for index in np.unique(labels_HW).tolist():
        inside_HW = (labels_HW == index).astype(np.uint8)
        _, number_HW, stats, _ = cv2.connectedComponentsWithStats(inside_HW, connectivity=8)
        square_HW = cv2.erode(inside_HW, np.ones((2, 2), np.uint8), borderValue=0) > 0
        for number, (left, top, width, height, area) in enumerate(stats.tolist()[1:], start=1):
            thick = bool((square_HW & (number_HW == number)).any())
            rows.append((index, area, top, top + height, left, left + width, thick))
        opened_HW = cv2.morphologyEx(inside_HW, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
        thin_px[index] = int(inside_HW.sum()) - int(opened_HW.sum())
        if cv2.erode(inside_HW, np.ones((3, 3), np.uint8), borderValue=0).any():
            broad.add(index)
    return sorted(rows), thin_px, broad


@pytest.mark.parametrize("seed", range(12))
def test_regions_in_strips_are_those_of_the_map(seed):
    labels_HW = draw_map(seed)
    expected = list_expected(labels_HW)
    assert list_regions([labels_HW]) == expected
    assert list_regions(cut(labels_HW, seed)) == expected


def test_a_ring_that_opens_below_is_one_region():
    """Two arms that meet in the last row."""
    labels_HW = np.array([[1, 0, 1], [1, 0, 1], [1, 1, 1]], np.uint8)
    rows, _, _ = list_regions(np.split(labels_HW, 3))
    assert rows == [(0, 2, 0, 2, 1, 2, False), (1, 7, 0, 3, 0, 3, False)]


@pytest.mark.parametrize("seed", range(12))
def test_defects_and_boxes_in_strips_are_those_of_the_map(seed):
    labels_HW = draw_map(seed)
    regions, defects, around = RegionTally(), DefectTally(), None
    for strip_HW in cut(labels_HW, seed):
        around = Strip(strip_HW) if around is None else around.extend(strip_HW)
        for index, ended in regions.add(strip_HW):
            defects.add(index, ended, around)
    for index, last in regions.finish():
        defects.add(index, last, None)
    assert defects.finish(regions) == find_defects(labels_HW)
    whole, parts = TaskTally(), TaskTally()
    whole.add(labels_HW, 0)
    parts.add_strips(cut(labels_HW, seed), 0)
    assert parts == whole
    assert sum(whole.boxes.values()) < sum(whole.regions.values())
