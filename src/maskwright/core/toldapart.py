"""ToldApart: how far a model tells two classes apart, from the pixels that it calls either."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .versioned import Document

NOT_TOLD_APART = 0.25
"""A pair whose upper end is at most this is reported as not told apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldApart:
    """Two classes, by name, and how far they are told apart: 0 as by chance, 1 always.

    `value` is Youden's J over the pixels of the two classes that are predicted as one of them:
    the recall of the first plus that of the second minus 1. [`low`, `high`] is its interval.
    """

    names: tuple[str, str]
    value: float
    low: float
    high: float

    def to_json(self) -> Document:
        """`classes`, `value` and `interval`."""
        return {
            "classes": list(self.names),
            "value": self.value,
            "interval": [self.low, self.high],
        }

    @classmethod
    def from_json(cls, document: Document) -> Self:
        """Undo `to_json`."""
        (first, second), (low, high) = document["classes"], document["interval"]
        return cls(names=(first, second), value=document["value"], low=low, high=high)


def compute_told_apart(counts_CC: NDArray[Any]) -> NDArray[np.float64]:
    """Compute Youden's J of each pair of classes from counts, rows truth: (..., C, C) -> same.

    NaN on the diagonal, and for a pair of which one class has no pixel called either.
    """
    own = np.diagonal(counts_CC, axis1=-2, axis2=-1).astype(np.float64)[..., None]
    with np.errstate(invalid="ignore"):
        recall_CC = own / (own + counts_CC)  # of the row's class against the column's
    told_CC = recall_CC + np.swapaxes(recall_CC, -2, -1) - 1
    diagonal = np.eye(counts_CC.shape[-1], dtype=np.bool_)
    return np.asarray(np.where(diagonal, np.nan, told_CC))
