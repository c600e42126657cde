"""SoftCounts: what a model thinks of its own class maps, summed over images.

`expected_CC` sums, over the pixels predicted as class c, the share of each class r: rows are
the truth that the model expects, columns what it predicted. `confidence_CB` counts the pixels
of each predicted class by bins of their confidence. Both add; every estimate follows from them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..core.labels import IGNORE, LabelMap
from ..core.scores import Margins, dice, iou, mean_present

BINS = 50
"""Bins of confidence, of equal width over [0, 1]."""

LEAST_SHARE = 1e-3
"""A class that is not predicted, and expected on a smaller share of pixels, is absent."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class SoftCounts:
    """Counts of one image, or of several."""

    expected_CC: Values
    confidence_CB: Values

    @classmethod
    def from_shares(
        cls, labels_HW: LabelMap, shares: Iterable[NDArray[np.float32]], num_classes: int
    ) -> Self:
        """Count one image.

        Args:
            labels_HW: The predicted classes, IGNORE where there is no data.
            shares: Of each class in turn, (H, W) in [0, 1].
            num_classes: C.
        """
        valid_HW = labels_HW != IGNORE
        predicted_P = labels_HW[valid_HW]
        expected_CC = np.zeros((num_classes, num_classes))
        confidence_P = np.zeros(len(predicted_P), np.float32)
        for index, share_HW in enumerate(shares):
            share_P = share_HW[valid_HW]
            expected_CC[index] = np.bincount(predicted_P, share_P, num_classes)
            is_it_P = predicted_P == index
            confidence_P[is_it_P] = share_P[is_it_P]
        bins_P = np.minimum((confidence_P * BINS).astype(np.int64), BINS - 1)
        counts = np.bincount(
            predicted_P * np.int64(BINS) + bins_P, minlength=num_classes * BINS
        )
        return cls(expected_CC, counts.reshape(num_classes, BINS).astype(np.float64))

    def __add__(self, other: object) -> "SoftCounts":
        if not isinstance(other, SoftCounts):
            return NotImplemented
        return SoftCounts(
            self.expected_CC + other.expected_CC, self.confidence_CB + other.confidence_CB
        )

    @property
    def margins(self) -> Margins:
        """Expected hits, expected truth and predicted pixels of each class."""
        return Margins.from_counts(self.expected_CC)

    @property
    def num_pixels(self) -> float:
        """Pixels with data."""
        return float(self.confidence_CB.sum())

    @property
    def confidence(self) -> float:
        """Mean confidence of all pixels; NaN without any."""
        diagonal = float(np.trace(self.expected_CC))
        return diagonal / self.num_pixels if self.num_pixels else float("nan")


def measure_soft_dice(counts: SoftCounts) -> float:
    """Soft Dice confidence of one image: 2 sum(p y) / sum(p + y), mean over present classes.

    arXiv:2402.10665. NaN where no class is present.
    """
    margins = counts.margins
    present_C = find_present(margins)
    if not present_C.any():
        return float("nan")
    return float(dice(margins)[present_C].mean())


def measure_soft_iou(margins: Margins) -> float:
    """Mean IoU of the soft confusion over the classes that are present; NaN without any."""
    return mean_present(np.where(find_present(margins), iou(margins), np.nan)).item()


def find_present(margins: Margins) -> NDArray[np.bool_]:
    """The classes that are predicted or expected, (C,)."""
    least = LEAST_SHARE * margins.predicted.sum()
    return np.asarray((margins.predicted > 0) | (margins.truth > least))
