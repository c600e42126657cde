"""Judging: what a class map counts against the one that it should be, and scores of sums.

A pixel that the annotator left unlabelled is an error where the truth has a class: it counts as
one more class, which the truth never has. Pixels within the tolerance of borders of the truth
count nothing in the IoU, so that nobody is judged by one pixel of a border.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.confusion import Confusion
from ..core.labels import IGNORE, LabelMap
from ..core.scores import mean_present, ratio
from ..evaluation.intervals import compute_ends, effective_groups, jackknife_variance
from ..measurement.figures.finite import finite_or_none
from ..metrics import boundary, objects
from ..metrics.boundary import BoundaryTolerance

Counts = Mapping[str, NDArray[Any]]

_SMALL_BINS = 3
"""Objects under 256 pixels are small; `metrics.objects` has the bins."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A score with both ends of its interval; None where it does not exist."""

    value: float | None
    low: float | None
    high: float | None

    def to_json(self) -> dict[str, float | None]:
        """As JSON."""
        return {"value": self.value, "low": self.low, "high": self.high}


def count_errors(
    truth_HW: LabelMap, labels_HW: LabelMap, num_classes: int, tolerance_px: int
) -> dict[str, NDArray[np.int64]]:
    """Count one map: its confusion (C, C + 1), boundaries (C,), and objects by size (C, 6)."""
    labels_HW = np.where(labels_HW == IGNORE, num_classes, labels_HW).astype(np.uint8)
    counted = num_classes + 1
    inner_HW = np.where(_find_band(truth_HW, tolerance_px), IGNORE, truth_HW)
    confusion = Confusion.from_labels(inner_HW.astype(np.uint8), labels_HW, counted)
    tolerance = BoundaryTolerance(tolerance_px, "px")
    edges = boundary.count(truth_HW, labels_HW, counted, tolerance=tolerance)
    found = objects.count(truth_HW, labels_HW, counted)
    return {
        "confusion": confusion.counts_CC[:num_classes],
        **{
            name: edges[f"boundary_{name}"][:num_classes]
            for name in ("truth", "truth_near", "predicted", "predicted_near")
        },
        **{name: found[name][:num_classes] for name in ("objects_truth", "objects_found")},
    }


def find_errors(truth_HW: LabelMap, labels_HW: LabelMap) -> NDArray[np.bool_]:
    """The pixels that differ where the truth has a class, (H, W)."""
    wrong_HW: NDArray[np.bool_] = (truth_HW != labels_HW) & (truth_HW != IGNORE)
    return wrong_HW


def score_sums(counts: Sequence[Counts]) -> dict[str, object]:
    """Scores of the sum of several counts; values are None where they do not exist."""
    sums = {name: np.sum([c[name] for c in counts], axis=0) for name in counts[0]}
    iou_C = _iou(sums["confusion"])
    precision = ratio(sums["predicted_near"], sums["predicted"])
    recall = ratio(sums["truth_near"], sums["truth"])
    small = sums["objects_truth"][:, :_SMALL_BINS].sum()
    small_found = sums["objects_found"][:, :_SMALL_BINS].sum()
    return {
        "num": len(counts),
        "iou": estimate_iou(counts).to_json(),
        "iou_by_class": [finite_or_none(v) for v in iou_C],
        "boundary_f1": finite_or_none(
            float(mean_present(ratio(2 * precision * recall, precision + recall)))
        ),
        "small_objects": int(small),
        "small_object_recall": float(small_found / small) if small else None,
    }


def estimate_iou(counts: Sequence[Counts]) -> Estimate:
    """The mean IoU over classes with its interval: the jackknife over images.

    Where all images are equally right, or there is one image, the ends are None.
    """
    stack = np.stack([c["confusion"] for c in counts]).astype(np.float64)
    value = np.asarray(mean_present(_iou(stack.sum(axis=0))))
    if len(counts) < 2 or np.isnan(value):
        return Estimate(finite_or_none(float(value)), None, None)
    without_G = np.asarray(mean_present(_iou(stack.sum(axis=0) - stack)))
    freedom = np.asarray(effective_groups(stack.sum(axis=(1, 2))) - 1)
    variance = np.asarray(jackknife_variance(without_G))
    low, high = map(float, compute_ends(value, variance, freedom, scale="logit"))
    return Estimate(float(value), finite_or_none(low), finite_or_none(high))


def _iou(confusion: NDArray[Any]) -> NDArray[np.float64]:
    """(..., C, C + 1) -> (..., C); NaN for classes that neither map has."""
    num_classes = confusion.shape[-2]
    hit = np.diagonal(confusion[..., :num_classes], axis1=-2, axis2=-1)
    either = confusion.sum(axis=-1) + confusion[..., :num_classes].sum(axis=-2) - hit
    return np.asarray(ratio(hit, either))


def _find_band(truth_HW: LabelMap, reach_px: int) -> NDArray[np.bool_]:
    """Up to `reach_px` pixels on both sides of each border between two values."""
    border_HW = np.zeros(truth_HW.shape, np.uint8)
    differs_Hw, differs_hW = truth_HW[:, 1:] != truth_HW[:, :-1], truth_HW[1:] != truth_HW[:-1]
    border_HW[:, 1:] |= differs_Hw
    border_HW[:, :-1] |= differs_Hw
    border_HW[1:] |= differs_hW
    border_HW[:-1] |= differs_hW
    size = 2 * reach_px - 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return cv2.dilate(border_HW, disc).astype(np.bool_)
