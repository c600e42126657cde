"""Bootstrap intervals over groups, in one pass and in memory that does not grow.

Pixels are not independent draws: neighbours, and frames of one video, err together. Groups
are resampled instead. Every group weighs into each of B replicates by a Poisson(1) number that
depends on its name and the seed alone, so the images of a group need not be adjacent, their
order does not matter and only B sums are kept (the Poisson bootstrap: Hanley & MacGibbon
2006; Chamandy et al. 2012). A score of fewer than `MIN_GROUPS` groups has no interval.
"""

import hashlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..core.provenance import Uncertainty
from ..core.scores import Values
from ..metrics.counts import Counts

REPLICATES = 1000
LEVEL = 0.95
SEED = 0
MIN_GROUPS = 5
"""The 2.5 % quantile of fewer than five draws is meaningless."""

_CHUNK = 64
"""Images whose counts are added to the replicates by one matrix product."""


def draw_weights(group: str, *, seed: int) -> NDArray[np.float64]:
    """Draw how often `group` is in each replicate, shape (B,)."""
    digest = hashlib.blake2b(group.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    rng = np.random.default_rng([seed, int.from_bytes(digest, "little")])
    return rng.poisson(1.0, REPLICATES).astype(np.float64)


@dataclass(slots=True)
class Replicates:
    """B running sums of Counts, fed one image at a time."""

    _shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    _sums_BF: NDArray[np.float64] | None = None
    _rows: list[NDArray[np.float64]] = field(default_factory=list)
    _weights: list[NDArray[np.float64]] = field(default_factory=list)

    def add(self, counts: Counts, weights_B: NDArray[np.float64]) -> None:
        """Add one image; all images have the same names and shapes of counts."""
        if self._sums_BF is None:
            self._shapes = {name: array.shape for name, array in counts.items()}
            num_numbers = sum(array.size for array in counts.values())
            self._sums_BF = np.zeros((REPLICATES, num_numbers))
        self._rows.append(np.concatenate([np.ravel(array) for array in counts.values()]))
        self._weights.append(weights_B)
        if len(self._rows) == _CHUNK:
            self._flush()

    def sums(self) -> dict[str, NDArray[np.float64]]:
        """The summed counts of every replicate, each (B, ...)."""
        self._flush()
        if self._sums_BF is None:
            return {}
        sizes = [int(np.prod(shape)) for shape in self._shapes.values()]
        pieces = np.split(self._sums_BF, np.cumsum(sizes)[:-1], axis=1)
        return {
            name: piece.reshape(REPLICATES, *shape)
            for (name, shape), piece in zip(self._shapes.items(), pieces, strict=True)
        }

    def _flush(self) -> None:
        if self._sums_BF is not None and self._rows:
            self._sums_BF += np.stack(self._weights, axis=1) @ np.stack(self._rows)
        self._rows.clear()
        self._weights.clear()


def compute_intervals(replicates: Values) -> Values:
    """Compute both ends of the `LEVEL` interval, (2, ...), from replicates (B, ...).

    Replicates in which the score does not exist are left out; where it exists in fewer than
    half of them, the ends are NaN.
    """
    ends = np.full((2, *replicates.shape[1:]), np.nan)
    exists = (~np.isnan(replicates)).mean(axis=0) >= 0.5
    if exists.any():
        tail = (1 - LEVEL) / 2
        ends[:, exists] = np.nanquantile(replicates[:, exists], [tail, 1 - tail], axis=0)
    return ends


def describe_uncertainty(num_groups: int) -> Uncertainty:
    """Describe how the intervals of a report of `num_groups` groups are made."""
    return Uncertainty(
        method="Poisson bootstrap over groups, percentile interval",
        replicates=REPLICATES,
        level=LEVEL,
        groups=num_groups,
        enough_groups=num_groups >= MIN_GROUPS,
    )
