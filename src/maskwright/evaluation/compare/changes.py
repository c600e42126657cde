"""Is B better than A, or is it chance? Paired intervals and p-values by group.

What is exchanged and resampled is a group (patient, street, video) with all its images, in A
and B alike, so what makes an image hard counts for both.

* Interval: the bootstrap of the reports (`bootstrap.weights`), the same draws for A and B;
  percentiles of B - A. Fewer than five groups have none.
* p: if A and B are exchangeable, swapping them in any set of groups is as likely as what was
  seen. Two-sided: the share of swaps whose difference is at least as far from 0. All 2^G swaps
  for up to 13 groups, else 10,000 drawn and p = (k + 1) / (n + 1), which is never 0 (Phipson &
  Smyth 2010).
* Over the classes p is corrected by Holm (1979), so that among 100 equal classes the chance of
  one "difference" stays below 5 %.
* A score that exists in only one of A and B has no difference, no interval and no p.
* A swap after which a score does not exist counts as one at least as far from 0.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core import scores as region
from ...core.scores import Margins, Values, mean_present
from ...metrics import boundary
from ...metrics.family import Counts, Scores
from ..bootstrap import MIN_GROUPS, SEED, intervals, weights
from .read import Pair

PERMUTATIONS = 10_000
MOST_EXACT_GROUPS = 13
_CHUNK = 500
_ROUNDING = 1e-12
"""Differences that differ by less are equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
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


def measured(counts: Counts) -> Scores:
    """What is compared, from counts (..., C): IoU and, where counted, boundaries."""
    margins = Margins(hit=counts["hit"], truth=counts["truth"], predicted=counts["predicted"])
    classes = {"iou": region.iou(margins)}
    overall = {
        "miou": mean_present(classes["iou"]),
        "pixel_accuracy": region.pixel_accuracy(margins),
    }
    if "boundary_truth" in counts:
        outlines = boundary.scores(counts)
        classes |= {name: outlines.classes[name] for name in ("boundary_f1", "boundary_iou")}
        overall |= outlines.overall
    return Scores(overall=overall, classes=classes)


def changes(pair: Pair) -> tuple[dict[str, Change], dict[str, list[Change]]]:
    """Changes of the scores of the set, and of each class in order of index."""
    a_GF, b_GF = pair.by_group(pair.a), pair.by_group(pair.b)
    seen = _flat(pair, a_GF.sum(axis=0)), _flat(pair, b_GF.sum(axis=0))
    ends = _intervals(pair, a_GF, b_GF)
    p = _p_values(pair, a_GF, b_GF)
    overall, classes = {}, {}
    for name, value in seen[0].items():
        rows = np.stack([value, seen[1][name], *ends[name], p[name]])
        found = [_change(row, row[-1]) for row in rows.T]
        if name.startswith(_CLASS):
            corrected = holm(p[name])
            classes[name.removeprefix(_CLASS)] = [
                _change(row, q) for row, q in zip(rows.T, corrected, strict=True)
            ]
        else:
            overall[name] = found[0]
    return overall, classes


def holm(p_N: Values) -> Values:
    """Holm's step-down correction; NaN is no test and stays NaN."""
    tested = np.flatnonzero(~np.isnan(p_N))
    order = tested[np.argsort(p_N[tested], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    corrected = np.full(p_N.shape, np.nan)
    corrected[order] = np.minimum(1, np.maximum.accumulate(p_N[order] * factors))
    return corrected


def least_p(num_groups: int) -> float:
    """The smallest p that `num_groups` groups can give: all swapped the same way, of two."""
    if num_groups <= MOST_EXACT_GROUPS:
        return float(2.0 ** (1 - num_groups))
    return 1 / (PERMUTATIONS + 1)


_CLASS = "class:"


def _flat(pair: Pair, sums: NDArray[np.float64]) -> dict[str, Values]:
    """Everything measured, from sums (..., F): (..., 1) for the set, (..., C) for classes."""
    pieces = np.split(sums, len(pair.names), axis=-1)
    found = measured(dict(zip(pair.names, pieces, strict=True)))
    return {name: value[..., None] for name, value in found.overall.items()} | {
        _CLASS + name: value for name, value in found.classes.items()
    }


def _intervals(
    pair: Pair, a_GF: NDArray[np.float64], b_GF: NDArray[np.float64]
) -> Mapping[str, Values]:
    groups = pair.group_names
    if len(groups) < MIN_GROUPS:
        none = _flat(pair, a_GF.sum(axis=0))
        return {name: np.full((2, *value.shape), np.nan) for name, value in none.items()}
    weights_BG = np.stack([weights(group, seed=SEED) for group in groups], axis=1)
    a, b = _flat(pair, weights_BG @ a_GF), _flat(pair, weights_BG @ b_GF)
    return {name: intervals(b[name] - a[name]) for name in a}


def _p_values(
    pair: Pair, a_GF: NDArray[np.float64], b_GF: NDArray[np.float64]
) -> dict[str, Values]:
    a_F, b_F, gain_GF = a_GF.sum(axis=0), b_GF.sum(axis=0), b_GF - a_GF
    moving = np.flatnonzero(gain_GF.any(axis=0))
    a, b = _flat(pair, a_F), _flat(pair, b_F)
    seen = {name: b[name] - a[name] for name in a}
    far = {name: np.zeros(value.shape) for name, value in seen.items()}
    num_swaps = 0
    for swapped_PG in _swaps(len(a_GF)):
        moved_PF = np.zeros((len(swapped_PG), len(a_F)))
        moved_PF[:, moving] = swapped_PG @ gain_GF[:, moving]
        a, b = _flat(pair, a_F + moved_PF), _flat(pair, b_F - moved_PF)
        num_swaps += len(swapped_PG)
        for name, value in seen.items():
            distance = np.abs(b[name] - a[name])
            far[name] += (~(distance < np.abs(value) - _ROUNDING)).sum(axis=0)
    drawn = len(a_GF) > MOST_EXACT_GROUPS
    return {
        name: np.where(np.isnan(value), np.nan, (far[name] + drawn) / (num_swaps + drawn))
        for name, value in seen.items()
    }


def _swaps(num_groups: int) -> Iterator[NDArray[np.float64]]:
    """Sets of groups in which A and B change places, (P, G) of 0 and 1: all, or drawn."""
    if num_groups <= MOST_EXACT_GROUPS:
        every = np.arange(2**num_groups)[:, None] >> np.arange(num_groups) & 1
        yield every.astype(np.float64)
        return
    rng = np.random.default_rng(SEED)
    for _ in range(PERMUTATIONS // _CHUNK):
        yield rng.integers(0, 2, (_CHUNK, num_groups), np.uint8).astype(np.float64)


def _change(row: Values, p_holm: float) -> Change:
    a, b, low, high, p = (float(v) for v in row)
    return Change(a=a, b=b, low=low, high=high, p=p, p_holm=float(p_holm))
