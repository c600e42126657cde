"""Accuracy of images whose truth has come."""

import numpy as np
import pytest

from maskwright.core.confusion import Confusion
from maskwright.core.scores import iou, mean_iou
from maskwright.serving.watch.accuracy import measure_accuracy
from maskwright.serving.watch.view import View

from .records import BUNDLE, make_record

VIEW = View(length="1h", end=3600.0, bundle=BUNDLE)


def _scored(rng, num):
    for n in range(num):
        counts = rng.integers(0, 50, (2, 2)) + 100 * np.eye(2, dtype=int)
        yield make_record(n, at=3600.0 * n / num, score=counts.tolist())


def test_the_scores_are_those_of_the_summed_counts():
    records = list(_scored(np.random.default_rng(0), 60))
    found = measure_accuracy(records, VIEW, 60)
    total = Confusion(np.array([record.score for record in records]).sum(0))
    assert found.mean == mean_iou(total)
    np.testing.assert_array_equal(found.iou_C, iou(total))
    assert found.mean_N[3] == mean_iou(Confusion(np.array(records[3].score)))
    low, high = found.mean_interval
    assert low < found.mean < high < low + 0.1


def test_one_group_has_no_interval_and_no_truth_no_accuracy():
    (record,) = _scored(np.random.default_rng(0), 1)
    found = measure_accuracy([record], VIEW, 60)
    assert np.isnan(found.mean_interval).all()
    assert np.isfinite(found.mean_N).sum() == 1
    assert measure_accuracy([], VIEW, 60) is None


def test_a_class_that_is_nowhere_is_left_out_of_the_mean():
    records = [make_record(60 * n, score=[[90, 0], [0, 0]]) for n in range(3)]
    found = measure_accuracy(records, VIEW, 60)
    assert (found.mean, found.mean_interval) == (1, (1, 1))
    np.testing.assert_array_equal(found.interval_2C, [[1, np.nan], [1, np.nan]])
    assert found.iou_C.tolist() == [1.0, pytest.approx(np.nan, nan_ok=True)]
