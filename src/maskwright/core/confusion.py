"""Pixel counts of truth against prediction. The only thing scores are computed from."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from .errors import DataError
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
    def of(cls, truth_HW: LabelMap, predicted_HW: LabelMap, num_classes: int) -> Self:
        """Count one image; pixels where truth is IGNORE are left out.

        Raises:
            DataError: Sizes differ, or an index is not a class of the LabelSpec. A prediction
                of IGNORE where truth is a class is such an index: a model must decide.
        """
        if truth_HW.shape != predicted_HW.shape:
            raise DataError(f"truth is {truth_HW.shape}, prediction is {predicted_HW.shape}")
        valid_HW = truth_HW != IGNORE
        truth, predicted = truth_HW[valid_HW], predicted_HW[valid_HW]
        for name, index in (("truth", truth), ("prediction", predicted)):
            if index.max(initial=0) >= num_classes:
                raise DataError(
                    f"{name} holds class index {index.max()} of {num_classes} classes"
                )
        pair = truth.astype(np.intp) * num_classes + predicted
        counts = np.bincount(pair, minlength=num_classes**2)
        return cls(counts.reshape(num_classes, num_classes).astype(np.int64))

    def __add__(self, other: Self) -> Self:
        return type(self)(self.counts_CC + other.counts_CC)

    @property
    def num_pixels(self) -> int:
        """Pixels counted."""
        return int(self.counts_CC.sum())
