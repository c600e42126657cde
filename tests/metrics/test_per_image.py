"""Scores per image, then averaged: images weigh the same, those without a score none."""

import numpy as np
import pytest

from maskwright.core import IGNORE, Confusion
from maskwright.metrics import per_image, region


def _counts(truth, predicted):
    confusion = Confusion.from_labels(
        np.array(truth, np.uint8), np.array(predicted, np.uint8), 3
    )
    return per_image.count([region.scores(region.count(confusion))])


def _sum(*counted):
    return {name: sum(c[name] for c in counted) for name in counted[0]}


def test_a_large_and_a_small_image_weigh_the_same():
    large = _counts([[0] * 99 + [1]], [[0] * 99 + [0]])
    small = _counts([[0, 1]], [[0, 1]])
    scores = per_image.scores(_sum(large, small))
    assert scores.overall["image_mean_miou"] == pytest.approx((0.99 / 2 + 1) / 2)
    assert scores.overall["image_mean_pixel_accuracy"] == pytest.approx((0.99 + 1) / 2)
    np.testing.assert_allclose(scores.classes["image_mean_iou"], [0.995, 0.5, np.nan])
    assert "image_mean_dice" in scores.overall


def test_an_image_without_the_class_or_any_pixel_is_left_out():
    without = _counts([[0, 0]], [[0, 0]])
    nothing = _counts([[IGNORE]], [[0]])
    half = _counts([[1, 1]], [[1, 0]])
    scores = per_image.scores(_sum(without, nothing, half))
    np.testing.assert_allclose(scores.classes["image_mean_recall"], [1, 0.5, np.nan])
    assert scores.overall["image_mean_pixel_accuracy"] == 0.75


def test_replicates_are_scored_along_a_leading_axis():
    counts = _counts([[0, 1]], [[0, 0]])
    twice = {name: np.stack([array, 3 * array]) for name, array in counts.items()}
    overall = per_image.scores(twice).overall["image_mean_miou"]
    np.testing.assert_allclose(overall, [0.25, 0.25])
