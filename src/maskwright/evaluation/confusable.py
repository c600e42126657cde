"""Classes that a model does not tell apart: which pairs, how sure, and a mapping that merges.

A pair of classes is compared over the pixels that the truth and the model call one or the
other (`core.toldapart`). It is reported where the upper end of the 95 % interval is at most
`NOT_TOLD_APART`, and

* a third of the pixels of one of them or more is called by the name of the other,
* both are in the truth of `MIN_GROUPS` groups or more, and neither has over `MOST_RATIO` times
  the pixels of the other: what vanishes in a much larger class is missed, not confused,
* both are things or both are stuff, and neither is the background.

The interval is the jackknife over at most `NUM_POOLS` pools of whole groups, so that memory
does not grow with the images.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.labels import LabelSpec
from ..core.report import MIN_GROUPS
from ..core.toldapart import NOT_TOLD_APART, ToldApart, compute_told_apart
from ..data.classes.kinds import BACKGROUND_NAMES
from ..data.classes.proposal import Merge
from .intervals import compute_ends, jackknife_variance

NUM_POOLS = 20
MOST_RATIO = 10.0
LEAST_CONFUSED = 1 / 3


@dataclass(slots=True)
class PairTally:
    """Confusions summed by pool of groups, fed one image at a time."""

    _pool_of: dict[str, int] = field(default_factory=dict)
    _counts: list[NDArray[np.int64]] = field(default_factory=list)

    def add(self, group: str, counts_CC: NDArray[np.int64]) -> None:
        """Add the confusion of one image; the first groups have a pool each."""
        pool = self._pool_of.setdefault(group, len(self._pool_of) % NUM_POOLS)
        if pool == len(self._counts):
            self._counts.append(np.zeros_like(counts_CC))
        self._counts[pool] += counts_CC

    def find_pairs(
        self, labels: LabelSpec, groups_C: NDArray[np.int64]
    ) -> tuple[ToldApart, ...]:
        """The pairs that are not told apart, the least told apart first.

        `groups_C` is the number of groups whose truth holds each class.
        """
        if len(self._counts) < MIN_GROUPS:
            return ()
        pools_GCC = np.stack(self._counts)
        counts_CC = pools_GCC.sum(axis=0)
        candidate_CC = _find_candidates(counts_CC, labels, groups_C)
        if not candidate_CC.any():
            return ()
        told_CC = compute_told_apart(counts_CC)
        without_GCC = compute_told_apart(counts_CC - pools_GCC)
        variance_CC = np.nan_to_num(jackknife_variance(without_GCC))
        freedom_CC = np.full(told_CC.shape, len(pools_GCC) - 1.0)
        ends_2CC = compute_ends(told_CC, variance_CC, freedom_CC, scale="plain")
        # no group differs: the value itself
        low_CC, high_CC = np.where(np.isnan(ends_2CC), told_CC, ends_2CC)
        found = candidate_CC & (high_CC <= NOT_TOLD_APART)
        pairs = (
            ToldApart(
                names=(labels.names[a], labels.names[b]),
                value=float(told_CC[a, b]),
                low=float(low_CC[a, b]),
                high=float(high_CC[a, b]),
            )
            for a, b in np.argwhere(np.triu(found)).tolist()
        )
        return tuple(sorted(pairs, key=lambda pair: pair.value))


def _find_candidates(
    counts_CC: NDArray[np.int64], labels: LabelSpec, groups_C: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Pairs that are confused and could be merged, (C, C), symmetric."""
    truth_C = np.maximum(1, counts_CC.sum(axis=1)).astype(np.float64)
    share_CC: NDArray[Any] = counts_CC / truth_C[:, None]
    np.fill_diagonal(share_CC, 0)
    foreground_C = np.array([name.lower() not in BACKGROUND_NAMES for name in labels.names])
    usable_C = foreground_C & (groups_C >= MIN_GROUPS)
    thing_C = np.array([entry.kind == "thing" for entry in labels])
    ratio_CC = truth_C[:, None] / truth_C
    return np.asarray(
        (np.maximum(share_CC, share_CC.T) >= LEAST_CONFUSED)
        & (usable_C[:, None] & usable_C)
        & (thing_C[:, None] == thing_C)
        & (np.maximum(ratio_CC, ratio_CC.T) <= MOST_RATIO)
    )


def describe_pair(pair: ToldApart) -> str:
    """One sentence on a pair that is not told apart, with what to do."""
    first, second = pair.names
    value, low, high = (round(100 * share) for share in (pair.value, pair.low, pair.high))
    shown = f"{value} %, interval {low} to {high}"
    return (
        f"{first} and {second} are not told apart ({shown}; 0 % is chance): merge them with "
        f"--propose-mapping FILE, or label more of what differs between them."
    )


def list_merges(pairs: Iterable[ToldApart]) -> list[Merge]:
    """The merges to propose: each pair becomes one class."""
    return [
        Merge(names=pair.names, reason=f"not told apart ({round(100 * pair.value)} %)")
        for pair in pairs
    ]
