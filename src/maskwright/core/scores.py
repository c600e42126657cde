"""Region scores as pure functions of pixel counts: a Confusion, or its Margins.

A class absent from both truth and prediction scores NaN, not 0 and not 1,
and is left out of every mean. Recall of a class absent from truth, and precision of a class
never predicted, are NaN for the same reason. State this wherever a mean is shown.

Every function takes Margins with any number of axes before the classes and keeps them: (C,) of
one set, (G, C) without each of G groups.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .confusion import Confusion

ABSENT_RULE = (
    "A class absent from both truth and prediction has no score (shown as –) "
    "and is left out of every mean."
)

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Margins:
    """Correct pixels, pixels in truth and predicted pixels, per class, (..., C).

    All region scores follow from these three; the whole matrix is not needed.
    """

    hit: NDArray[Any]
    truth: NDArray[Any]
    predicted: NDArray[Any]

    @classmethod
    def from_confusion(cls, confusion: Confusion) -> Self:
        """The margins of one set."""
        return cls.from_counts(confusion.counts_CC)

    @classmethod
    def from_counts(cls, counts: NDArray[Any]) -> Self:
        """The diagonal and the sums of rows, which are truth, and columns of (..., C, C)."""
        return cls(
            hit=np.diagonal(counts, axis1=-2, axis2=-1),
            truth=counts.sum(axis=-1),
            predicted=counts.sum(axis=-2),
        )


PixelCounts = Confusion | Margins


def iou(counts: PixelCounts) -> Values:
    """Intersection over union per class, shape (..., C): TP / (TP + FP + FN)."""
    m = _margins(counts)
    return ratio(m.hit, m.truth + m.predicted - m.hit)


def dice(counts: PixelCounts) -> Values:
    """Dice (F1) per class, shape (..., C). Always 2 IoU / (1 + IoU)."""
    m = _margins(counts)
    return ratio(2 * m.hit, m.truth + m.predicted)


def precision(counts: PixelCounts) -> Values:
    """TP / (TP + FP) per class, shape (..., C); NaN where the class is never predicted."""
    m = _margins(counts)
    return ratio(m.hit, m.predicted)


def recall(counts: PixelCounts) -> Values:
    """TP / (TP + FN) per class, shape (..., C); NaN where the class is absent from truth."""
    m = _margins(counts)
    return ratio(m.hit, m.truth)


def accuracy(counts: PixelCounts) -> Values:
    """(TP + TN) / all per class against the rest, shape (..., C); NaN for an absent class.

    Near 1 for every rare class, predicted or not: recall is what MMSegmentation and others call
    class accuracy.
    """
    m = _margins(counts)
    total = m.truth.sum(axis=-1, keepdims=True)
    wrong = m.truth + m.predicted - 2 * m.hit
    return np.where(m.truth + m.predicted > 0, ratio(total - wrong, total), np.nan)


def mean_iou(counts: PixelCounts) -> Values:
    """Mean IoU over classes that occur in truth or prediction; NaN when nothing was counted."""
    return mean_present(iou(counts))


def micro_iou(counts: PixelCounts) -> Values:
    """IoU of all classes pooled: sum of TP / sum of (TP + FP + FN)."""
    m = _margins(counts)
    hit = m.hit.sum(axis=-1)
    return ratio(hit, m.truth.sum(axis=-1) + m.predicted.sum(axis=-1) - hit)


def pixel_accuracy(counts: PixelCounts) -> Values:
    """Share of counted pixels whose class is right; NaN when nothing was counted."""
    m = _margins(counts)
    return ratio(m.hit.sum(axis=-1), m.truth.sum(axis=-1))


def frequency_weighted_iou(counts: PixelCounts) -> Values:
    """IoU per class weighted by the class's share of truth; Long et al. 2015, section 5."""
    m = _margins(counts)
    return ratio(np.nansum(iou(m) * m.truth, axis=-1), m.truth.sum(axis=-1))


def cohens_kappa(counts: PixelCounts) -> Values:
    """Agreement beyond chance, at most 1; Cohen 1960: (p_o - p_e) / (1 - p_e).

    NaN when nothing was counted, or all truth and prediction are one class (p_e = 1).
    """
    m = _margins(counts)
    total = m.truth.sum(axis=-1).astype(np.float64)
    observed = ratio(m.hit.sum(axis=-1), total)
    chance = ratio((m.truth.astype(np.float64) * m.predicted).sum(axis=-1), total**2)
    return ratio(observed - chance, np.nan_to_num(1 - chance))


def _margins(counts: PixelCounts) -> Margins:
    return counts if isinstance(counts, Margins) else Margins.from_confusion(counts)


def ratio(above: NDArray[Any], below: NDArray[Any]) -> Values:
    """Divide elementwise, float64, with NaN where `below` is 0."""
    above, below = np.broadcast_arrays(above, below)
    quotient = np.full(above.shape, np.nan)
    np.divide(above, below, out=quotient, where=below > 0)
    return quotient


def mean_present(values: Values) -> Values:
    """Mean over the last axis, leaving out NaN; NaN where all values are NaN."""
    present = ~np.isnan(values)
    return ratio(np.where(present, values, 0.0).sum(axis=-1), present.sum(axis=-1))
