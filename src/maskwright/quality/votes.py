"""Votes: the classes that several annotators gave, counted by tuple.

An image of millions of pixels has some hundred different tuples of votes. Consensus and
agreement are functions of the tuples and their counts: exact, and faster by far than by pixel.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.labels import IGNORE, LabelMap

MOST_ANNOTATORS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Votes:
    """T different tuples of votes of K annotators; IGNORE is no vote.

    `index_HW` has the tuple of each pixel.
    """

    tuples_TK: NDArray[np.uint8]
    counts_T: NDArray[np.int64]
    index_HW: NDArray[np.intp]

    @property
    def num_votes_T(self) -> NDArray[np.int64]:
        """How many annotators gave a class."""
        numbers_T: NDArray[np.int64] = (self.tuples_TK != IGNORE).sum(axis=1)
        return numbers_T

    def count_classes(self, num_classes: int) -> NDArray[np.int64]:
        """How many annotators gave each class, (T, C)."""
        is_class_TKC = self.tuples_TK[:, :, None] == np.arange(num_classes)
        numbers_TC: NDArray[np.int64] = is_class_TKC.sum(axis=1)
        return numbers_TC

    def paint(self, values_T: NDArray[np.uint8]) -> LabelMap:
        """The map that has the value of the tuple at each pixel."""
        return values_T[self.index_HW]


def count_votes(maps: Sequence[LabelMap]) -> Votes:
    """Count the votes of 1 to 8 class maps of one size.

    Raises:
        DataError: No maps, too many, or of different sizes.
    """
    if not 1 <= len(maps) <= MOST_ANNOTATORS:
        raise DataError(f"{len(maps)} class maps; a consensus takes 1 to {MOST_ANNOTATORS}")
    sizes = {labels_HW.shape for labels_HW in maps}
    if len(sizes) > 1:
        raise DataError(f"class maps of one image have different sizes: {sorted(sizes)}")
    packed_HW = np.zeros(maps[0].shape, np.uint64)
    for k, labels_HW in enumerate(maps):
        packed_HW |= labels_HW.astype(np.uint64) << np.uint64(8 * k)
    packed_T, index, counts_T = np.unique(packed_HW, return_inverse=True, return_counts=True)
    shifts_K = np.arange(len(maps), dtype=np.uint64) * np.uint64(8)
    tuples_TK = (packed_T[:, None] >> shifts_K & np.uint64(255)).astype(np.uint8)
    return Votes(tuples_TK, counts_T.astype(np.int64), index.reshape(packed_HW.shape))
