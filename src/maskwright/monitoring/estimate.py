"""Estimate mIoU without labels, from what a model thinks of its own class maps.

Each method gives a number that falls when the images get harder:

* `soft`: the mean IoU of the soft confusion, as if each share were the chance of its class
  (confidence-based estimation, carried to pixels).
* `atc`: average thresholded confidence (Garg et al. 2022): of each predicted class, the share
  of pixels above the confidence below which as many lie on validation as were wrong; it takes
  the place of the hits in the soft confusion.
* `doc`: mean confidence (difference of confidences, Guillory et al. 2021).
* `dice`: mean soft Dice confidence of the images.

The estimate is the mIoU of validation, less a slope times the fall of that number; the slope is
fitted on corrupted validation images. The interval is a cross-conformal one, CV+ (Barber et al.
2021): the images are cut into blocks of neighbours, and a line that was fitted without a block
and without a kind of corruption is judged by both. So it has the error of an unknown change,
that of other images, and that of the fit. Where the mean confidence lies outside of all that
was seen, nothing is said.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ..core.confusion import Confusion
from ..core.errors import DataError
from ..core.scores import Margins, mean_iou, ratio
from ..core.typed import MALFORMED
from ..core.versioned import Document, Schema
from .softcounts import SoftCounts, measure_soft_dice, measure_soft_iou

Values = NDArray[np.float64]
Method = Literal["soft", "atc", "doc", "dice"]
METHODS: tuple[Method, ...] = ("soft", "atc", "doc", "dice")

COVERAGE = 0.9
BLOCKS = 4
"""Blocks of neighbouring images, each left out in turn for the interval."""

_LEAST_GROUPS, _LEAST_KINDS = 10, 3
MARGIN = 0.02
"""How far the mean confidence may lie outside of what was seen."""

SCHEMA = Schema(kind="estimator of mIoU", version=1)


@dataclass(frozen=True, slots=True, eq=False)
class LabelledGroup:
    """Images of one condition in their order: soft counts, and the confusion with the truth."""

    images: tuple[SoftCounts, ...]
    confusions: tuple[Confusion, ...]

    @property
    def counts(self) -> SoftCounts:
        """Of all images."""
        return add_counts(self.images)

    @property
    def confusion(self) -> Confusion:
        """Of all images."""
        first, *rest = self.confusions
        return sum(rest, start=first)

    def select(self, indices: Sequence[int]) -> "LabelledGroup":
        """Some of the images."""
        return LabelledGroup(
            tuple(self.images[k] for k in indices), tuple(self.confusions[k] for k in indices)
        )


Corrupted = Mapping[str, Sequence[LabelledGroup]]
"""Groups of each kind of corruption."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Estimated mIoU in [0, 1] with its interval; None where the images are too unlike."""

    miou: float | None
    interval: tuple[float, float] | None
    confidence: float


class _Line(NamedTuple):
    """The mIoU and the number of a method on plain images, and the slope from there."""

    miou: float
    level: float
    slope: float

    def estimate(self, number: float) -> float:
        return min(1.0, max(0.0, self.miou - self.slope * (self.level - number)))


class _Fold(NamedTuple):
    """What was fitted without one block: a line without each kind, and its errors there.

    Both of each method; the errors are those of the groups of the kind in the block.
    """

    thresholds_C: Values
    lines: Mapping[Method, Sequence[_Line]]
    errors: Mapping[Method, Sequence[Sequence[float]]]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Estimator:
    """Fitted on labelled validation images, plain and corrupted.

    `thresholds_C` are those of `atc`, `lines` those of each method, and `range` has the mean
    confidences that were seen. `folds` give the intervals, for groups of `group_images`
    independent images or more.
    """

    thresholds_C: Values
    lines: Mapping[Method, _Line]
    range: tuple[float, float]
    folds: Sequence[_Fold]
    group_images: int

    @classmethod
    def fit(cls, plain: LabelledGroup, corrupted: Corrupted) -> Self:
        """Fit on validation images, and on corrupted copies of all of them by kind.

        Raises:
            DataError: There are too few images, corrupted groups or kinds for an interval, or
                a group has other images.
        """
        _require_enough(plain, corrupted)
        groups = [one for each in corrupted.values() for one in each]
        confidences = [one.counts.confidence for one in (plain, *groups)]
        thresholds_C = find_thresholds(plain)
        blocks = np.array_split(np.arange(len(plain.images)), BLOCKS)
        return cls(
            thresholds_C=thresholds_C,
            lines={
                m: _measure_points(plain, groups, m, thresholds_C).fit_line() for m in METHODS
            },
            range=(min(confidences) - MARGIN, max(confidences) + MARGIN),
            folds=[_fit_fold(plain, corrupted, block.tolist()) for block in blocks],
            group_images=min(map(len, blocks)),
        )

    def estimate(self, images: Sequence[SoftCounts], method: Method = "soft") -> Estimate:
        """The mIoU of images that belong together."""
        confidence = add_counts(images).confidence
        return self._estimate(
            method, confidence, lambda thresholds_C: measure(images, method, thresholds_C)
        )

    def estimate_margins(self, margins: Margins) -> Estimate:
        """The same by the method `soft` from expected hits, truth and predicted pixels."""
        confidence = ratio(margins.hit.sum(), margins.predicted.sum()).item()
        number = measure_soft_iou(margins)
        return self._estimate("soft", confidence, lambda _: number)

    def _estimate(
        self, method: Method, confidence: float, measure_by: Callable[[Values], float]
    ) -> Estimate:
        if not self.range[0] <= confidence <= self.range[1]:
            return Estimate(miou=None, interval=None, confidence=confidence)
        found = self.lines[method].estimate(measure_by(self.thresholds_C))
        lows, highs = [], []
        for fold in self.folds:
            number = measure_by(fold.thresholds_C)
            for line, errors in zip(fold.lines[method], fold.errors[method], strict=True):
                center = line.estimate(number)
                lows += [center - error for error in errors]
                highs += [center + error for error in errors]
        rank = min(len(lows), math.ceil((len(lows) + 1) * COVERAGE))
        low, high = sorted(lows)[-rank], sorted(highs)[rank - 1]
        interval = (max(0.0, min(low, found)), min(1.0, max(high, found)))
        return Estimate(miou=found, interval=interval, confidence=confidence)

    def to_json(self) -> Document:
        """A document; `from_json` undoes it."""
        return SCHEMA.stamp(
            {
                "thresholds": self.thresholds_C.tolist(),
                "lines": self.lines,
                "range": list(self.range),
                "group_images": self.group_images,
                "folds": [
                    {
                        "thresholds": one.thresholds_C.tolist(),
                        "lines": one.lines,
                        "errors": one.errors,
                    }
                    for one in self.folds
                ],
            }
        )

    @classmethod
    def from_json(cls, document: object, *, where: str) -> Self:
        """Undo `to_json`.

        Raises:
            DataError: Not an estimator, or one of a newer version.
        """
        try:
            read = SCHEMA.read(document, where=where)
            low, high = map(float, read["range"])
            return cls(
                thresholds_C=np.array(read["thresholds"], float),
                lines={m: _Line(*map(float, read["lines"][m])) for m in METHODS},
                range=(low, high),
                group_images=int(read["group_images"]),
                folds=[
                    _Fold(
                        np.array(fold["thresholds"], float),
                        {m: [_Line(*line) for line in fold["lines"][m]] for m in METHODS},
                        {m: fold["errors"][m] for m in METHODS},
                    )
                    for fold in read["folds"]
                ],
            )
        except MALFORMED as error:
            raise DataError(f"{where}: not an estimator of mIoU ({error!r})") from error


