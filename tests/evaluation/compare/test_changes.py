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
from maskwright.core.report import Estimate, Report
from maskwright.evaluation.compare import changes as changes_module
from maskwright.evaluation.compare.changes import measure_changes
from maskwright.evaluation.compare.permutation import least_p, step_down
from maskwright.evaluation.compare.read import ReportFolder, ReportPair
from maskwright.evaluation.compare.scorer import Scorer

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
    return measure_changes(pair).overall["pixel_accuracy"]


def interval_of_change(hits_a, hits_b):
    """Without its p, which takes most of the time."""
    pair = ReportPair(a=side(hits_a), b=side(hits_b), left_out=())
    a_GF, b_GF = pair.by_group(pair.a), pair.by_group(pair.b)
    scorer = Scorer.from_sums(pair.names, a_GF.sum(axis=0), b_GF.sum(axis=0))
    low, high, _ = changes_module.estimate_differences(scorer, a_GF, b_GF)["pixel_accuracy"][
        :, 0
    ]
    return Estimate(0.0, low, high)


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
    found = measure_changes(ReportPair(a=side(hits), b=side(hits), left_out=()))
    for change in (*found.overall.values(), found.classes["iou"][0]):
        assert change.difference == 0
        assert change.p == change.p_corrected == 1
        assert math.isnan(change.low)  # no group differs: how much others do is not known


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


def test_the_interval_of_groups_of_one_size_is_that_of_the_paired_t_test():
    rng = np.random.default_rng(1)
    before = rng.integers(30, 60, 12)
    after = before + rng.integers(-8, 12, 12)
    expected = stats.ttest_rel(after / PX, before / PX).confidence_interval(0.95)
    change = changed(before, after)
    assert (change.low, change.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("num_groups", [6, 20])
def test_the_interval_holds_the_true_difference_as_often_as_it_says(num_groups):
    """150 sets of groups that differ in difficulty; B is right 3 points more often."""
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(150):
        ease_G = rng.uniform(0.3, 0.8, num_groups)
        gain_G = 0.03 + rng.normal(0, 0.03, num_groups)
        a, b = rng.binomial(PX, ease_G), rng.binomial(PX, ease_G + gain_G)
        change = interval_of_change(a, b)
        held += change.low <= 0.03 <= change.high
    assert held / 150 >= 0.91


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
    assert changed(*hits).to_json() == changed(*hits).to_json()


def test_a_class_that_only_one_of_them_has_is_in_no_mean_and_has_no_difference():
    """Class b is nowhere in truth; A predicts it, B does not."""
    found = measure_changes(ReportPair(a=side([90] * 6), b=side([100] * 6), left_out=()))
    change = found.classes["iou"][1]
    assert change.a == 0
    assert all(math.isnan(v) for v in (change.b, change.difference, change.low, change.p))
    assert found.is_mean_C.tolist() == [True, False]
    assert found.overall["miou"].difference == pytest.approx(1 - 0.9)


def test_one_stray_pixel_of_an_absent_class_does_not_make_a_worse_model_better():
    """B is worse in both classes of the truth; A predicts one pixel of a third class."""
    truth = np.tile([100, 50, 0], (8, 1))
    hit_a, hit_b = np.tile([95, 45, 0], (8, 1)), np.tile([90, 40, 0], (8, 1))
    stray = np.zeros((8, 3), int)
    stray[0, 2] = 1
    a, b = (
        of_counts({"truth": truth, "predicted": hit + extra, "hit": hit}, names=("x", "y", "z"))
        for hit, extra in ((hit_a, stray), (hit_b, 0 * stray))
    )
    change = measure_changes(ReportPair(a=a, b=b, left_out=())).overall["miou"]
    assert change.difference == pytest.approx((90 - 95) / 100 / 2 + (40 - 45) / 50 / 2)
    assert change.fell


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
    found = measure_changes(ReportPair(a=of_counts(counts), b=of_counts(better), left_out=()))
    # precision 1/4; recall 1/2, then 1
    assert found.overall["mean_boundary_f1"].a == pytest.approx(1 / 3)
    assert found.classes["boundary_f1"][0].b == pytest.approx(2 / 5)
    assert found.overall["mean_boundary_f1"].p == 2 / 2**6


def test_step_down_by_hand():
    """Four swaps of three tests: the largest is compared with the largest of all, and so on."""
    distances_PK = np.array([[5, 3, 1], [5, 3, 1], [2, 4, 2], [2, 4, 2]], float)
    corrected = step_down(distances_PK, np.array([5.0, 3.0, np.nan]), drawn=False)
    np.testing.assert_array_equal(corrected, [0.5, 1.0, np.nan])
    drawn = step_down(distances_PK, np.array([5.0, 3.0, 1.0]), drawn=True)
    np.testing.assert_allclose(drawn, [3 / 5, 1, 1])


def test_step_down_is_that_of_its_definition():
    rng = np.random.default_rng(5)
    distances_PK = rng.random((50, 4))
    observed_K = distances_PK[0]
    order, last = np.argsort(-observed_K), 0.0
    found = step_down(distances_PK, observed_K, drawn=False)
    for j, k in enumerate(order):
        largest_P = distances_PK[:, order[j:]].max(axis=1)
        last = max(last, (largest_P >= observed_K[k]).mean())
        assert found[k] == pytest.approx(last)


def many_classes(num_groups, num_classes, rng, fallen=None):
    """Two models of equal quality in groups of equal size; B may lose one class everywhere."""
    truth = np.full((num_groups, num_classes), 1000)
    hits = rng.binomial(1000, np.clip(rng.normal(0.93, 0.02, (2, *truth.shape)), 0, 1))
    if fallen is not None:
        hits[1, :, fallen] = rng.binomial(1000, 0.2, num_groups)
    names = tuple(f"c{i}" for i in range(num_classes))
    a, b = (of_counts({"truth": truth, "predicted": h, "hit": h}, names=names) for h in hits)
    return ReportPair(a=a, b=b, left_out=())


@pytest.mark.parametrize("num_groups", [6, 9, 13, 20])
def test_a_class_that_collapses_in_every_group_is_found_among_19(num_groups):
    """9 groups and 19 classes: the least p of Holm's method was 19 * 2 / 2^9 = 0.074."""
    pair = many_classes(num_groups, 19, np.random.default_rng(0), fallen=7)
    changes = measure_changes(pair).classes["iou"]
    assert [i for i, change in enumerate(changes) if change.fell] == [7]


@pytest.mark.parametrize("num_groups", [8, 13])
def test_of_many_equal_classes_any_differs_in_at_most_5_percent_of_pairs(num_groups):
    rng = np.random.default_rng(6)
    wrong = 0
    for _ in range(60):
        found = measure_changes(many_classes(num_groups, 6, rng))
        judged = (found.overall["miou"], *found.classes["iou"])
        wrong += any(change.fell or change.rose for change in judged)
    assert wrong / 60 <= 0.12  # 5 % and 2.5 standard errors


def test_the_least_p_is_that_of_a_swap_of_all():
    assert [least_p(n) for n in (1, 3, 5, 6)] == [1, 0.25, 0.0625, 0.03125]
    assert least_p(1000) == 1 / 10_001
