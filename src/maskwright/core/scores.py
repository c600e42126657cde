"""Scores as pure functions of a Confusion.

A class absent from both truth and prediction scores NaN, not 0 and not 1,
and is left out of every mean. Recall of a class absent from truth, and precision of a class
never predicted, are NaN for the same reason. State this wherever a mean is shown.
"""

import numpy as np
from numpy.typing import NDArray

from .confusion import Confusion

ABSENT_RULE = (
    "A class absent from both truth and prediction has no score (shown as –) "
    "and is left out of every mean."
)


def iou(confusion: Confusion) -> NDArray[np.float64]:
    """Intersection over union per class, shape (C,): TP / (TP + FP + FN)."""
    hit_C, truth_C, predicted_C = _margins(confusion)
    return _ratio(hit_C, truth_C + predicted_C - hit_C)


def dice(confusion: Confusion) -> NDArray[np.float64]:
    """Dice (F1) per class, shape (C,). Always 2 IoU / (1 + IoU)."""
    hit_C, truth_C, predicted_C = _margins(confusion)
    return _ratio(2 * hit_C, truth_C + predicted_C)


def precision(confusion: Confusion) -> NDArray[np.float64]:
    """TP / (TP + FP) per class, shape (C,); NaN where the class is never predicted."""
    hit_C, _, predicted_C = _margins(confusion)
    return _ratio(hit_C, predicted_C)


def recall(confusion: Confusion) -> NDArray[np.float64]:
    """TP / (TP + FN) per class, shape (C,); NaN where the class is absent from truth."""
    hit_C, truth_C, _ = _margins(confusion)
    return _ratio(hit_C, truth_C)


def mean_iou(confusion: Confusion) -> float:
    """Mean IoU over classes that occur in truth or prediction; NaN when nothing was counted."""
    iou_C = iou(confusion)
    present_C = ~np.isnan(iou_C)
    return float(iou_C[present_C].mean()) if present_C.any() else float("nan")


def pixel_accuracy(confusion: Confusion) -> float:
    """Share of counted pixels whose class is right; NaN when nothing was counted."""
    total = confusion.num_pixels
    return float(np.trace(confusion.counts_CC)) / total if total else float("nan")


def frequency_weighted_iou(confusion: Confusion) -> float:
    """IoU per class weighted by the class's share of truth; Long et al. 2015, section 5."""
    total = confusion.num_pixels
    if not total:
        return float("nan")
    _, truth_C, _ = _margins(confusion)
    return float(np.nansum(iou(confusion) * truth_C) / total)


def _margins(
    confusion: Confusion,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Right pixels, pixels in truth, pixels predicted; per class."""
    counts_CC = confusion.counts_CC
    return np.diagonal(counts_CC), counts_CC.sum(axis=1), counts_CC.sum(axis=0)


def _ratio(above: NDArray[np.int64], below: NDArray[np.int64]) -> NDArray[np.float64]:
    """Elementwise above / below with NaN where below is 0."""
    ratio = np.full(above.shape, np.nan)
    np.divide(above, below, out=ratio, where=below > 0)
    return ratio
