"""Paired intervals and p-values by group: is B better than A, or is the difference chance?

A group (patient, street, video) is exchanged and resampled with all its images, in A and B
alike, so the difficulty of an image counts for both.

* Interval: the bootstrap of the reports (`bootstrap.draw_weights`), the same draws for A and B;
  percentiles of B - A. Fewer than five groups have none.
* p: if A and B are exchangeable, swapping them in any set of groups is as likely as what was
  observed. Two-sided: the share of swaps whose difference is at least as far from 0. All 2^G
  swaps for up to 13 groups, else 10,000 drawn ones and p = (k + 1) / (n + 1), which is never 0
  (Phipson & Smyth 2010).
* Over the classes p is corrected by Holm (1979), so that among 100 equal classes the chance of
  one "difference" stays below 5 %.
* A score that exists in only one of A and B has no difference, no interval and no p.
* A swap after which a score does not exist counts as at least as far from 0.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.report import Estimate, number
from ...core.scores import Values
from ...core.versioned import Document
from ...metrics.counts import Counts, Scores
from ...metrics.family import all_families
from ..bootstrap import MIN_GROUPS, SEED, compute_intervals, draw_weights
from .read import ReportPair

ALPHA = 0.05
"""A difference with a corrected p below this is not chance."""
PERMUTATIONS = 10_000
MOST_EXACT_GROUPS = 13
_CHUNK = 500
_ROUNDING = 1e-12
"""Differences that differ by less are equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreChange:
    """A score of A and of B, B - A, its 95 % interval and p; NaN where one does not exist.

    `p_holm` of a class is `p` corrected over all classes; for scores of the set they are equal.
    """

    a: float
    b: float
    low: float
    high: float
    p: float
    p_holm: float

    @property
    def difference(self) -> float:
        """B - A."""
        return self.b - self.a

    @property
    def estimate(self) -> Estimate:
        """B - A with its interval."""
        return Estimate(self.difference, self.low, self.high)

    @property
    def fell(self) -> bool:
        """Whether B is lower beyond chance; False for NaN."""
        return self.high < 0 and self.p_holm < ALPHA

    @property
    def rose(self) -> bool:
        """Whether B is higher beyond chance; False for NaN."""
        return self.low > 0 and self.p_holm < ALPHA

    def to_json(self) -> Document:
        """One JSON object; None stands for NaN."""
        return {
            "a": number(self.a),
            "b": number(self.b),
            "difference": number(self.difference),
            "interval": self.estimate.interval,
            "p": number(self.p),
            "p_holm": number(self.p_holm),
        }


def compute_scores(counts: Counts) -> Scores:
    """The compared scores, from counts (..., C), of each family whose columns were counted."""
    overall: dict[str, Values] = {}
    classes: dict[str, Values] = {}
    for family in all_families().values():
        if family.COLUMNS.keys() <= counts.keys():
            scores = family.score_columns(counts)
            overall |= scores.overall
            classes |= scores.classes
    return Scores(overall=overall, classes=classes)


def measure_changes(
    pair: ReportPair,
) -> tuple[dict[str, ScoreChange], dict[str, list[ScoreChange]]]:
    """Changes of the scores of the set, and of each class in order of index."""
    a_GF, b_GF = pair.by_group(pair.a), pair.by_group(pair.b)
    a, b = _flat(pair, a_GF.sum(axis=0)), _flat(pair, b_GF.sum(axis=0))
    ends = _intervals(pair, a_GF, b_GF)
    p = _p_values(pair, a_GF, b_GF)
    overall, classes = {}, {}
    for name in a:
        of_class = name.startswith(_CLASS)
        p_holm = correct_holm(p[name]) if of_class else p[name]
        columns = np.stack([a[name], b[name], *ends[name], p[name], p_holm], axis=-1)
        changes = [_change(row) for row in columns]
        if of_class:
            classes[name.removeprefix(_CLASS)] = changes
        else:
            overall[name] = changes[0]
    return overall, classes


