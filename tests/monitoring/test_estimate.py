"""Estimates of mIoU without labels: right where shares are calibrated, wide elsewhere."""

import json

import numpy as np
import pytest

from maskwright.core.confusion import Confusion
from maskwright.core.errors import DataError
from maskwright.core.labels import IGNORE
from maskwright.monitoring.estimate import (
    METHODS,
    Estimator,
    LabelledGroup,
    find_thresholds,
    measure,
)
from maskwright.monitoring.softcounts import BINS, SoftCounts, measure_soft_dice

CLASSES = 3


def make_image(rng, *, certainty, honest=True, side=48):
    """Truth drawn from the shares (honest), or from softer ones."""
    logits_KHW = rng.normal(size=(CLASSES, side, side)) * certainty
    shares_KHW = np.exp(logits_KHW) / np.exp(logits_KHW).sum(0)
    real_KHW = shares_KHW if honest else np.exp(logits_KHW / 3) / np.exp(logits_KHW / 3).sum(0)
    chance_HW = rng.random((side, side))
    truth_HW = (np.cumsum(real_KHW, axis=0) < chance_HW).sum(0).clip(0, CLASSES - 1)
    labels_HW = shares_KHW.argmax(0).astype(np.uint8)
    counts = SoftCounts.from_shares(labels_HW, shares_KHW.astype(np.float32), CLASSES)
    return counts, Confusion.from_labels(truth_HW.astype(np.uint8), labels_HW, CLASSES)


def make_group(seed, **choices):
    rng = np.random.default_rng(seed)
    images = [make_image(rng, **choices) for _ in range(6)]
    return LabelledGroup(tuple(one for one, _ in images), tuple(one for _, one in images))


def miou(group):
    counts = group.confusion.counts_CC
    hit = np.diag(counts)
    return (hit / (counts.sum(0) + counts.sum(1) - hit)).mean()


def make_kinds(seed, certainties, **choices):
    groups = [make_group(seed + k, certainty=c, **choices) for k, c in enumerate(certainties)]
    return {str(kind): groups[kind::4] for kind in range(4)}


@pytest.fixture(scope="module")
def estimator():
    return Estimator.fit(make_group(99, certainty=4), make_kinds(0, np.linspace(0.4, 4, 24)))


def test_counts_by_hand_and_they_add():
    labels_HW = np.array([[0, 1], [1, IGNORE]], np.uint8)
    shares = np.array([[[0.75, 0.25], [0.5, 0]], [[0.25, 0.75], [0.5, 0]]], np.float32)
    found = SoftCounts.from_shares(labels_HW, shares, 2)
    assert found.expected_CC.tolist() == [[0.75, 0.75], [0.25, 1.25]]
    assert np.flatnonzero(found.confidence_CB[1]).tolist() == [BINS // 2, int(0.75 * BINS)]
    assert found.num_pixels == 3
    assert found.confidence == pytest.approx(2 / 3)
    # 2 sum(p y) / sum(p + y): 1.5 / (1.5 + 1) and 2.5 / (1.5 + 2)
    assert measure_soft_dice(found) == pytest.approx((1.5 / 2.5 + 2.5 / 3.5) / 2)
    both = found + found
    assert both.expected_CC.tolist() == [[1.5, 1.5], [0.5, 2.5]]
    assert both.confidence == found.confidence


@pytest.mark.parametrize("method", METHODS)
def test_of_calibrated_shares_the_estimate_is_right(estimator, method):
    for certainty, most in ((1, 0.1), (2, 0.08), (4, 0.03)):
        group = make_group(200 + certainty, certainty=certainty)
        found = estimator.estimate(group.images, method)
        assert found.miou == pytest.approx(miou(group), abs=0.02 if method == "soft" else most)
        low, high = found.interval
        assert low < found.miou < high


def test_the_soft_iou_of_calibrated_shares_is_the_iou(estimator):
    group = make_group(250, certainty=3)
    assert measure(group.images, "soft", estimator.thresholds_C) == pytest.approx(
        miou(group), abs=0.02
    )
    assert estimator.lines["soft"].slope == pytest.approx(1, abs=0.05)


def test_shares_that_are_too_sure_are_set_right_by_validation():
    fitted = Estimator.fit(
        make_group(300, certainty=4, honest=False),
        make_kinds(301, np.linspace(0.5, 4, 12), honest=False),
    )
    group = make_group(320, certainty=3, honest=False)
    assert measure(group.images, "soft", fitted.thresholds_C) > miou(group) + 0.15
    found = fitted.estimate(group.images)
    assert found.miou == pytest.approx(miou(group), abs=0.05)


def test_thresholds_leave_as_many_pixels_below_as_are_wrong():
    group = make_group(330, certainty=3)
    counts = group.confusion.counts_CC
    for found, bins, hits, total in zip(
        find_thresholds(group),
        group.counts.confidence_CB,
        np.diag(counts),
        counts.sum(0),
        strict=True,
    ):
        below = bins[: int(found)].sum() + (found % 1) * bins[int(found)]
        assert below == pytest.approx(total - hits, abs=1)


def test_images_unlike_all_that_was_seen_have_no_estimate(estimator):
    found = estimator.estimate(make_group(400, certainty=40).images)
    assert found.miou is None
    assert found.interval is None
    assert found.confidence > 0.97


def test_intervals_hold_the_truth_as_often_as_is_said(estimator):
    groups = [make_group(500 + k, certainty=c) for k, c in enumerate(np.linspace(0.5, 3.9, 60))]
    inside = []
    for group in groups:
        low, high = estimator.estimate(group.images).interval
        inside.append(low <= miou(group) <= high)
    assert np.mean(inside) >= 0.9


def test_too_few_corrupted_groups_are_refused():
    plain = make_group(0, certainty=2)
    with pytest.raises(DataError, match="3 corrupted groups of 1 kinds; an interval of 90% n"):
        Estimator.fit(plain, {"fog": [plain] * 3})


def test_groups_with_other_images_and_too_few_images_are_refused():
    plain = make_group(0, certainty=2)
    kinds = {name: [plain] * 4 for name in ("fog", "snow", "frost")}
    with pytest.raises(DataError, match="a corrupted group has other images than the plain"):
        Estimator.fit(plain, kinds | {"jpeg": [plain.select([0, 1])]})
    few = {name: [plain.select(range(3))] * 4 for name in kinds}
    with pytest.raises(DataError, match="3 labelled images; an interval needs 4 or more"):
        Estimator.fit(plain.select(range(3)), few)


def test_margins_are_enough_and_an_estimator_is_kept_as_json(estimator):
    group = make_group(600, certainty=2)
    document = json.loads(json.dumps(estimator.to_json()))
    found = Estimator.from_json(document, where="x").estimate_margins(group.counts.margins)
    expected = estimator.estimate(group.images)
    assert found.miou == pytest.approx(expected.miou)
    assert found.interval == pytest.approx(expected.interval)
    assert found.confidence == pytest.approx(expected.confidence)
    with pytest.raises(DataError, match="x: not an estimator of mIoU"):
        Estimator.from_json(document | {"range": 3}, where="x")
