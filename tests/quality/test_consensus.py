import numpy as np
import pytest

from maskwright.core.confusion import Confusion
from maskwright.core.errors import DataError
from maskwright.core.labels import IGNORE
from maskwright.core.scores import cohens_kappa
from maskwright.quality.agreement import count_pairs, krippendorffs_alpha, mean_kappa
from maskwright.quality.majority import find_uncertainty, vote
from maskwright.quality.staple import estimate
from maskwright.quality.votes import count_votes


def _rate(rng, truth_HW, num_classes, *, share_wrong, share_none=0.0):
    """The map of an annotator who errs at random, and leaves some pixels out."""
    wrong_HW = rng.random(truth_HW.shape) < share_wrong
    labels_HW = np.where(wrong_HW, rng.integers(0, num_classes, truth_HW.shape), truth_HW)
    labels_HW[rng.random(truth_HW.shape) < share_none] = IGNORE
    return labels_HW.astype(np.uint8)


@pytest.fixture
def truth_HW():
    rng = np.random.default_rng(7)
    return np.repeat(np.repeat(rng.integers(0, 4, (6, 8)), 8, 0), 8, 1).astype(np.uint8)


@pytest.fixture
def maps(truth_HW):
    rng = np.random.default_rng(8)
    return [_rate(rng, truth_HW, 4, share_wrong=s, share_none=0.1) for s in (0.05, 0.2, 0.5)]


def test_a_pixel_gets_the_class_of_two_of_three_and_else_none():
    maps = [
        np.array([row], np.uint8)
        for row in (
            [0, 0, 0, 0, 0, IGNORE, 1],
            [0, 0, 1, 1, IGNORE, IGNORE, IGNORE],
            [0, 1, 2, IGNORE, IGNORE, IGNORE, 1],
        )
    ]
    votes = count_votes(maps)
    decided = votes.paint(vote(votes, 3))
    assert decided.tolist() == [[0, 0, IGNORE, IGNORE, IGNORE, IGNORE, 1]]
    uncertain = find_uncertainty(votes, 3)[votes.index_HW][0]
    assert uncertain == pytest.approx([0, 1 / 3, 2 / 3, 1 / 2, 0, 0, 0])
    one = votes.paint(vote(votes, 3, quorum=1))
    assert one.tolist() == [[0, 0, IGNORE, IGNORE, 0, IGNORE, 1]]


def test_majority_is_the_formula_pixel_by_pixel(maps):
    votes = count_votes(maps)
    decided_HW = votes.paint(vote(votes, 4, quorum=2, share=0.6))
    for y, x in np.ndindex(decided_HW.shape):
        given = [m[y, x] for m in maps if m[y, x] != IGNORE]
        counts = sorted(((given.count(c), c) for c in set(given)), reverse=True)
        alone = len(counts) == 1 or (len(counts) > 1 and counts[0][0] > counts[1][0])
        fits = len(given) >= 2 and alone and counts[0][0] >= 0.6 * len(given)
        assert decided_HW[y, x] == (counts[0][1] if fits else IGNORE)


def _staple_by_pixel(maps, num_classes, num_steps):
    """Warfield 2004, equations 18 to 21 for several classes, one pixel at a time."""
    said_NK = np.stack([m.ravel() for m in maps], axis=1).astype(int)
    prior = np.array([(said_NK == c).sum() for c in range(num_classes)], float)
    prior /= prior.sum()
    voted = vote(count_votes(maps), num_classes, quorum=1, share=0)
    voted_N = count_votes(maps).paint(voted).ravel()
    weights_NC = np.array([[float(v == c) for c in range(num_classes)] for v in voted_N])
    theta = None
    for _ in range(num_steps + 1):
        theta = np.zeros((len(maps), num_classes, num_classes))
        for k in range(len(maps)):
            for n, j in enumerate(said_NK[:, k]):
                if j != IGNORE:
                    theta[k, j] += weights_NC[n]
            theta[k] /= np.maximum(theta[k].sum(axis=0), 1e-300)
        for n, row in enumerate(said_NK):
            weights = prior.copy()
            for k, j in enumerate(row):
                if j != IGNORE:
                    weights = weights * theta[k, j]
            weights_NC[n] = weights / weights.sum()
    return weights_NC, theta