def correct_holm(p_N: Values) -> Values:
    """Holm's step-down correction; NaN stands for a test that was not made and stays NaN."""
    tested = np.flatnonzero(~np.isnan(p_N))
    order = tested[np.argsort(p_N[tested], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    corrected = np.full(p_N.shape, np.nan)
    corrected[order] = np.minimum(1, np.maximum.accumulate(p_N[order] * factors))
    return corrected


def least_p(num_groups: int) -> float:
    """The smallest p that `num_groups` groups can give: that of swapping all or none."""
    if num_groups <= MOST_EXACT_GROUPS:
        return float(2.0 ** (1 - num_groups))
    return 1 / (PERMUTATIONS + 1)


_CLASS = "class:"


def _flat(pair: ReportPair, sums: NDArray[np.float64]) -> dict[str, Values]:
    """All scores from sums (..., F): (..., 1) for the set, (..., C) for the classes."""
    pieces = np.split(sums, len(pair.names), axis=-1)
    scores = compute_scores(dict(zip(pair.names, pieces, strict=True)))
    return {name: value[..., None] for name, value in scores.overall.items()} | {
        _CLASS + name: value for name, value in scores.classes.items()
    }


def _intervals(
    pair: ReportPair, a_GF: NDArray[np.float64], b_GF: NDArray[np.float64]
) -> Mapping[str, Values]:
    groups = pair.group_names
    if len(groups) < MIN_GROUPS:
        none = _flat(pair, a_GF.sum(axis=0))
        return {name: np.full((2, *value.shape), np.nan) for name, value in none.items()}
    weights_BG = np.stack([draw_weights(group, seed=SEED) for group in groups], axis=1)
    a, b = _flat(pair, weights_BG @ a_GF), _flat(pair, weights_BG @ b_GF)
    return {name: compute_intervals(b[name] - a[name]) for name in a}


def _p_values(
    pair: ReportPair, a_GF: NDArray[np.float64], b_GF: NDArray[np.float64]
) -> dict[str, Values]:
    a_F, b_F, gain_GF = a_GF.sum(axis=0), b_GF.sum(axis=0), b_GF - a_GF
    differing = np.flatnonzero(gain_GF.any(axis=0))
    a, b = _flat(pair, a_F), _flat(pair, b_F)
    observed = {name: b[name] - a[name] for name in a}
    num_as_far = {name: np.zeros(value.shape) for name, value in observed.items()}
    num_swaps = 0
    for swapped_PG in _swaps(len(a_GF)):
        gain_PF = np.zeros((len(swapped_PG), len(a_F)))
        gain_PF[:, differing] = swapped_PG @ gain_GF[:, differing]
        a, b = _flat(pair, a_F + gain_PF), _flat(pair, b_F - gain_PF)
        num_swaps += len(swapped_PG)
        for name, value in observed.items():
            distance = np.abs(b[name] - a[name])
            num_as_far[name] += (~(distance < np.abs(value) - _ROUNDING)).sum(axis=0)
    drawn = len(a_GF) > MOST_EXACT_GROUPS
    return {
        name: np.where(
            np.isnan(value), np.nan, (num_as_far[name] + drawn) / (num_swaps + drawn)
        )
        for name, value in observed.items()
    }


def _swaps(num_groups: int) -> Iterator[NDArray[np.float64]]:
    """Groups in which A and B are swapped, (P, G) of 0 and 1: all sets, or drawn ones."""
    if num_groups <= MOST_EXACT_GROUPS:
        every = np.arange(2**num_groups)[:, None] >> np.arange(num_groups) & 1
        yield every.astype(np.float64)
        return
    rng = np.random.default_rng(SEED)
    for _ in range(PERMUTATIONS // _CHUNK):
        yield rng.integers(0, 2, (_CHUNK, num_groups), np.uint8).astype(np.float64)


def _change(row: Values) -> ScoreChange:
    a, b, low, high, p, p_holm = row.tolist()
    return ScoreChange(a=a, b=b, low=low, high=high, p=p, p_holm=p_holm)
