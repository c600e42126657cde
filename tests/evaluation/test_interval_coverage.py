"""A small version of `benchmarks/interval_coverage.py`: the claims on the page hold in CI."""

import numpy as np
import pytest
from drawn_counts import NAMES, NINETEEN, SIX, draw_chunks
from interval_coverage import (
    POINTS,
    STANDARD,
    correct_in_all_ways,
    estimate_sets,
    make_scorer,
    measure_differences,
    measure_reports,
    measure_verdicts,
)

from maskwright.evaluation.compare.permutation import STANDARDIZED_FROM, compute_p_values
from maskwright.evaluation.compare.scorer import CLASS
from maskwright.evaluation.counting import Scoring
from maskwright.evaluation.estimates import estimate_scores
from maskwright.metrics.family import ScoreDetail, all_families

SETS = 200
NUM_TRUE = 20_000


def _pool(coverage, score):
    """The coverage of the classes that most sets have an interval of, and of the mean."""
    held = [h for (_, name, _), (p, h) in coverage.items() if name == score and p > 0.5]
    assert len(held) >= 5
    return np.mean(held)


@pytest.mark.parametrize("num_groups", [5, 10])
def test_intervals_of_reports_hold_the_true_score_at_their_rate(num_groups):
    coverage = measure_reports(num_groups, SETS, num_true=NUM_TRUE)
    for score in ("IoU", "boundary F1"):
        assert 0.92 <= _pool(coverage, score) <= 0.985


def test_intervals_of_differences_hold_the_true_difference_at_their_rate():
    coverage = measure_differences(6, SETS, num_true=NUM_TRUE)
    assert 0.92 <= _pool(coverage, "B - A, IoU") <= 0.985


@pytest.mark.parametrize("num_groups", [6, 12])
def test_the_simulated_intervals_are_those_of_reports(num_groups):
    rng = np.random.default_rng(1)
    ((counts_GFC,),) = draw_chunks(rng, 1, num_groups)
    counts_G = {name: counts_GFC[:, i] for i, name in enumerate(NAMES)}
    groups_C = (counts_G["truth"] > 0).sum(axis=0)
    families = {name: all_families()[name] for name in ("region", "boundary")}
    regions, boundaries = estimate_scores(
        Scoring(detail=ScoreDetail(full=True), families=families),
        {name: array.sum(axis=0) for name, array in counts_G.items()},
        counts_G,
        groups_C,
    )
    estimated = estimate_sets(counts_GFC[:, None])
    for name, classes, mean in (
        ("IoU", regions.classes["iou"], regions.overall["miou"]),
        (
            "boundary F1",
            boundaries.classes["boundary_f1"],
            boundaries.overall["mean_boundary_f1"],
        ),
    ):
        ends, mean_ends, _ = estimated[name].ends("logit")
        np.testing.assert_allclose(ends[:, 0].T, [(e.low, e.high) for e in classes])
        np.testing.assert_allclose(mean_ends[:, 0], (mean.low, mean.high))


def test_equal_models_differ_in_at_most_5_percent_of_comparisons():
    found = measure_verdicts(8, 2 * SETS, SIX, fallen=None, keep=1.0, seed=1)
    assert found[POINTS]["error"] <= 0.09  # 5 % and three standard errors


def test_a_class_that_collapses_among_19_is_found_in_9_groups():
    """The correction of before could not find it: 19 * 2 / 2^9 is above 5 %."""
    found = measure_verdicts(9, 20, NINETEEN, fallen=9, keep=0.21, seed=0)
    assert found[POINTS]["power"] == pytest.approx(1)
    assert found["Holm"]["power"] == 0


@pytest.mark.parametrize("num_groups", [8, STANDARDIZED_FROM])
def test_the_simulated_correction_is_that_of_compare(num_groups):
    rng = np.random.default_rng(0)
    a_GFC, b_GFC = next(draw_chunks(rng, 1, num_groups, gains=(0.0, -0.3)))
    scorer, a_GF, b_GF = make_scorer(a_GFC, b_GFC)
    _, corrected = compute_p_values(scorer, a_GF, b_GF)
    way = POINTS if num_groups < STANDARDIZED_FROM else STANDARD
    expected = correct_in_all_ways(scorer, a_GF, b_GF)[way]
    np.testing.assert_array_equal(
        np.concatenate([corrected[CLASS + "iou"], corrected["miou"]]), expected
    )
