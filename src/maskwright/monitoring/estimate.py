"""Estimate mIoU without labels, from what a model thinks of its own class maps.

Each method gives a number that falls when the images get harder:

* `soft`: the mean IoU of the soft confusion, as if each share were the chance of its class
  (confidence-based estimation, carried to pixels).
* `atc`: average thresholded confidence (Garg et al. 2022): of each predicted class, the share
  of pixels above the confidence below which as many lie on validation as were wrong; it takes
  the place of the hits in the soft confusion.
* `doc`: mean confidence (difference of confidences, Guillory et al. 2021).
* `dice`: mean soft Dice confidence of the images.

The estimate is the mIoU of validation, less a slope times the fall of that number. The slope is
fitted on corrupted validation images, and the interval has the errors on each kind of
corruption when the slope was fitted without it. Where the mean confidence lies outside of all
that was seen there, nothing is said.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from ..core.confusion import Confusion
from ..core.errors import DataError
from ..core.scores import mean_iou
from .softcounts import SoftCounts, measure_iou, measure_soft_dice

Values = NDArray[np.float64]
Method = Literal["soft", "atc", "doc", "dice"]
METHODS: tuple[Method, ...] = ("soft", "atc", "doc", "dice")

COVERAGE = 0.9
_LEAST_GROUPS, _LEAST_KINDS = 10, 3
MARGIN = 0.02
"""How far the mean confidence may lie outside of what was seen."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledGroup:
    """Images of one condition: soft counts of each, and the confusion of all with the truth."""

    images: tuple[SoftCounts, ...]
    confusion: Confusion

    @property
    def counts(self) -> SoftCounts:
        """Of all images."""
        return add_counts(self.images)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Estimated mIoU in [0, 1] with its interval; None where the images are too unlike."""

    miou: float | None
    interval: tuple[float, float] | None
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    """One method: its number on the plain images, the slope, half the width of intervals."""

    level: float
    slope: float
    half: float


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Estimator:
    """Fitted on labelled validation images, plain and corrupted.

    `thresholds_C` are those of `atc`, `miou` is that of the plain images, and `range` has the
    mean confidences that were seen.
    """

    thresholds_C: Values
    miou: float
    range: tuple[float, float]
    fits: Mapping[Method, _Fit]

    @classmethod
    def fit(
        cls, plain: LabelledGroup, corrupted: Mapping[str, Sequence[LabelledGroup]]
    ) -> Self:
        """Fit on validation images, and on corrupted copies of them by kind.

        Raises:
            DataError: There are too few corrupted groups or kinds for an interval.
        """
        groups = [one for each in corrupted.values() for one in each]
        if len(groups) < _LEAST_GROUPS or len(corrupted) < _LEAST_KINDS:
            raise DataError(
                f"{len(groups)} corrupted groups of {len(corrupted)} kinds; an interval of "
                f"{COVERAGE:.0%} needs {_LEAST_GROUPS} of {_LEAST_KINDS}: corrupt the "
                f"validation images by more kinds"
            )
        seen = [one.counts.confidence for one in (plain, *groups)]
        thresholds_C, miou = find_thresholds(plain), float(mean_iou(plain.confusion))
        kinds = np.repeat(np.arange(len(corrupted)), [len(each) for each in corrupted.values()])
        losses = np.array([miou - float(mean_iou(one.confusion)) for one in groups])
        fits = {}
        for method in METHODS:
            level = measure(plain.images, method, thresholds_C)
            falls = np.array([level - measure(g.images, method, thresholds_C) for g in groups])
            fits[method] = _Fit(
                level=level,
                slope=_fit_slope(falls, losses),
                half=_measure_half(falls, losses, kinds),
            )
        return cls(
            thresholds_C=thresholds_C,
            miou=miou,
            range=(min(seen) - MARGIN, max(seen) + MARGIN),
            fits=fits,
        )

    def estimate(self, images: Sequence[SoftCounts], method: Method = "soft") -> Estimate:
        """The mIoU of images that belong together."""
        confidence = add_counts(images).confidence
        if not self.range[0] <= confidence <= self.range[1]:
            return Estimate(miou=None, interval=None, confidence=confidence)
        fit = self.fits[method]
        fall = fit.level - measure(images, method, self.thresholds_C)
        found = float(np.clip(self.miou - fit.slope * fall, 0, 1))
        return Estimate(
            miou=found,
            interval=(max(0.0, found - fit.half), min(1.0, found + fit.half)),
            confidence=confidence,
        )


def measure(images: Sequence[SoftCounts], method: Method, thresholds_C: Values) -> float:
    """The number of a method, in [0, 1]."""
    counts = add_counts(images)
    if method == "dice":
        return float(np.nanmean([measure_soft_dice(each) for each in images]))
    if method == "doc":
        return counts.confidence
    confusion_CC = counts.expected_CC
    if method == "atc":
        confusion_CC = _replace_hits(counts, thresholds_C)
    return float(np.nanmean(measure_iou(confusion_CC, counts.find_present())))


def _fit_slope(falls: Values, losses: Values) -> float:
    return float(falls @ losses / max(float(falls @ falls), 1e-12))


def _measure_half(falls: Values, losses: Values, kinds: NDArray[np.int64]) -> float:
    """The error that 90 % of the groups keep, each by the slope of the other kinds."""
    errors = np.empty(len(losses))
    for kind in np.unique(kinds):
        slope = _fit_slope(falls[kinds != kind], losses[kinds != kind])
        errors[kinds == kind] = np.abs(losses - slope * falls)[kinds == kind]
    rank = min(len(errors), math.ceil((len(errors) + 1) * COVERAGE))
    return float(np.sort(errors)[rank - 1])


def add_counts(images: Sequence[SoftCounts]) -> SoftCounts:
    """The sum of one or more images."""
    first, *rest = images
    return sum(rest, start=first)


def find_thresholds(plain: LabelledGroup) -> Values:
    """Of each predicted class, the confidence below which as many pixels lie as are wrong.

    In bins, (C,), with a fraction; 0 for a class that is not predicted.
    """
    counts_CC = plain.confusion.counts_CC
    wrong_C = 1 - np.divide(
        np.diagonal(counts_CC),
        counts_CC.sum(axis=0),
        out=np.ones(len(counts_CC)),
        where=counts_CC.sum(axis=0) > 0,
    )
    below_CB = np.cumsum(plain.counts.confidence_CB, axis=1)
    found = []
    for below_B, wrong in zip(below_CB, wrong_C.tolist(), strict=True):
        shares = np.concatenate([[0], below_B / max(below_B[-1], 1)])
        found.append(float(np.interp(wrong, shares, np.arange(len(shares)))) if wrong else 0.0)
    return np.array(found)


def _replace_hits(counts: SoftCounts, thresholds_C: Values) -> Values:
    """The soft confusion with the hits of `atc`; misses keep their proportions."""
    confusion_CC = counts.expected_CC.copy()
    num_bins = counts.confidence_CB.shape[1]
    edges = np.arange(num_bins + 1)
    for index, (bins_B, threshold) in enumerate(
        zip(counts.confidence_CB, thresholds_C.tolist(), strict=True)
    ):
        total = bins_B.sum()
        if not total:
            continue
        below = float(np.interp(threshold, edges, np.concatenate([[0], np.cumsum(bins_B)])))
        hits = total - below
        column_C = confusion_CC[:, index]
        missed = total - column_C[index]
        scale = below / missed if missed > 0 else 0.0
        column_C *= scale
        column_C[index] = hits
    return confusion_CC