def measure(images: Sequence[SoftCounts], method: Method, thresholds_C: Values) -> float:
    """The number of a method, in [0, 1]."""
    counts = add_counts(images)
    if method == "dice":
        return float(np.nanmean([measure_soft_dice(each) for each in images]))
    if method == "doc":
        return counts.confidence
    if method == "soft":
        return measure_soft_iou(counts.margins)
    return measure_soft_iou(Margins.from_counts(_replace_hits(counts, thresholds_C)))


def _require_enough(plain: LabelledGroup, corrupted: Corrupted) -> None:
    groups = [one for each in corrupted.values() for one in each]
    if len(groups) < _LEAST_GROUPS or len(corrupted) < _LEAST_KINDS:
        raise DataError(
            f"{len(groups)} corrupted groups of {len(corrupted)} kinds; an interval of "
            f"{COVERAGE:.0%} needs {_LEAST_GROUPS} of {_LEAST_KINDS}: corrupt the "
            f"validation images by more kinds"
        )
    if len(plain.images) < BLOCKS:
        raise DataError(
            f"{len(plain.images)} labelled images; an interval needs {BLOCKS} or more"
        )
    if any(len(one.images) != len(plain.images) for one in groups):
        raise DataError("a corrupted group has other images than the plain one")


class _Points(NamedTuple):
    """The numbers of one method: of plain images, and falls and losses of corrupted groups."""

    miou: float
    level: float
    falls_G: Values
    losses_G: Values

    def fit_line(self, chosen_G: NDArray[np.bool_] | slice = slice(None)) -> _Line:
        """The line from the plain images that is nearest to the chosen groups."""
        falls_g, losses_g = self.falls_G[chosen_G], self.losses_G[chosen_G]
        slope = float(falls_g @ losses_g / max(float(falls_g @ falls_g), 1e-12))
        return _Line(self.miou, self.level, slope)


def _measure_points(
    plain: LabelledGroup, groups: Sequence[LabelledGroup], method: Method, thresholds_C: Values
) -> _Points:
    miou, level = float(mean_iou(plain.confusion)), measure(plain.images, method, thresholds_C)
    falls = [level - measure(one.images, method, thresholds_C) for one in groups]
    losses = [miou - float(mean_iou(one.confusion)) for one in groups]
    return _Points(miou, level, np.array(falls), np.array(losses))


def _fit_fold(plain: LabelledGroup, corrupted: Corrupted, block: Sequence[int]) -> _Fold:
    """Fit without the images of a block, and measure the errors on it."""
    rest = [k for k in range(len(plain.images)) if k not in set(block)]
    inside = plain.select(rest)
    thresholds_C = find_thresholds(inside)
    groups = [one for each in corrupted.values() for one in each]
    kind_G = np.repeat(np.arange(len(corrupted)), [len(each) for each in corrupted.values()])
    lines: dict[Method, list[_Line]] = {}
    errors: dict[Method, list[list[float]]] = {}
    for method in METHODS:
        known = _measure_points(inside, [g.select(rest) for g in groups], method, thresholds_C)
        judged = [
            (measure(one.images, method, thresholds_C), float(mean_iou(one.confusion)))
            for one in (group.select(block) for group in groups)
        ]
        lines[method] = [known.fit_line(kind_G != kind) for kind in range(len(corrupted))]
        errors[method] = [
            [
                abs(line.estimate(number) - miou)
                for (number, miou), of in zip(judged, kind_G.tolist(), strict=True)
                if of == kind
            ]
            for kind, line in enumerate(lines[method])
        ]
    return _Fold(thresholds_C, lines, errors)


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
