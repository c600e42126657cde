"""Report: a Confusion, the scores derived from the same pixels, and where both came from.

Versioned JSON; None stands for NaN. Each number has its 95 % interval where there are groups
enough to resample.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from . import scores
from .confusion import Confusion
from .errors import DataError
from .labels import LabelSpec

SCHEMA_VERSION = 2


@dataclass(frozen=True, slots=True)
class Estimate:
    """One number and the ends of its interval; NaN where one does not exist."""

    value: float
    low: float = math.nan
    high: float = math.nan

    @property
    def interval(self) -> list[float] | None:
        """[low, high], or None."""
        return None if math.isnan(self.low) else [self.low, self.high]

    @classmethod
    def from_json(cls, value: float | None, interval: list[float] | None) -> Self:
        """Undo `number(value)` and `interval`."""
        low, high = interval or (math.nan, math.nan)
        return cls(math.nan if value is None else float(value), float(low), float(high))


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveReport:
    """Numbers along an axis; `axis` names it with its unit."""

    axis: str
    at: tuple[float | str, ...]
    points: tuple[Estimate, ...]

    def to_json(self) -> dict[str, Any]:
        """`axis`, `at`, `values`, `intervals`."""
        return {
            "axis": self.axis,
            "at": list(self.at),
            "values": [number(p.value) for p in self.points],
            "intervals": [p.interval for p in self.points],
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Undo `to_json`."""
        pairs = zip(document["values"], document["intervals"], strict=True)
        return cls(
            axis=document["axis"],
            at=tuple(document["at"]),
            points=tuple(Estimate.from_json(value, interval) for value, interval in pairs),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Report:
    """The scores of one model, or one folder of predictions, on one set of images.

    `classes` has the scores of each class in order of index. `slices` are parts of the set, the
    worst first. `settings` says what was counted and with which tolerance, `uncertainty` how
    the intervals came about. `images` holds the best and worst images, each a JSON object with
    `key`, `miou` and `rank`; `pictures` shows them: encoded image files by key and panel, for
    report.html. `attachments` are the contents of other files, by name. The last two are not
    part of the JSON.
    """

    labels: LabelSpec
    confusion: Confusion
    provenance: dict[str, Any]
    scores: Mapping[str, Estimate]
    classes: tuple[Mapping[str, Estimate], ...]
    curves: Mapping[str, CurveReport] = field(default_factory=dict)
    class_curves: Mapping[str, tuple[CurveReport, ...]] = field(default_factory=dict)
    slices: tuple[dict[str, Any], ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    uncertainty: Mapping[str, Any] = field(default_factory=dict)
    images: tuple[dict[str, Any], ...] = ()
    pictures: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    attachments: Mapping[str, Iterable[bytes]] = field(default_factory=dict)

    @property
    def miou(self) -> float:
        """Mean IoU over the set: from one Confusion, not averaged over images."""
        return self.scores["miou"].value

    def to_json(self) -> dict[str, Any]:
        """report.json: scores with intervals, classes, curves, slices, provenance."""
        return {
            "schema_version": SCHEMA_VERSION,
            "scores": {name: number(e.value) for name, e in self.scores.items()},
            "intervals": {name: e.interval for name, e in self.scores.items()},
            "uncertainty": dict(self.uncertainty),
            "settings": dict(self.settings),
            "absent_rule": scores.ABSENT_RULE,
            "absent_classes": [
                name
                for name, margin in zip(self.labels.names, self._pixels(), strict=True)
                if not sum(margin)
            ],
            "classes": [self._class_json(index) for index in range(len(self.labels))],
            "curves": {name: curve.to_json() for name, curve in self.curves.items()},
            "class_curves": {
                name: _by_class(curves, self.labels)
                for name, curves in self.class_curves.items()
            },
            "slices": list(self.slices),
            "labels": self.labels.to_json(),
            "confusion": self.confusion.counts_CC.tolist(),
            "images": list(self.images),
            "provenance": self.provenance,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any], *, where: str) -> "Report":
        """Read a report.

        Raises:
            DataError: Not a report of this schema version.
        """
        try:
            _require_schema(document["schema_version"])
            return cls._read(document)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(
                f"{where}: not a report of schema {SCHEMA_VERSION} ({error}); "
                f"run `maskwright evaluate` or `maskwright score` again"
            ) from error

    @classmethod
    def _read(cls, document: dict[str, Any]) -> Self:
        labels = LabelSpec.from_json(document["labels"])
        return cls(
            labels=labels,
            confusion=Confusion(np.array(document["confusion"], np.int64)),
            provenance=dict(document["provenance"]),
            scores={
                name: Estimate.from_json(value, document["intervals"][name])
                for name, value in document["scores"].items()
            },
            classes=tuple(
                {
                    name: Estimate.from_json(entry[name], interval)
                    for name, interval in entry["intervals"].items()
                }
                for entry in document["classes"]
            ),
            curves={
                name: CurveReport.from_json(curve) for name, curve in document["curves"].items()
            },
            class_curves={
                name: _of_classes(group, labels)
                for name, group in document["class_curves"].items()
            },
            slices=tuple(document["slices"]),
            settings=dict(document["settings"]),
            uncertainty=dict(document["uncertainty"]),
            images=tuple(document["images"]),
        )

    def _pixels(self) -> list[tuple[int, int]]:
        """Pixels in truth and pixels predicted, of each class."""
        counts_CC = self.confusion.counts_CC
        return list(
            zip(counts_CC.sum(axis=1).tolist(), counts_CC.sum(axis=0).tolist(), strict=True)
        )

    def _class_json(self, index: int) -> dict[str, Any]:
        entry, found = self.labels.classes[index], self.classes[index]
        truth_px, predicted_px = self._pixels()[index]
        return {
            "name": entry.name,
            "color": list(entry.color),
            **{name: number(e.value) for name, e in found.items()},
            "truth_px": truth_px,
            "predicted_px": predicted_px,
            "intervals": {name: e.interval for name, e in found.items()},
        }


def number(value: float) -> float | None:
    """`value` for JSON, which has no NaN: None instead."""
    return None if math.isnan(value) else float(value)


def _by_class(curves: tuple[CurveReport, ...], labels: LabelSpec) -> dict[str, Any]:
    classes = {}
    for name, curve in zip(labels.names, curves, strict=True):
        document = curve.to_json()
        classes[name] = {key: document[key] for key in ("values", "intervals")}
    return {"axis": curves[0].axis, "at": list(curves[0].at), "classes": classes}


def _of_classes(document: dict[str, Any], labels: LabelSpec) -> tuple[CurveReport, ...]:
    shared = {"axis": document["axis"], "at": document["at"]}
    return tuple(
        CurveReport.from_json(shared | document["classes"][name]) for name in labels.names
    )


def _require_schema(version: Any) -> None:
    if version != SCHEMA_VERSION:
        raise ValueError(f"schema {version}")
