"""Region scores agree with scikit-learn and torchmetrics on random maps, replicates and all."""

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from maskwright.core import IGNORE, Confusion
from maskwright.metrics import region

C = 6
"""Class 5 never occurs."""


@pytest.fixture(params=range(4))
def pair(request):
    rng = np.random.default_rng(request.param)
    truth = rng.integers(0, 5, (40, 30)).astype(np.uint8)
    predicted = np.where(rng.random(truth.shape) < 0.6, truth, rng.integers(0, 5, truth.shape))
    truth[rng.random(truth.shape) < 0.1] = IGNORE
    return truth, predicted.astype(np.uint8)


def _scores(truth, predicted):
    return region.scores(region.count(Confusion.from_labels(truth, predicted, C)))


def test_scores_are_those_of_scikit_learn(pair):
    truth, predicted = (m[pair[0] != IGNORE] for m in pair)
    scores = _scores(*pair)
    labels = {"labels": list(range(5)), "average": None}
    for name, peer in (
        ("iou", sklearn_metrics.jaccard_score),
        ("dice", sklearn_metrics.f1_score),
        ("precision", sklearn_metrics.precision_score),
        ("recall", sklearn_metrics.recall_score),
    ):
        np.testing.assert_allclose(scores.classes[name][:5], peer(truth, predicted, **labels))
        assert np.isnan(scores.classes[name][5])
    for name, expected in (
        ("cohens_kappa", sklearn_metrics.cohen_kappa_score(truth, predicted)),
        ("pixel_accuracy", sklearn_metrics.accuracy_score(truth, predicted)),
        ("micro_iou", sklearn_metrics.jaccard_score(truth, predicted, average="micro")),
        ("miou", sklearn_metrics.jaccard_score(truth, predicted, average="macro")),
        ("mean_recall", sklearn_metrics.balanced_accuracy_score(truth, predicted)),
    ):
        assert scores.overall[name] == pytest.approx(expected), name
    weighted = sklearn_metrics.jaccard_score(truth, predicted, average="weighted")
    assert scores.overall["frequency_weighted_iou"] == pytest.approx(weighted)


def test_accuracy_is_of_the_class_against_the_rest(pair):
    truth, predicted = (m[pair[0] != IGNORE] for m in pair)
    expected = [((truth == c) == (predicted == c)).mean() for c in range(5)]
    np.testing.assert_allclose(_scores(*pair).classes["accuracy"], [*expected, np.nan])


def test_a_leading_axis_scores_each_replicate_alone(pair):
    counts = region.count(Confusion.from_labels(*pair, C))
    other = region.count(Confusion.from_labels(pair[0], np.zeros_like(pair[1]), C))
    both = region.scores({n: np.stack([counts[n], other[n]]) for n in counts})
    for row, alone in enumerate((region.scores(counts), region.scores(other))):
        for name, value in alone.overall.items():
            np.testing.assert_array_equal(both.overall[name][row], value)
        for name, value in alone.classes.items():
            np.testing.assert_array_equal(both.classes[name][row], value)


def test_chance_agreement_is_kappa_zero_and_one_class_has_none():
    truth = np.array([[0, 0, 1, 1]], np.uint8)
    assert _scores(truth, np.array([[0, 1, 0, 1]], np.uint8)).overall["cohens_kappa"] == 0
    assert np.isnan(_scores(truth * 0, truth * 0).overall["cohens_kappa"])
