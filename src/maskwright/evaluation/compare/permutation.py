"""p-values by swapping A and B in whole groups, and their correction over the classes.

If A and B are exchangeable, swapping them in any set of groups is as likely as what was
observed. Two-sided p: the share of swaps whose difference is at least as far from 0. All 2^G
swaps for up to 13 groups, else 10,000 drawn ones and p = (k + 1) / (n + 1), which is never 0
(Phipson & Smyth 2010). A swap after which a score does not exist counts as at least as far.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.scores import Values
from .scorer import Scorer, subtract

ALPHA = 0.05
"""A difference with a corrected p below this is not chance."""
PERMUTATIONS = 10_000
MOST_EXACT_GROUPS = 13
STANDARDIZED_FROM = 13
"""From so many groups on, differences are compared in units of their spread over the swaps."""
SEED = 0
_CHUNK = 500
_ROUNDING = 1e-12
"""Differences that differ by less are equal."""


def compute_p_values(
    scorer: Scorer, a_GF: Values, b_GF: Values
) -> tuple[dict[str, Values], dict[str, Values]]:
    """p, and p corrected over the classes and their mean, by score."""
    swapped = Swapped.from_groups(scorer, a_GF, b_GF)
    p = {name: swapped.p_values(name) for name in swapped.observed}
    corrected = dict(p)
    means = {of_class: n for n in p if (of_class := scorer.class_score_of(n)) is not None}
    for name, mean in means.items():
        p_K = swapped.correct(name, mean, standardized=len(a_GF) >= STANDARDIZED_FROM)
        corrected[name], corrected[mean] = p_K[:-1], p_K[-1:]
    return p, corrected


@dataclass(frozen=True, slots=True, kw_only=True)
class Swapped:
    """|B - A| of each score as observed, (K,), and after each of P swaps, (P, K).

    `touched_C` is the number of groups in which the truth, A or B has each class; swaps do not
    change it.
    """

    observed: Mapping[str, Values]
    distances: Mapping[str, Values]
    touched_C: NDArray[np.int64]
    drawn: bool
    """Whether the swaps are drawn, and not all there are."""

    @classmethod
    def from_groups(cls, scorer: Scorer, a_GF: Values, b_GF: Values) -> "Swapped":
        """Swap the groups of A and B, counts (G, F)."""
        gains = subtract(scorer.score(b_GF.sum(axis=0)), scorer.score(a_GF.sum(axis=0)))
        return cls(
            observed={name: np.abs(gain) for name, gain in gains.items()},
            distances=_swap_groups(scorer, a_GF, b_GF),
            touched_C=scorer.count_touched(a_GF, b_GF),
            drawn=len(a_GF) > MOST_EXACT_GROUPS,
        )

    def p_values(self, name: str) -> Values:
        """P of each test of a score, not corrected, (K,)."""
        distances_PK, observed_K = self.distances[name], self.observed[name] - _ROUNDING
        columns = range(len(observed_K))
        tests = [
            step_down(distances_PK[:, [k]], observed_K[[k]], drawn=self.drawn) for k in columns
        ]
        return np.concatenate(tests)

    def correct(self, name: str, mean: str, *, standardized: bool) -> Values:
        """Correct the p of the classes and, last, of their mean, (C + 1,).

        Classes in too few groups for p to fall below `ALPHA` keep their p and are not among
        the others (Tarone 1990): they can hide a fall but never show one.
        """
        p_K = np.concatenate([self.p_values(name), self.p_values(mean)])
        joined_PK = np.concatenate([self.distances[name], self.distances[mean]], axis=1)
        joined_K = np.concatenate([self.observed[name], self.observed[mean]]) - _ROUNDING
        for index, num_groups in enumerate(self.touched_C.tolist()):
            if least_p(num_groups) >= ALPHA:
                joined_K[index] = np.nan
        factor_K = _comparable_factors(joined_PK, joined_K, standardized=standardized)
        corrected = step_down(joined_PK * factor_K, joined_K * factor_K, drawn=self.drawn)
        return np.where(np.isnan(corrected), p_K, corrected)


def _comparable_factors(
    distances_PK: Values, observed_K: Values, *, standardized: bool
) -> Values:
    """What makes the distances of the classes and of their mean, the last, comparable, (K,).

    With few groups points of IoU are: in units of its spread no class is further from 0 than
    sqrt(G), however far it fell, and many classes reach that by chance. With more groups their
    spread over the swaps is the unit (`standardized`), so that a noisy class does not hide a
    steady one. The mean of n independent classes varies sqrt(n) times less than they do.
    """
    if not standardized:
        factors_K = np.ones(len(observed_K))
        factors_K[-1] = math.sqrt(max(1, int(np.count_nonzero(~np.isnan(observed_K[:-1])))))
        return factors_K
    finite_PK = np.where(np.isfinite(distances_PK), distances_PK, 0.0)
    spread_K = np.sqrt(np.square(finite_PK).mean(axis=0))
    return np.asarray(1 / np.where(spread_K > _ROUNDING, spread_K, 1.0))


def _swap_groups(scorer: Scorer, a_GF: Values, b_GF: Values) -> dict[str, Values]:
    """|B - A| after each of P swaps, (P, K) by score; inf where it does not exist."""
    a_F, b_F, gain_GF = a_GF.sum(axis=0), b_GF.sum(axis=0), b_GF - a_GF
    differing = np.flatnonzero(gain_GF.any(axis=0))
    parts: list[dict[str, Values]] = []
    for swapped_PG in _swaps(len(a_GF)):
        gain_PF = np.zeros((len(swapped_PG), len(a_F)))
        gain_PF[:, differing] = swapped_PG @ gain_GF[:, differing]
        parts.append(subtract(scorer.score(b_F - gain_PF), scorer.score(a_F + gain_PF)))
    return {
        name: np.nan_to_num(np.abs(np.concatenate([part[name] for part in parts])), nan=np.inf)
        for name in parts[0]
    }


def _swaps(num_groups: int) -> Iterator[NDArray[np.float64]]:
    """Groups in which A and B are swapped, (P, G) of 0 and 1: all sets, or drawn ones."""
    if num_groups <= MOST_EXACT_GROUPS:
        every = np.arange(2**num_groups)[:, None] >> np.arange(num_groups) & 1
        yield from np.array_split(every.astype(np.float64), -(-len(every) // _CHUNK))
        return
    rng = np.random.default_rng(SEED)
    for _ in range(PERMUTATIONS // _CHUNK):
        yield rng.integers(0, 2, (_CHUNK, num_groups), np.uint8).astype(np.float64)


def step_down(distances_PK: Values, observed_K: Values, *, drawn: bool) -> Values:
    """Correct the p-values of K tests by step-down max-|d|; Westfall & Young 1993, 2.8.

    The largest observed distance is compared with the largest of all K after each swap, the
    next with the largest of the others, and so on; p never falls from one to the next.

    Args:
        distances_PK: Distance from 0 of each test after each of P swaps, comparable over K.
        observed_K: The distances that were observed; NaN for a test that is not made.
        drawn: Whether the swaps are drawn, and not all there are.
    """
    corrected = np.full(observed_K.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(observed_K))
    order = tested[np.argsort(-observed_K[tested], kind="stable")]
    largest_PK = np.maximum.accumulate(distances_PK[:, order[::-1]], axis=1)[:, ::-1]
    num_as_far = (largest_PK >= observed_K[order]).sum(axis=0)
    p = (num_as_far + drawn) / (len(distances_PK) + drawn)
    corrected[order] = np.maximum.accumulate(p)
    return corrected


def least_p(num_groups: int) -> float:
    """The smallest p that `num_groups` groups can give: that of swapping all or none."""
    if num_groups <= MOST_EXACT_GROUPS:
        return float(2.0 ** (1 - num_groups))
    return 1 / (PERMUTATIONS + 1)
