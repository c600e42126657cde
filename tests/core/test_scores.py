"""Scores against scikit-learn and torchmetrics, on random label maps with ignored pixels."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, jaccard_score, precision_recall_fscore_support

from maskwright.core import IGNORE, Confusion
from maskwright.core.scores import (
    dice,
    frequency_weighted_iou,
    iou,
    mean_iou,
    pixel_accuracy,
    precision,
    recall,
)

C = 6


@pytest.fixture(params=range(5))
def maps(request):
    """Truth with ignored pixels, and a prediction that is right about half of the time."""
    rng = np.random.default_rng(request.param)
    truth = rng.integers(0, C, (37, 23)).astype(np.uint8)
    predicted = np.where(rng.random(truth.shape) < 0.5, truth, rng.integers(0, C, truth.shape))
    truth[rng.random(truth.shape) < 0.1] = IGNORE
    return truth, predicted.astype(np.uint8)


def test_scores_are_those_of_scikit_learn(maps):
    truth, predicted = maps
    confusion = Confusion.from_labels(truth, predicted, C)
    a, b = truth[truth != IGNORE], predicted[truth != IGNORE]
    expected = precision_recall_fscore_support(a, b, labels=range(C))
    np.testing.assert_allclose(precision(confusion), expected[0])
    np.testing.assert_allclose(recall(confusion), expected[1])
    np.testing.assert_allclose(dice(confusion), expected[2])
    np.testing.assert_allclose(
        iou(confusion), jaccard_score(a, b, labels=range(C), average=None)
    )
    assert pixel_accuracy(confusion) == pytest.approx(accuracy_score(a, b))
    assert frequency_weighted_iou(confusion) == pytest.approx(
        jaccard_score(a, b, labels=range(C), average="weighted")
    )


def test_mean_iou_is_that_of_torchmetrics(maps):
    torch = pytest.importorskip("torch")
    from torchmetrics.functional.classification import multiclass_jaccard_index

    truth, predicted = maps
    expected = multiclass_jaccard_index(
        torch.from_numpy(predicted).long(),
        torch.from_numpy(truth).long(),
        num_classes=C,
        ignore_index=IGNORE,
    )
    assert mean_iou(Confusion.from_labels(truth, predicted, C)) == pytest.approx(
        float(expected), abs=1e-6
    )


def test_anchor_counted_by_hand():
    confusion = Confusion(np.array([[4, 1, 0], [2, 3, 0], [0, 0, 0]]))
    np.testing.assert_allclose(iou(confusion), [4 / 7, 3 / 6, np.nan])
    np.testing.assert_allclose(precision(confusion), [4 / 6, 3 / 4, np.nan])
    np.testing.assert_allclose(recall(confusion), [4 / 5, 3 / 5, np.nan])
    np.testing.assert_allclose(dice(confusion), [8 / 11, 6 / 9, np.nan])
    assert pixel_accuracy(confusion) == 0.7
    assert frequency_weighted_iou(confusion) == pytest.approx(0.5 * 4 / 7 + 0.5 * 3 / 6)


def test_class_predicted_where_truth_has_none_scores_zero_and_counts():
    confusion = Confusion(np.array([[3, 1], [0, 0]]))
    np.testing.assert_allclose(iou(confusion), [3 / 4, 0])
    np.testing.assert_allclose(recall(confusion), [3 / 4, np.nan])
    assert mean_iou(confusion) == 3 / 8


def test_nothing_counted_scores_nothing():
    nothing = Confusion.zero(3)
    assert np.isnan([mean_iou(nothing), pixel_accuracy(nothing)]).all()
    assert np.isnan(frequency_weighted_iou(nothing))
