"""Outlines are exact: filling them gives the mask back."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from maskwright.data.shapes.outline import trace_outlines
from maskwright.data.shapes.raster import crop_mask, fill

masks = arrays(np.bool_, st.tuples(st.integers(1, 30), st.integers(1, 30)))


def test_a_block_with_a_hole_has_two_rings_of_four_corners():
    mask_HW = np.zeros((6, 7), bool)
    mask_HW[1:5, 2:6] = True
    mask_HW[2:4, 3:5] = False
    rings = [{(x, y) for x, y in ring.tolist()} for ring in trace_outlines(crop_mask(mask_HW))]
    outer, hole = {(2, 1), (6, 1), (6, 5), (2, 5)}, {(3, 2), (5, 2), (5, 4), (3, 4)}
    assert sorted(map(sorted, rings)) == sorted(map(sorted, (outer, hole)))


def test_pixels_that_touch_at_a_corner_have_rings_of_their_own():
    for mask_HW in (np.eye(4, dtype=bool), np.eye(4, dtype=bool)[::-1]):
        assert [len(ring) for ring in trace_outlines(crop_mask(mask_HW))] == [4] * 4


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
