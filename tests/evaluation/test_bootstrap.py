"""Intervals from resampled groups: deterministic, of groups not of pixels, as wide as due."""

import numpy as np
import pytest

from maskwright.evaluation.bootstrap import (
    REPLICATES,
    Replicates,
    compute_intervals,
    draw_weights,
)


def test_weights_of_a_group_depend_on_its_name_and_the_seed_alone():
    first = draw_weights("street7", seed=0)
    np.testing.assert_array_equal(first, draw_weights("street7", seed=0))
    assert (first != draw_weights("street8", seed=0)).any()
    assert (first != draw_weights("street7", seed=1)).any()
    assert first.shape == (REPLICATES,)


def test_weights_are_poisson_with_mean_and_variance_one():
    drawn = np.stack([draw_weights(f"g{i}", seed=0) for i in range(200)])
    assert drawn.mean() == pytest.approx(1, abs=0.01)
    assert drawn.var() == pytest.approx(1, abs=0.02)
    assert (drawn == 0).mean() == pytest.approx(np.exp(-1), abs=0.005)


def test_sums_of_replicates_are_weighted_sums_over_images():
    rng = np.random.default_rng(0)
    images = [
        {"a": rng.integers(0, 9, 3), "b": rng.random((2, 4)), "c": np.array(rng.integers(9))}
        for _ in range(150)
    ]
    drawn = [draw_weights(f"g{i // 3}", seed=0) for i in range(150)]
    replicates = Replicates()
    for counts, weights_B in zip(images, drawn, strict=True):
        replicates.add(counts, weights_B)
    sums = replicates.sums()
    for name, shape in (("a", (3,)), ("b", (2, 4)), ("c", ())):
        expected = sum(
            np.multiply.outer(w, i[name]) for w, i in zip(drawn, images, strict=True)
        )
        assert sums[name].shape == (REPLICATES, *shape)
        np.testing.assert_allclose(sums[name], expected)


def _interval_of_mean(values, groups):
    replicates = Replicates()
    for value, group in zip(values, groups, strict=True):
        counts = {"sum": np.array(value), "num": np.array(1.0)}
        replicates.add(counts, draw_weights(group, seed=0))
    sums = replicates.sums()
    return compute_intervals(sums["sum"] / sums["num"])


def test_interval_of_a_mean_is_that_of_the_textbook():
    values = np.random.default_rng(1).normal(5, 2, 400)
    low, high = _interval_of_mean(values, [f"i{i}" for i in range(400)])
    half = 1.96 * values.std(ddof=1) / 20
    assert low == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.15 * half)


def test_interval_of_a_mean_is_that_of_scipys_bootstrap():
    from scipy.stats import bootstrap

    values = np.random.default_rng(2).gamma(2.0, 1.0, 80)
    low, high = _interval_of_mean(values, [f"i{i}" for i in range(80)])
    theirs = bootstrap((values,), np.mean, method="percentile", rng=0).confidence_interval
    assert low == pytest.approx(theirs.low, rel=0.03)
    assert high == pytest.approx(theirs.high, rel=0.03)


def test_twins_in_one_group_do_not_make_the_interval_narrower():
    values = np.random.default_rng(3).normal(0, 1, 60)
    names = [f"i{i}" for i in range(60)]
    alone = np.ptp(_interval_of_mean(values, names))
    grouped = np.ptp(_interval_of_mean(np.tile(values, 4), names * 4))
    split = np.ptp(
        _interval_of_mean(np.tile(values, 4), [f"{n}/{i}" for i, n in enumerate(names * 4)])
    )
    assert grouped == pytest.approx(alone)
    assert split < 0.6 * alone


def test_a_score_that_half_of_the_replicates_lack_has_no_interval():
    replicates = np.full((REPLICATES, 3), np.nan)
    replicates[:, 0] = np.linspace(0, 1, REPLICATES)
    replicates[: REPLICATES // 4, 1] = 0.5
    low, high = compute_intervals(replicates)
    assert (low[0], high[0]) == (pytest.approx(0.025), pytest.approx(0.975))
    assert np.isnan([low[1], high[1], low[2], high[2]]).all()
