"""Where a report came from and how its scores were made: the typed pieces of report.json.

Each piece has `to_json` and `from_json`. A missing key is read as its default, since scores can
be read without knowing where they came from.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Self

from .versioned import Document

JsonObject = Mapping[str, object]
"""A JSON object whose keys are defined elsewhere, such as an architecture's settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """The evaluated model: its id, the engine that ran it and at which precision, its card."""

    id: str = ""
    engine: str = ""
    precision: str = "fp32"
    arch: JsonObject = field(default_factory=dict)
    input: JsonObject = field(default_factory=dict)
    training: JsonObject = field(default_factory=dict)

    @classmethod
    def from_json(cls, document: Document) -> Self:
        """Undo `asdict`."""
        return cls(**_known(document, "id", "engine", "precision", "arch", "input", "training"))


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource:
    """The scored data: name, images per split, and fingerprints of the labels and the files.

    `fingerprint` is None where single files were scored, which belong to no Dataset.
    """

    name: str = "predictions"
    splits: Mapping[str, int] = field(default_factory=dict)
    labels_fingerprint: str = ""
    fingerprint: str | None = None

    def to_json(self) -> Document:
        """The JSON object; no key for a fingerprint that is None."""
        files = {} if self.fingerprint is None else {"fingerprint": self.fingerprint}
        return {
            "name": self.name,
            "splits": dict(self.splits),
            **files,
            "labels_fingerprint": self.labels_fingerprint,
        }

    @classmethod
    def from_json(cls, document: Document) -> Self:
        """Undo `to_json`."""
        keys = ("name", "splits", "labels_fingerprint", "fingerprint")
        return cls(**_known(document, *keys))


@dataclass(frozen=True, slots=True, kw_only=True)
class MapsSource:
    """Two folders of class maps: paths as given to `score`, from its working directory.

    `raw` says that predictions hold raw values; `spec` is the file of classes that was given.
    """

    predictions: str
    truth: str
    raw: bool = False
    spec: str | None = None

    def to_json(self) -> Document:
        """The keys `predictions` and `truth` of a provenance."""
        return {
            "predictions": {"root": self.predictions, "raw": self.raw},
            "truth": {"root": self.truth, "spec": self.spec},
        }

    @classmethod
    def from_json(cls, document: Document) -> Self:
        """Undo `to_json`."""
        predictions, truth = document["predictions"], document["truth"]
        return cls(
            predictions=predictions["root"],
            truth=truth["root"],
            raw=bool(predictions.get("raw", False)),
            spec=truth.get("spec"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a report came from. `evaluate` names the model, `score` the folders of maps."""

    data: DataSource = field(default_factory=DataSource)
    versions: Mapping[str, str] = field(default_factory=dict)
    model: ModelSource | None = None
    maps: MapsSource | None = None

    def to_json(self) -> Document:
        """`model` and `seed`, or `predictions` and `truth`; `data` and `versions`."""
        document: Document = {"data": self.data.to_json()}
        if self.model is not None:
            seed = self.model.training.get("seed")
            document = {"model": asdict(self.model), **document, "seed": seed}
        if self.maps is not None:
            document |= self.maps.to_json()
        return document | {"versions": dict(self.versions)}

    @classmethod
    def from_json(cls, document: Document) -> Self:
        """Undo `to_json`."""
        is_scored = "predictions" in document and "truth" in document
        return cls(
            data=DataSource.from_json(document.get("data", {})),
            versions=dict(document.get("versions", {})),
            model=ModelSource.from_json(document["model"]) if "model" in document else None,
            maps=MapsSource.from_json(document) if is_scored else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreSettings:
    """What was counted, and with which settings.

    `families` are the metric families in the order of the report, `of_families` their settings
    by key (`boundary_tolerance`, `surface`). Reports of a model have its softmax `temperature`
    and, where refiners were used, their chain as `refine`; `ensemble` has the members and views
    of an ensemble. `decide` is the rule for verdicts (`core.verdict`) by which the class maps
    were made, None without one. `tiling` says which images were cut into tiles.
    """

    families: tuple[str, ...] = ()
    of_families: JsonObject = field(default_factory=dict)
    temperature: float | None = None
    refine: JsonObject | None = None
    ensemble: JsonObject | None = None
    decide: JsonObject | None = None
    tiling: JsonObject | None = None

    def to_json(self) -> Document:
        """One object; no key for what is None."""
        model = {
            "temperature": self.temperature,
            "refine": self.refine,
            "ensemble": self.ensemble,
            "decide": self.decide,
            "tiling": self.tiling,
        }
        return {
            "families": list(self.families),
            **self.of_families,
            **{name: value for name, value in model.items() if value is not None},
        }

    @classmethod
    def from_json(cls, document: Document) -> Self:
        """Undo `to_json`; keys that are not fields here belong to a family."""
        own = ("families", "temperature", "refine", "ensemble", "decide", "tiling")
        return cls(
            families=tuple(document.get("families", ())),
            of_families={key: value for key, value in document.items() if key not in own},
            temperature=document.get("temperature"),
            refine=document.get("refine"),
            ensemble=document.get("ensemble"),
            decide=document.get("decide"),
            tiling=document.get("tiling"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncertainty:
    """How the intervals of a report were made; with too few groups there are none."""

    method: str
    level: float
    groups: int
    enough_groups: bool

    @classmethod
    def from_json(cls, document: Document) -> Self | None:
        """Undo `asdict`; None where the object is empty."""
        if not document:
            return None
        return cls(**{name: document[name] for name in cls.__slots__})


def _known(document: Document, *keys: str) -> Document:
    return {key: document[key] for key in keys if key in document}
