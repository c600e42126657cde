"""Errors by place in the frame: literal counts, sums, JSON, cameras that move."""

import json

import numpy as np
import pytest

from maskwright.core.frame import FrameErrors, FrameTally
from maskwright.core.labels import IGNORE

TRUTH = np.array([[0, 0, 1], [IGNORE, 1, 1]], np.uint8)
PREDICTED = np.array([[0, 1, 0], [0, 1, 0]], np.uint8)


def test_wrong_pixels_are_counted_by_true_class_and_cell():
    errors = FrameErrors.from_maps(TRUTH, PREDICTED, 2)
    assert errors.errors_Chw.tolist() == [[[0, 1, 0], [0, 0, 0]], [[0, 0, 1], [0, 0, 1]]]
    assert errors.pixels_hw.tolist() == [[1, 1, 1], [0, 1, 1]]


def test_large_images_have_32_x_48_cells_and_lose_no_pixel():
    rng = np.random.default_rng(0)
    truth_HW, predicted_HW = rng.integers(0, 3, (2, 100, 203)).astype(np.uint8)
    errors = FrameErrors.from_maps(truth_HW, predicted_HW, 3)
    assert errors.errors_Chw.shape == (3, 32, 48)
    assert errors.pixels_hw.sum() == 100 * 203
    assert errors.errors_Chw.sum() == (truth_HW != predicted_HW).sum()


def test_counts_of_two_images_add_and_survive_json():
    one = FrameErrors.from_maps(TRUTH, PREDICTED, 2)
    both = FrameErrors.from_json(json.loads(json.dumps((one + one).to_json())))
    assert both.errors_Chw.tolist() == (2 * one.errors_Chw).tolist()
    assert both.size_HW == (2, 3)


def test_images_of_two_sizes_have_no_common_frame():
    tally = FrameTally(2)
    tally.add(TRUTH, PREDICTED)
    assert tally.errors is None
    tally.add(TRUTH, PREDICTED)
    assert tally.errors.errors_Chw.sum() == 6
    tally.add(TRUTH.T, PREDICTED.T)
    assert tally.errors is None


def test_counts_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="expected"):
        FrameErrors((2, 3), np.zeros((2, 2, 3), np.int64), np.zeros((3, 2), np.int64))
