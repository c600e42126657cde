"""Scores and pictures of single images, patients and volumes, for a report."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from .versioned import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientScores:
    """The scores of one patient by class and by name of the score.

    A score that does not exist is NaN. `volumes` names the volumes of the patient.
    """

    patient: str
    volumes: tuple[str, ...]
    classes: Mapping[str, Mapping[str, float]]

    def to_json(self) -> dict[str, object]:
        """A JSON object with None for NaN; `from_json` undoes it."""
        classes = {
            name: {key: None if math.isnan(value) else value for key, value in scores.items()}
            for name, scores in self.classes.items()
        }
        return {"patient": self.patient, "volumes": list(self.volumes), "classes": classes}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Undo `to_json`."""
        classes = {
            name: {k: math.nan if v is None else float(v) for k, v in scores.items()}
            for name, scores in document["classes"].items()
        }
        return cls(
            patient=document["patient"], volumes=tuple(document["volumes"]), classes=classes
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VolumePictures:
    """Some slices of one volume, each as encoded image files by panel; not part of any JSON.

    `slices` are by their index in the volume of `num_slices`; `notes` has a line on each.
    """

    volume: str
    patient: str
    num_slices: int
    slices: Mapping[int, Mapping[str, bytes]]
    notes: Mapping[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageScore:
    """One of the worst or best images, with its own mIoU."""

    rank: Literal["worst", "best"]
    key: str
    miou: float

    @classmethod
    def from_json(cls, document: Document) -> Self:
        """Undo `asdict`."""
        return cls(**{name: document[name] for name in cls.__slots__})
