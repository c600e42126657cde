"""Intervals and p-values of a difference: by hand, against SciPy, and on simulated data."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from maskwright.core import Confusion, LabelSpec
from maskwright.core.provenance import Provenance
from maskwright.core.report import Report
from maskwright.evaluation.compare import changes as changes_module
from maskwright.evaluation.compare.changes import correct_holm, least_p, measure_changes
from maskwright.evaluation.compare.read import ReportFolder, ReportPair

PX = 100


def side(hits_N, groups=None, truth_px=PX):
    """Images of one class beside a second that takes what is wrong; `hits_N` pixels right."""
    hits_N = np.asarray(hits_N)
    wrong_N = truth_px - hits_N
    zeros = np.zeros_like(hits_N)
    counts = {
        "truth": np.stack([zeros + truth_px, zeros], axis=1),
        "predicted": np.stack([hits_N, wrong_N], axis=1),
        "hit": np.stack([hits_N, zeros], axis=1),
    }
    return of_counts(counts, groups)


def empty_report(labels):
    confusion = Confusion(np.zeros((len(labels), len(labels)), np.int64))
    return Report(
        labels=labels, confusion=confusion, provenance=Provenance(), scores={}, classes=()
    )


def of_counts(counts, groups=None, names=("a", "b")):
    keys = [f"image{i}" for i in range(len(counts["truth"]))]
    return ReportFolder(
        path=Path("report"),
        report=empty_report(LabelSpec.from_names(names)),
        groups=dict(zip(keys, groups or keys, strict=True)),
        counts=counts,
    )


def changed(hits_a, hits_b, groups=None):
    pair = ReportPair(a=side(hits_a, groups), b=side(hits_b, groups), left_out=())
    return measure_changes(pair)[0]["pixel_accuracy"]


def test_three_groups_by_hand():
    """Gains of 1, 2 and 4: of the 8 swaps only none and all are as far from 0 as 7."""
    change = changed([50, 50, 50], [51, 52, 54])
    assert change.p == 2 / 8
    assert change.difference == pytest.approx(7 / 300)
    assert math.isnan(change.low)  # three groups have no interval


def test_a_group_without_a_change_adds_no_evidence():
    """Gains of 1, 2 and 0: sums of +-1 +-2 are 3 away from 0 in half of the swaps."""
    assert changed([50, 50, 50], [51, 52, 50]).p == 0.5


def test_images_of_one_group_change_places_together():
    together = changed([50, 50, 50, 50], [51, 52, 53, 54], ["x", "x", "y", "y"])
    assert together.p == 2 / 4
    assert changed([50, 50, 50, 50], [51, 52, 53, 54]).p == 2 / 16


@pytest.mark.parametrize("num_groups", [3, 13, 14, 40])
def test_equal_reports_differ_by_0_with_p_1(num_groups):
    hits = np.random.default_rng(0).integers(0, PX, num_groups)
    overall, classes = measure_changes(ReportPair(a=side(hits), b=side(hits), left_out=()))
    for change in (*overall.values(), *classes["iou"]):
        assert change.difference == 0
        assert change.p == change.p_holm == 1
        assert math.isnan(change.low) if num_groups < 5 else change.low == change.high == 0


@pytest.mark.parametrize(("num_groups", "tolerance"), [(9, 0), (13, 0), (30, 0.02)])
def test_p_is_that_of_scipy(num_groups, tolerance):
    rng = np.random.default_rng(num_groups)
    before = rng.integers(30, 60, num_groups)
    after = np.minimum(PX, before + rng.integers(-8, 12, num_groups))
    expected = stats.permutation_test(
        (before, after),
        lambda a, b, axis: np.mean(b - a, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=2**num_groups if num_groups < 14 else 20_000,
        rng=rng,
    )
    assert changed(before, after).p == pytest.approx(expected.pvalue, abs=tolerance)


def test_the_interval_is_near_that_of_scipy():
    rng = np.random.default_rng(1)
    before = rng.integers(30, 60, 80)
    after = before + rng.integers(-8, 12, 80)
    expected = stats.bootstrap(
        ((after - before) / PX,), np.mean, method="percentile", n_resamples=5000, rng=rng
    ).confidence_interval
    change = changed(before, after)
    width = expected.high - expected.low
    assert change.low == pytest.approx(expected.low, abs=0.12 * width)
    assert change.high == pytest.approx(expected.high, abs=0.12 * width)


def test_the_interval_holds_the_true_difference_as_often_as_it_says():
    """200 sets of 40 groups that differ in difficulty; B is right 3 points more often."""
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(200):
        ease_G = rng.uniform(0.3, 0.8, 40)
        a, b = rng.binomial(PX, ease_G), rng.binomial(PX, ease_G + 0.03)
        pair = ReportPair(a=side(a), b=side(b), left_out=())
        ends = changes_module._intervals(pair, pair.by_group(pair.a), pair.by_group(pair.b))
        low, high = ends["pixel_accuracy"][:, 0]
        held += low <= 0.03 <= high
    assert 0.89 <= held / 200 <= 0.985


def test_p_is_below_5_percent_in_5_percent_of_equal_pairs():
    rng = np.random.default_rng(3)
    small = 0
    for _ in range(300):
        ease_G = rng.uniform(0.3, 0.8, 8)
        a, b = rng.binomial(PX, ease_G), rng.binomial(PX, ease_G)
        small += changed(a, b).p < 0.05
    assert 0.015 <= small / 300 <= 0.085


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.integers(0, PX), st.integers(0, PX)), min_size=1, max_size=16))
def test_the_other_way_round_the_difference_has_the_other_sign(pairs):
    hits_a, hits_b = zip(*pairs, strict=True)
    there, back = changed(hits_a, hits_b), changed(hits_b, hits_a)
    assert back.difference == -there.difference
    assert back.p == there.p
    np.testing.assert_allclose([-back.high, -back.low], [there.low, there.high], atol=1e-12)


def test_the_same_numbers_every_time():
    rng = np.random.default_rng(4)
    hits = rng.integers(0, PX, (2, 30))
    assert changed(*hits) == changed(*hits)


def test_a_class_that_only_one_of_them_has_no_difference():
    """Class b is nowhere in truth; A predicts it, B does not."""
    overall, classes = measure_changes(
        ReportPair(a=side([90] * 6), b=side([100] * 6), left_out=())
    )
    change = classes["iou"][1]
    assert change.a == 0
    assert all(math.isnan(v) for v in (change.b, change.difference, change.low, change.p_holm))
    assert overall["miou"].difference == pytest.approx(1 - 0.45)


def test_boundaries_are_compared_where_both_counted_them():
    counts = side([60] * 6).counts | {
        "boundary_truth": np.full((6, 2), 10),
        "boundary_truth_near": np.full((6, 2), 5),
        "boundary_predicted": np.full((6, 2), 20),
        "boundary_predicted_near": np.full((6, 2), 5),
        "band_intersection": np.full((6, 2), 3),
        "band_union": np.full((6, 2), 12),
    }
    better = counts | {"boundary_truth_near": np.full((6, 2), 10)}
    overall, classes = measure_changes(
        ReportPair(a=of_counts(counts), b=of_counts(better), left_out=())
    )
    # precision 1/4; recall 1/2, then 1
    assert overall["mean_boundary_f1"].a == pytest.approx(1 / 3)
    assert classes["boundary_f1"][0].b == pytest.approx(2 / 5)
    assert overall["mean_boundary_f1"].p == 2 / 2**6


def test_holm_by_hand():
    corrected = correct_holm(np.array([0.01, 0.04, np.nan, 0.03]))
    np.testing.assert_allclose(corrected, [0.03, 0.06, np.nan, 0.06])
    assert correct_holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]


def test_the_least_p_is_that_of_a_swap_of_all():
    assert [least_p(n) for n in (1, 3, 5, 6)] == [1, 0.25, 0.0625, 0.03125]
    assert least_p(1000) == 1 / 10_001
