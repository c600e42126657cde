"""Report: a Confusion, the scores derived from it, and where both came from; versioned JSON."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import scores
from .confusion import Confusion
from .errors import DataError
from .labels import LabelSpec

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Report:
    """The scores of one model on one split, at source resolution.

    `images` holds the best and worst images, each a JSON object with `key`, `miou` and `rank`.
    `pictures` shows them: encoded image files by key and panel, for report.html; they are not
    part of the JSON.
    """

    labels: LabelSpec
    confusion: Confusion
    provenance: dict[str, Any]
    images: tuple[dict[str, Any], ...] = field(default_factory=tuple)
    pictures: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)

    @property
    def miou(self) -> float:
        """Mean IoU over the set: from one Confusion, not averaged over images."""
        return scores.mean_iou(self.confusion)

    def classes(self) -> list[dict[str, Any]]:
        """One object a class: name, color, its scores and pixel counts; None stands for NaN."""
        columns = {
            "iou": scores.iou(self.confusion),
            "precision": scores.precision(self.confusion),
            "recall": scores.recall(self.confusion),
            "dice": scores.dice(self.confusion),
        }
        counts_CC = self.confusion.counts_CC
        return [
            {"name": c.name, "color": list(c.color)}
            | {name: _number(column[i]) for name, column in columns.items()}
            | {
                "truth_px": int(counts_CC[i].sum()),
                "predicted_px": int(counts_CC[:, i].sum()),
            }
            for i, c in enumerate(self.labels)
        ]

    def to_json(self) -> dict[str, Any]:
        """report.json: scores, classes, confusion, provenance; None stands for NaN."""
        iou_C = scores.iou(self.confusion)
        absent = [c.name for c, v in zip(self.labels, iou_C, strict=True) if np.isnan(v)]
        return {
            "schema_version": SCHEMA_VERSION,
            "scores": {
                "miou": _number(self.miou),
                "pixel_accuracy": _number(scores.pixel_accuracy(self.confusion)),
                "frequency_weighted_iou": _number(
                    scores.frequency_weighted_iou(self.confusion)
                ),
                "mean_dice": _number(_mean(scores.dice(self.confusion))),
                "mean_precision": _number(_mean(scores.precision(self.confusion))),
                "mean_recall": _number(_mean(scores.recall(self.confusion))),
            },
            "absent_rule": scores.ABSENT_RULE,
            "absent_classes": absent,
            "classes": self.classes(),
            "labels": self.labels.to_json(),
            "confusion": self.confusion.counts_CC.tolist(),
            "images": list(self.images),
            "provenance": self.provenance,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any], *, where: str) -> "Report":
        """Read a report; the scores are derived again from the counts.

        Raises:
            DataError: Not a report of this schema version.
        """
        try:
            _require_schema(document["schema_version"])
            return cls(
                labels=LabelSpec.from_json(document["labels"]),
                confusion=Confusion(np.array(document["confusion"], np.int64)),
                provenance=dict(document["provenance"]),
                images=tuple(document["images"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{where}: not a report of schema {SCHEMA_VERSION} ({error}); "
                f"run `maskwright evaluate` again"
            ) from error


def _require_schema(version: Any) -> None:
    if version != SCHEMA_VERSION:
        raise ValueError(f"schema {version}")


def _mean(values_C: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    present_C = ~np.isnan(values_C)
    return float(values_C[present_C].mean()) if present_C.any() else float("nan")


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