def test_staple_by_tuples_is_staple_by_pixels(maps):
    votes = count_votes(maps)
    found = estimate(votes, 4)
    posterior_NC, theta = _staple_by_pixel(maps, 4, found.num_steps)
    assert found.theta_KCC == pytest.approx(theta, abs=1e-4)
    assert found.posterior_TC[votes.index_HW.ravel()] == pytest.approx(posterior_NC, abs=1e-3)


def test_staple_finds_who_is_reliable_and_the_truth_better_than_each(maps, truth_HW):
    votes = count_votes(maps)
    found = estimate(votes, 4)
    sensitivity_K = [float(np.diagonal(theta).mean()) for theta in found.theta_KCC]
    assert sensitivity_K == sorted(sensitivity_K, reverse=True)
    # a share of 0.05 is drawn anew from 4 classes: 0.0375 are wrong
    assert sensitivity_K == pytest.approx([0.9625, 0.85, 0.625], abs=0.03)
    decided_HW = votes.paint(found.decide())
    assert (decided_HW == truth_HW).mean() > 0.95
    sure_HW = votes.paint(found.decide(0.99))
    assert 0 < (sure_HW == IGNORE).mean() < 0.3
    kept_HW = sure_HW != IGNORE
    assert (sure_HW[kept_HW] == truth_HW[kept_HW]).mean() > (decided_HW == truth_HW).mean()


def test_pairs_and_alpha_agree_with_direct_formulas(maps):
    votes = count_votes(maps)
    both_HW = np.where(maps[1] == IGNORE, IGNORE, maps[0])
    direct = Confusion.from_labels(both_HW, np.where(both_HW == IGNORE, 0, maps[1]), 4)
    pairs = count_pairs(votes, 4)
    assert (pairs[0, 1].counts_CC == direct.counts_CC).all()
    kappas = [float(cohens_kappa(pair)) for pair in pairs.values()]
    assert mean_kappa(votes, 4) == pytest.approx(np.mean(kappas))
    assert krippendorffs_alpha(votes, 4) == pytest.approx(_alpha_by_pixel(maps), abs=1e-12)


def _alpha_by_pixel(maps):
    units = [
        [v for v in units if v != IGNORE] for units in zip(*(m.flat for m in maps), strict=True)
    ]
    units = [u for u in units if len(u) > 1]
    values = [v for u in units for v in u]
    observed = sum(
        sum(a != b for i, a in enumerate(u) for j, b in enumerate(u) if i != j) / (len(u) - 1)
        for u in units
    ) / len(values)
    counts = np.bincount(values)
    num = len(values)
    expected = (num * num - (counts**2).sum()) / (num * (num - 1))
    return 1 - observed / expected


def test_alpha_of_krippendorffs_example():
    # Krippendorff 2011, "Computing Krippendorff's alpha-reliability", section C: 0.743
    none = IGNORE
    rows = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, none, none, none],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, none, 3],
        [none, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, none],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, none],
    ]
    votes = count_votes([np.array([row], np.uint8) for row in rows])
    assert krippendorffs_alpha(votes, 6) == pytest.approx(0.743, abs=5e-4)


def test_maps_of_other_sizes_or_too_many_are_refused():
    with pytest.raises(DataError, match=r"different sizes: \[\(2, 2\), \(2, 3\)\]"):
        count_votes([np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8)])
    with pytest.raises(DataError, match=r"9 class maps; a consensus takes 1 to 8"):
        count_votes([np.zeros((2, 2), np.uint8)] * 9)
