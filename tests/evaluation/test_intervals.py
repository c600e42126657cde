"""Intervals from left-out groups: the textbook's where it has one, and as wide as due."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from maskwright.evaluation.groupsums import MAX_ROWS, GroupSums, sums_without
from maskwright.evaluation.intervals import (
    compute_ends,
    effective_groups,
    jackknife_variance,
    mean_freedom,
    t_quantile,
)


def test_the_quantile_is_that_of_scipy():
    freedom = np.array([[1.0, 1.37, 2.0], [3.9, 11.2, 57.0], [199.0, 999.0, 4000.0]])
    np.testing.assert_allclose(t_quantile(freedom), stats.t.ppf(0.975, freedom), rtol=1e-9)
    assert t_quantile(np.array(4.0)) == pytest.approx(2.776445)


def test_effective_groups_by_hand():
    weights_G = np.array([[1, 4, 0], [1, 1, 0], [1, 1, 0], [1, 0, 0]])
    np.testing.assert_allclose(effective_groups(weights_G), [4, 36 / 18, 0])


def _interval_of_mean(values, weights=None, scale="plain"):
    weights = np.ones(len(values)) if weights is None else np.asarray(weights, float)
    total, without = (values * weights).sum(), (values * weights).sum() - values * weights
    without_G = without / (weights.sum() - weights)
    freedom = effective_groups(weights) - 1
    mean = np.array(total / weights.sum())
    return compute_ends(mean, jackknife_variance(without_G), freedom, scale=scale)


def test_the_interval_of_a_mean_is_that_of_the_t_test():
    values = np.random.default_rng(1).normal(5, 2, 7)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    low, high = _interval_of_mean(values)
    assert (low, high) == pytest.approx((expected.low, expected.high))


def test_one_large_group_makes_the_interval_wider():
    values = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    even, uneven = _interval_of_mean(values), _interval_of_mean(values, [9, 1, 1, 1, 1, 1])
    assert np.ptp(uneven) > np.ptp(even)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0.01, 0.99), min_size=5, max_size=30))
def test_shares_stay_between_0_and_1_and_inside_their_interval(values):
    values = np.array(values)
    low, high = _interval_of_mean(values, scale="logit")
    if np.ptp(values) < 1e-9:
        return  # no group differs: there is no interval but for rounding
    assert 0 <= low <= values.mean() + 1e-12
    assert values.mean() - 1e-12 <= high <= 1


def test_on_the_log_scale_lengths_stay_above_0():
    low, high = _interval_of_mean(np.array([0.1, 0.2, 9.0, 0.1, 0.3]), scale="log")
    assert 0 < low < 1.94 < high


@pytest.mark.parametrize("scale", ["plain", "logit", "log"])
def test_there_is_no_interval_where_no_group_differs(scale):
    assert np.isnan(_interval_of_mean(np.full(8, 0.7), scale=scale)).all()


def test_there_is_no_interval_where_one_group_has_nearly_all_pixels():
    values = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    assert np.isnan(_interval_of_mean(values, [1000, 1, 1, 1, 1])).all()


def test_the_rare_class_that_decides_a_mean_decides_its_degrees_of_freedom():
    variances, freedom = np.array([1e-6, 1e-2]), np.array([100.0, 4.0])
    assert mean_freedom(variances, freedom) == pytest.approx(4.0, abs=0.02)
    assert mean_freedom(np.zeros(2), freedom) == 0


def _images(num):
    rng = np.random.default_rng(0)
    return [{"a": rng.integers(0, 9, 3), "b": rng.random((2, 4))} for _ in range(num)]


def test_sums_by_group_are_sums_over_its_images_in_any_order():
    images = _images(30)
    sums, backwards = GroupSums(), GroupSums()
    for i, counts in enumerate(images):
        sums.add(f"g{i % 7}", counts)
    for i, counts in reversed(list(enumerate(images))):
        backwards.add(f"g{i % 7}", counts)
    counts_G = sums.counts()
    assert counts_G["b"].shape == (7, 2, 4)
    np.testing.assert_allclose(counts_G["b"][3], sum(c["b"] for c in images[3::7]))
    np.testing.assert_allclose(counts_G["a"], backwards.counts()["a"])
    without = sums_without(counts_G)
    np.testing.assert_allclose(without["a"][0], counts_G["a"][1:].sum(axis=0))


def test_more_groups_than_rows_are_pooled_and_lose_nothing():
    images = _images(3 * MAX_ROWS)
    sums, backwards = GroupSums(), GroupSums()
    for i, counts in enumerate(images):
        sums.add(f"g{i}", counts)
    for i, counts in reversed(list(enumerate(images))):
        backwards.add(f"g{i}", counts)
    assert 0.9 * MAX_ROWS < len(sums) <= MAX_ROWS
    np.testing.assert_allclose(sums.counts()["b"], backwards.counts()["b"])
    assert sums.counts()["a"].sum() == sum(c["a"].sum() for c in images)


def test_pools_of_groups_give_the_interval_of_the_groups():
    values = np.random.default_rng(3).normal(5, 2, 4000)
    sums = GroupSums()
    for i, value in enumerate(values):
        sums.add(f"g{i}", {"sum": np.array(value), "num": np.array(1.0)})
    without = sums_without(sums.counts())
    variance = jackknife_variance(without["sum"] / without["num"])
    assert np.sqrt(variance) == pytest.approx(values.std() / np.sqrt(4000), rel=0.1)
