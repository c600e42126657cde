"""Outlines are exact: filling them gives the mask back."""

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from shapely.geometry import Polygon

from maskwright.data.shapes.outline import (
    count_holes,
    is_simple,
    trace_centers,
    trace_outlines,
)
from maskwright.data.shapes.raster import Crop, crop_mask, fill, unite

masks = arrays(np.bool_, st.tuples(st.integers(1, 30), st.integers(1, 30)))


def test_a_block_with_a_hole_has_two_rings_of_four_corners():
    mask_HW = np.zeros((6, 7), bool)
    mask_HW[1:5, 2:6] = True
    mask_HW[2:4, 3:5] = False
    rings = [{(x, y) for x, y in ring.tolist()} for ring in trace_outlines(crop_mask(mask_HW))]
    outer, hole = {(2, 1), (6, 1), (6, 5), (2, 5)}, {(3, 2), (5, 2), (5, 4), (3, 4)}
    assert sorted(map(sorted, rings)) == sorted(map(sorted, (outer, hole)))


def test_pixels_that_touch_at_a_corner_are_in_one_ring():
    for mask_HW in (np.eye(4, dtype=bool), np.eye(4, dtype=bool)[::-1]):
        assert [len(ring) for ring in trace_outlines(crop_mask(mask_HW))] == [16]


def test_a_hole_that_touches_the_outside_at_a_corner_is_a_ring_of_its_own():
    mask_HW = np.ones((4, 4), bool)
    mask_HW[1, 1] = mask_HW[0, 0] = False
    rings = trace_outlines(crop_mask(mask_HW))
    assert sorted(len(ring) for ring in rings) == [4, 6]
    outline, hole = sorted(rings, key=len, reverse=True)
    assert Polygon(outline, [hole]).is_valid
    assert Polygon(outline, [hole]).area == 14


@given(masks)
def test_the_outlines_of_a_connected_region_are_a_valid_polygon(mask_HW):
    """By shapely, as GIS software judges it."""
    count, regions = cv2.connectedComponents(mask_HW.astype(np.uint8), connectivity=4)
    for region in range(1, count):
        rings = trace_outlines(crop_mask(regions == region))
        outline, *holes = sorted(rings, key=lambda ring: -Polygon(ring).area)
        polygon = Polygon(outline, holes)
        assert polygon.is_valid
        assert polygon.area == np.count_nonzero(regions == region)
        assert is_simple(rings)


@given(arrays(np.float64, st.tuples(st.integers(3, 8), st.just(2)), elements=st.integers(0, 5)))
def test_a_ring_is_simple_where_shapely_calls_its_polygon_valid(ring):
    repeated = (ring == np.roll(ring, -1, axis=0)).all(axis=1).any()
    assert is_simple([ring]) == (Polygon(ring).is_valid and not repeated)


def test_rings_may_share_a_corner_and_not_an_edge():
    square = np.array([[0, 0], [8, 0], [8, 8], [0, 8]], float)
    assert is_simple([square, np.array([[0, 0], [2, 2], [1, 3]], float)])
    assert not is_simple([square, np.array([[0, 0], [4, 0], [1, 3]], float)])
    assert not is_simple([square, np.array([[4, 4], [12, 4], [4, 6]], float)])


@given(masks)
def test_rings_through_centres_give_the_mask_without_its_holes(mask_HW):
    crop = crop_mask(mask_HW)
    filled = unite([fill((ring,), mask_HW.shape, "opencv") for ring in trace_centers(crop)])
    expected_HW = ndimage.binary_fill_holes(mask_HW)
    np.testing.assert_array_equal(filled.to_mask(mask_HW.shape), expected_HW)
    assert count_holes(crop) == ndimage.label(expected_HW & ~mask_HW)[1]


def test_a_region_of_one_pixel_has_a_ring_of_three_corners():
    (ring,) = trace_centers(Crop(2, 3, np.ones((1, 1), bool)))
    assert ring.tolist() == [[3.5, 2.5]] * 3


@given(masks)
def test_filling_the_outlines_gives_the_mask_back(mask_HW):
    rings = trace_outlines(crop_mask(mask_HW))
    np.testing.assert_array_equal(
        fill(rings, mask_HW.shape, "center").to_mask(mask_HW.shape), mask_HW
    )
    for ring in rings:
        steps = np.abs(np.diff(ring, axis=0, append=ring[:1]))
        assert ((steps == 0).sum(axis=1) == 1).all()


@given(masks)
def test_without_holes_coco_fills_the_outlines_in_the_same_way(mask_HW):
    filled_HW = np.maximum.accumulate(mask_HW, axis=0)  # columns that reach down: no holes
    rings = trace_outlines(crop_mask(filled_HW))
    size_HW = filled_HW.shape
    np.testing.assert_array_equal(fill(rings, size_HW, "coco").to_mask(size_HW), filled_HW)
