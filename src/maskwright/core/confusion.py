"""Confusion: the pixel counts of truth against prediction, from which region scores derive."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .errors import DataError
from .kernels.kernel import kernel
from .labels import IGNORE, LabelMap


@dataclass(frozen=True, slots=True, eq=False)
class Confusion:
    """C x C int64 counts; row = truth, column = prediction. Adds up over images and workers."""

    counts_CC: NDArray[np.int64]

    @classmethod
    def zero(cls, num_classes: int) -> Self:
        """No pixels yet: the start of a sum."""
        return cls(np.zeros((num_classes, num_classes), np.int64))

    @classmethod
    def from_labels(cls, truth_HW: LabelMap, predicted_HW: LabelMap, num_classes: int) -> Self:
        """Count one image; pixels where truth is IGNORE are left out.

        Exact for any number of pixels. Most of the time is spent without the interpreter lock,
        so images may be counted in threads.

        Raises:
            DataError: Sizes differ, or an index is not a class of the LabelSpec. A prediction
                of IGNORE where truth is a class is such an index: a model must decide.
        """
        truth_HW, predicted_HW = require_label_maps(truth_HW, predicted_HW, num_classes)
        pairs = kernel().count_pairs(truth_HW, predicted_HW)[:IGNORE]
        counts_CC = pairs[:num_classes, :num_classes].copy()
        if counts_CC.sum() != pairs.sum():
            require_classes("truth", pairs.sum(axis=1), num_classes)
            require_classes("prediction", pairs.sum(axis=0), num_classes)
        return cls(counts_CC)

    @classmethod
    def from_json(cls, rows: list[list[int]], num_classes: int) -> Self:
        """Read the counts of a document; raises ValueError where they cannot be counts."""
        counts_CC = np.array(rows)
        if counts_CC.shape != (num_classes, num_classes) or counts_CC.dtype != np.int64:
            raise ValueError(f"'confusion' is not {num_classes} x {num_classes} integers")
        if counts_CC.min() < 0 or counts_CC.sum(dtype=np.float64) >= 1 << 62:
            raise ValueError("'confusion' holds counts below 0, or more than there can be")
        return cls(counts_CC)

    def __add__(self, other: Self) -> Self:
        return type(self)(self.counts_CC + other.counts_CC)

    @property
    def num_pixels(self) -> int:
        """Pixels counted."""
        return int(self.counts_CC.sum())


def require_label_maps(
    truth_HW: NDArray[Any], predicted_HW: NDArray[Any], num_classes: int
) -> tuple[LabelMap, LabelMap]:
    """Convert both maps to uint8 and require one size and values 0..255.

    Predictions where truth is IGNORE are not checked, and may be changed.

    Raises:
        DataError: Sizes differ, values are not integers, or do not fit into uint8.
    """
    if truth_HW.shape != predicted_HW.shape:
        raise DataError(f"truth is {truth_HW.shape}, prediction is {predicted_HW.shape}")
    if predicted_HW.dtype != np.uint8:
        predicted_HW = np.where(truth_HW == IGNORE, 0, predicted_HW)
    return (
        _as_uint8("truth", truth_HW, num_classes),
        _as_uint8("prediction", predicted_HW, num_classes),
    )


def require_classes(name: str, num_px_by_index: NDArray[np.int64], num_classes: int) -> None:
    """Require that the highest index counted is a class; the DataError names it."""
    indices = np.flatnonzero(num_px_by_index)
    if indices.size and indices[-1] >= num_classes:
        raise DataError(f"{name} holds class index {indices[-1]} of {num_classes} classes")


def _as_uint8(name: str, index_HW: NDArray[Any], num_classes: int) -> LabelMap:
    if index_HW.dtype == np.uint8:
        return index_HW
    if index_HW.dtype.kind not in "iub":
        raise DataError(f"{name} must hold class indices as integers, got {index_HW.dtype}")
    for extreme in (index_HW.max(initial=0), index_HW.min(initial=0)):
        if not 0 <= extreme <= IGNORE:
            raise DataError(f"{name} holds class index {extreme} of {num_classes} classes")
    return index_HW.astype(np.uint8)
