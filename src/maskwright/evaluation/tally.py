"""Sum counted images one after the other and make the Report; memory does not grow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.confusion import Confusion
from ..core.labels import LabelSpec
from ..core.provenance import Provenance, ScoreSettings
from ..core.report import CurveReport, Estimate, ImageScore, Report, Slice
from ..core.scores import Values
from ..metrics.counts import Curve, Scores
from .bootstrap import (
    MIN_GROUPS,
    SEED,
    Replicates,
    compute_intervals,
    describe_uncertainty,
    draw_weights,
)
from .counting import Counted, Scoring
from .imagetable import NAME, ImageTable
from .slices import Slices, slice_by_distance, sort_worst_first


@dataclass(slots=True)
class Tally:
    """Sums over images, with bootstrap replicates and slices; `scoring` scores the sums."""

    labels: LabelSpec
    scoring: Scoring
    _confusion: Confusion = field(init=False)
    _sums: dict[str, NDArray[Any]] = field(default_factory=dict)
    _replicates: Replicates = field(default_factory=Replicates)
    _groups: set[str] = field(default_factory=set)
    _num_images: int = 0
    _slices: Slices = field(init=False)
    _table: ImageTable = field(init=False)

    def __post_init__(self) -> None:
        self._confusion = Confusion.zero(len(self.labels))
        self._slices = Slices(self.labels)
        self._table = ImageTable(self.labels)

    def add(self, image: Counted) -> None:
        """Add one image; the order of images does not change any number but float rounding."""
        weights_B = draw_weights(image.group, seed=SEED)
        self._confusion += image.confusion
        sums = self._sums
        self._sums = {n: sums[n] + a if n in sums else +a for n, a in image.counts.items()}
        self._replicates.add(image.counts, weights_B)
        self._groups.add(image.group)
        self._num_images += 1
        self._slices.add(image.attributes, image.counts, image.group, weights_B)
        self._table.add(image.key, image.group, image.counts)

    def report(
        self,
        *,
        provenance: Provenance,
        settings: ScoreSettings,
        ranked: Mapping[ImageScore, Mapping[str, bytes]],
    ) -> Report:
        """The Report of all images added so far; `ranked` is what `Extremes.ranked` gives."""
        families = self._estimate()
        curves = {n: c for family in families for n, c in family.curves.items()}
        return Report(
            labels=self.labels,
            confusion=self._confusion,
            provenance=provenance,
            scores={name: e for family in families for name, e in family.overall.items()},
            classes=tuple(
                {name: e[index] for family in families for name, e in family.classes.items()}
                for index in range(len(self.labels))
            ),
            curves=curves,
            class_curves={n: c for family in families for n, c in family.class_curves.items()},
            slices=sort_worst_first(self._all_slices(curves)),
            settings=settings,
            uncertainty=describe_uncertainty(len(self._groups)),
            images=tuple(ranked),
            pictures={image.key: panels for image, panels in ranked.items()},
            attachments={NAME: self._table},
        )

    def _all_slices(self, curves: Mapping[str, CurveReport]) -> list[Slice]:
        """Slices of images by their attributes, and of pixels by their distance to a border."""
        slices = self._slices.slices()
        if "distance_miou" in curves:
            curve = curves["distance_miou"]
            slices += slice_by_distance(self._sums, self.labels, curve, self._num_images)
        return slices

    def _estimate(self) -> list["_Estimated"]:
        """The scores of each family with their intervals."""
        values = self.scoring.scores(self._sums)
        if len(self._groups) < MIN_GROUPS:
            return [_Estimated.from_scores(value, None) for value in values]
        drawn = self.scoring.scores(self._replicates.sums())
        return [_Estimated.from_scores(*both) for both in zip(values, drawn, strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Estimated:
    """The scores of one family, each with its interval."""

    overall: dict[str, Estimate]
    classes: dict[str, list[Estimate]]
    curves: dict[str, CurveReport]
    class_curves: dict[str, tuple[CurveReport, ...]]

    @classmethod
    def from_scores(cls, value: Scores, drawn: Scores | None) -> "_Estimated":
        return cls(
            overall={
                n: _estimates(v, None if drawn is None else drawn.overall[n])[0]
                for n, v in value.overall.items()
            },
            classes={
                n: _estimates(v, None if drawn is None else drawn.classes[n])
                for n, v in value.classes.items()
            },
            curves={
                n: _curves(c, None if drawn is None else drawn.curves[n])[0]
                for n, c in value.curves.items()
            },
            class_curves={
                n: _curves(c, None if drawn is None else drawn.class_curves[n])
                for n, c in value.class_curves.items()
            },
        )


def _estimates(value: Values, drawn_B: Values | None) -> list[Estimate]:
    """One Estimate per number of `value`, in flat order."""
    flat = np.ravel(value)
    ends = np.full((2, flat.size), np.nan)
    if drawn_B is not None:
        ends = compute_intervals(drawn_B).reshape(2, -1)
    return [
        Estimate(v, low, high)
        for v, low, high in zip(flat.tolist(), *ends.tolist(), strict=True)
    ]


def _curves(value: Curve, drawn: Curve | None) -> tuple[CurveReport, ...]:
    """One curve per row of `value`: one for (n,), C for (C, n)."""
    points = _estimates(value.values, None if drawn is None else drawn.values)
    step = len(value.at)
    return tuple(
        CurveReport(axis=value.axis, at=value.at, points=tuple(points[start : start + step]))
        for start in range(0, len(points), step)
    )
