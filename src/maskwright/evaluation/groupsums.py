"""Counts summed by group, in memory that does not grow beyond `MAX_ROWS` rows.

From the sums of each group follow the sums without it, and from these every interval. More
than `MAX_ROWS` groups are combined into pools by a hash of their names: pools are independent
as groups are, so an interval stays right, and the order of the images does not matter.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..metrics.counts import Counts

MAX_ROWS = 1000


@dataclass(slots=True)
class GroupSums:
    """Sums of Counts by group, fed one image at a time; all images have the same names."""

    _shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    _sums_of: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    _pooled: bool = False

    def add(self, group: str, counts: Counts) -> None:
        """Add one image."""
        if not self._shapes:
            self._shapes = {name: array.shape for name, array in counts.items()}
        flat = np.concatenate([np.ravel(array) for array in counts.values()], dtype=np.float64)
        self._add_row(_name_pool(group) if self._pooled else group, flat)
        if len(self._sums_of) > MAX_ROWS:
            self._combine()

    def __len__(self) -> int:
        """The number of rows: groups, or pools of groups."""
        return len(self._sums_of)

    def counts(self) -> dict[str, NDArray[np.float64]]:
        """The sums of every group (or pool), by name, each (G, ...)."""
        if not self._sums_of:
            return {}
        rows_GF = np.stack([self._sums_of[name] for name in sorted(self._sums_of)])
        sizes = [int(np.prod(shape)) for shape in self._shapes.values()]
        pieces = np.split(rows_GF, np.cumsum(sizes)[:-1], axis=1)
        return {
            name: piece.reshape(len(rows_GF), *shape)
            for (name, shape), piece in zip(self._shapes.items(), pieces, strict=True)
        }

    def _add_row(self, name: str, flat: NDArray[np.float64]) -> None:
        if name in self._sums_of:
            self._sums_of[name] += flat
        else:
            self._sums_of[name] = flat

    def _combine(self) -> None:
        groups, self._sums_of, self._pooled = self._sums_of, {}, True
        for group, flat in groups.items():
            self._add_row(_name_pool(group), flat)


def sums_without(counts_G: Counts) -> dict[str, NDArray[Any]]:
    """The sums over all groups but one, from those of each group, (G, ...)."""
    return {name: array.sum(axis=0) - array for name, array in counts_G.items()}


def _name_pool(group: str) -> str:
    digest = hashlib.blake2b(group.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return f"pool {int.from_bytes(digest, 'little') % MAX_ROWS}"
