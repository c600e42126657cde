"""Report: a Confusion, the scores derived from the same pixels, and their provenance.

Versioned JSON; None stands for NaN. Each number has its 95 % interval where there are enough
groups to resample.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Self

import numpy as np

from . import scores
from .confusion import Confusion
from .errors import DataError, MaskwrightError, shorten
from .frame import FrameErrors
from .histogram import Intensities
from .htmltable import html_table
from .labels import LabelSpec
from .patients import ImageScore, PatientScores, VolumePictures
from .provenance import Provenance, ScoreSettings, Uncertainty
from .toldapart import ToldApart
from .typed import MALFORMED, require_types
from .versioned import Document, Schema


def _upgrade_2(document: Document) -> Document:
    """Version 2 had bootstrap intervals with `replicates`, and no groups by class."""
    uncertainty = dict(document["uncertainty"])
    if uncertainty:
        uncertainty["method"] += (
            f", {uncertainty.pop('replicates')} replicates (too narrow for few groups: score "
            f"again)"
        )
    return document | {"uncertainty": uncertainty, "interval_of": {}, "notes": []}


FILE_NAME = "report.json"
SCHEMA = Schema(kind="report", version=3, upgrades={2: _upgrade_2})
MIN_GROUPS = 5
"""A class whose truth is in fewer groups of images has no interval."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """One number and the ends of its interval; NaN where one does not exist.

    `interval_of` is the number that the interval belongs to where that is not `value`: a mean
    over fewer classes, since some are in too few groups.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    interval_of: float = math.nan

    @property
    def interval(self) -> list[float] | None:
        """[low, high], or None."""
        return None if math.isnan(self.low) else [self.low, self.high]

    @classmethod
    def from_json(
        cls,
        value: float | None,
        interval: list[float] | None,
        interval_of: float | None = None,
    ) -> Self:
        """Undo `number(value)`, `interval` and `number(interval_of)`."""
        low, high = interval or (math.nan, math.nan)
        numbers = (math.nan if v is None else float(v) for v in (value, low, high, interval_of))
        return cls(*numbers)


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveReport:
    """Numbers along an axis; `axis` names it with its unit."""

    axis: str
    at: tuple[float | str, ...]
    points: tuple[Estimate, ...]

    def to_json(self) -> Document:
        """`axis`, `at`, `values`, `intervals`."""
        return {
            "axis": self.axis,
            "at": list(self.at),
            "values": [number(p.value) for p in self.points],
            "intervals": [p.interval for p in self.points],
        }

    @classmethod
    def from_json(cls, document: Document) -> Self:
        """Undo `to_json`."""
        pairs = zip(document["values"], document["intervals"], strict=True)
        return cls(
            axis=document["axis"],
            at=tuple(document["at"]),
            points=tuple(Estimate.from_json(value, interval) for value, interval in pairs),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A part of the set: the images (or pixels) whose attribute `by` has the `value`.

    `classes` holds the IoU of each class by name, NaN where it does not exist. `difference` is
    the mean over the classes with truth in the slice of their IoU there less that over the
    whole set; NaN for a slice of one image, which is not ranked.
    """

    by: str
    value: str
    num_images: int
    miou: Estimate
    classes: Mapping[str, float]
    difference: float = math.nan

    def to_json(self) -> Document:
        """`by`, `value`, `images`, `miou`, `interval`, `difference`, `classes`."""
        return {
            "by": self.by,
            "value": self.value,
            "images": self.num_images,
            "miou": number(self.miou.value),
            "interval": self.miou.interval,
            "interval_of": number(self.miou.interval_of),
            "difference": number(self.difference),
            "classes": {name: number(iou) for name, iou in self.classes.items()},
        }

    @classmethod
    def from_json(cls, document: Document) -> Self:
        """Undo `to_json`."""
        return cls(
            by=document["by"],
            value=document["value"],
            num_images=document["images"],
            miou=Estimate.from_json(
                document["miou"], document.get("interval"), document.get("interval_of")
            ),
            difference=Estimate.from_json(document.get("difference"), None).value,
            classes={
                n: Estimate.from_json(v, None).value for n, v in document["classes"].items()
            },
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ghost:
    """A class that is predicted but not in the truth, and how much mIoU it costs.

    Its IoU of 0 is in the mean; `cost` is the mIoU over the other classes less that mean.
    """

    name: str
    predicted_px: int
    cost: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Report:
    """The scores of one model, or of one folder of predictions, on one set of images.

    `classes` has the scores of each class in order of index, `truth_groups` the number of
    groups whose truth holds it (empty in reports of older versions). `slices` are parts of the
    set, the worst first, and `images` the worst and the best images. `notes` say what makes the
    numbers less certain than they look. `frame` has the errors by place in the frame, where all
    images have one size. `confusable` are pairs of classes that are not told apart.
    `intensities` are the values of the images, `patients` the scores of each patient where the
    images are slices of whole volumes. `pictures` are encoded image files by key and panel and
    `volumes` those of slices, for report.html, and `attachments` the contents of further files,
    by name; none of the three is part of the JSON.
    """

    labels: LabelSpec
    confusion: Confusion
    provenance: Provenance
    scores: Mapping[str, Estimate]
    classes: tuple[Mapping[str, Estimate], ...]
    curves: Mapping[str, CurveReport] = field(default_factory=dict)
    class_curves: Mapping[str, tuple[CurveReport, ...]] = field(default_factory=dict)
    slices: tuple[Slice, ...] = ()
    settings: ScoreSettings = field(default_factory=ScoreSettings)
    uncertainty: Uncertainty | None = None
    truth_groups: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    images: tuple[ImageScore, ...] = ()
    frame: FrameErrors | None = None
    confusable: tuple[ToldApart, ...] = ()
    intensities: Intensities | None = None
    patients: tuple[PatientScores, ...] = ()
    volumes: tuple[VolumePictures, ...] = ()
    pictures: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    attachments: Mapping[str, Iterable[bytes]] = field(default_factory=dict)

    @property
    def miou(self) -> float:
        """Mean IoU over the set: from one Confusion, not averaged over images."""
        return self.scores["miou"].value

    @property
    def truth_px(self) -> tuple[int, ...]:
        """Pixels of each class in truth."""
        return tuple(self.confusion.counts_CC.sum(axis=1).tolist())

    @property
    def predicted_px(self) -> tuple[int, ...]:
        """Pixels predicted as each class."""
        return tuple(self.confusion.counts_CC.sum(axis=0).tolist())

    @property
    def absent_classes(self) -> tuple[str, ...]:
        """Names of the classes that are neither in truth nor predicted."""
        pixels = zip(self.labels.names, self.truth_px, self.predicted_px, strict=True)
        return tuple(name for name, truth, predicted in pixels if not truth + predicted)

    @property
    def missed_classes(self) -> tuple[str, ...]:
        """Names of the classes of whose truth no pixel is found."""
        hits = np.diagonal(self.confusion.counts_CC)
        pixels = zip(self.labels.names, self.truth_px, hits, strict=True)
        return tuple(name for name, truth, found in pixels if truth and not found)

    @property
    def ghosts(self) -> tuple[Ghost, ...]:
        """Classes that are predicted but not in the truth, in order of index."""
        pixels = zip(self.labels.names, self.truth_px, self.predicted_px, strict=True)
        extra = [(name, px) for name, truth, px in pixels if not truth and px]
        num_scored = len(self.labels) - len(self.absent_classes)
        if num_scored < 2:
            return ()
        cost = self.miou / (num_scored - 1)  # S / (n - 1) - S / n with S = n mIoU
        return tuple(Ghost(name=name, predicted_px=px, cost=cost) for name, px in extra)

    def __repr__(self) -> str:
        missed = f"; not found: {', '.join(self.missed_classes)}" if self.missed_classes else ""
        return f"Report(mIoU {_percent(self.miou)}, {len(self.labels)} classes{missed})"

    def _repr_html_(self) -> str:
        keys = ("iou", "precision", "recall", "dice")
        rows = [
            (name, *(_percent(scores[key].value) for key in keys))
            for name, scores in zip(self.labels.names, self.classes, strict=True)
        ]
        heads = ("class", "IoU", "precision", "recall", "Dice")
        return html_table(repr(self), heads, rows)

    def explain_no_interval(self, index: int) -> str:
        """Why the IoU of a class has no interval; "" where it has one, or that is not known."""
        if not self.truth_groups or self.uncertainty is None or not self.uncertainty.groups:
            return ""
        iou, groups = self.classes[index]["iou"], self.truth_groups[index]
        if iou.interval is not None or math.isnan(iou.value):
            return ""
        if groups == 0:
            return "not in the truth"
        if groups < MIN_GROUPS:
            return f"in {groups} group{'s' if groups > 1 else ''}"
        return "no group differs" if iou.value in (0, 1) else "most pixels in one group"

    def to_json(self) -> Document:
        """report.json: scores with intervals, classes, curves, slices, provenance."""
        return SCHEMA.stamp(
            {
                "scores": {name: number(e.value) for name, e in self.scores.items()},
                "intervals": {name: e.interval for name, e in self.scores.items()},
                "interval_of": {
                    name: e.interval_of
                    for name, e in self.scores.items()
                    if not math.isnan(e.interval_of)
                },
                "uncertainty": {} if self.uncertainty is None else asdict(self.uncertainty),
                "settings": self.settings.to_json(),
                "absent_rule": scores.ABSENT_RULE,
                "absent_classes": list(self.absent_classes),
                "ghosts": [asdict(ghost) for ghost in self.ghosts],
                "notes": list(self.notes),
                "classes": self._classes_json(),
                "curves": {name: curve.to_json() for name, curve in self.curves.items()},
                "class_curves": {
                    name: _curves_to_json(curves, self.labels)
                    for name, curves in self.class_curves.items()
                },
                "slices": [part.to_json() for part in self.slices],
                "labels": self.labels.to_json(),
                "confusion": self.confusion.counts_CC.tolist(),
                "confusable": [pair.to_json() for pair in self.confusable],
                "images": [asdict(image) for image in self.images],
                "provenance": self.provenance.to_json(),
            }
            | ({} if self.frame is None else {"frame_errors": self.frame.to_json()})
            | ({} if self.intensities is None else {"intensities": self.intensities.to_json()})
            | ({"patients": [p.to_json() for p in self.patients]} if self.patients else {})
        )

    @classmethod
    def from_json(cls, document: object, *, where: str) -> Self:
        """Read a report of this or an older version.

        Raises:
            DataError: Not a report, damaged, or of a version that cannot be read.
        """
        content = SCHEMA.read(document, where=where)
        try:
            report = cls._from_content(content)
            require_types(report)
        except (*MALFORMED, MaskwrightError) as error:
            reason = shorten(str(error), 200)
            raise DataError(
                f"{where}: damaged report (missing or wrong: {reason}); restore the file, or "
                f"write it again with `maskwright score` or `maskwright evaluate`"
            ) from error
        return report

    @classmethod
    def _from_content(cls, document: Document) -> Self:
        labels = LabelSpec.from_json(document["labels"])
        return cls(
            labels=labels,
            confusion=Confusion.from_json(document["confusion"], len(labels)),
            provenance=Provenance.from_json(document["provenance"]),
            scores={
                name: Estimate.from_json(
                    value, document["intervals"][name], document["interval_of"].get(name)
                )
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
                name: _curves_from_json(group, labels)
                for name, group in document["class_curves"].items()
            },
            slices=tuple(map(Slice.from_json, document["slices"])),
            settings=ScoreSettings.from_json(document["settings"]),
            uncertainty=Uncertainty.from_json(document["uncertainty"]),
            truth_groups=tuple(c["groups"] for c in document["classes"] if "groups" in c),
            notes=tuple(document["notes"]),
            images=tuple(map(ImageScore.from_json, document["images"])),
            confusable=tuple(map(ToldApart.from_json, document.get("confusable", ()))),
            frame=FrameErrors.from_json(document["frame_errors"])
            if "frame_errors" in document
            else None,
            intensities=Intensities.from_json(document["intensities"])
            if "intensities" in document
            else None,
            patients=tuple(map(PatientScores.from_json, document.get("patients", ()))),
        )

    def _classes_json(self) -> list[Document]:
        return [
            {
                "name": entry.name,
                "color": list(entry.color),
                **{name: number(e.value) for name, e in self.classes[index].items()},
                "truth_px": self.truth_px[index],
                "predicted_px": self.predicted_px[index],
                **({"groups": self.truth_groups[index]} if self.truth_groups else {}),
                "intervals": {name: e.interval for name, e in self.classes[index].items()},
                "no_interval": self.explain_no_interval(index),
            }
            for index, entry in enumerate(self.labels)
        ]


def number(value: float) -> float | None:
    """`value` for JSON, which has no NaN: None instead."""
    return None if math.isnan(value) else float(value)


def _curves_to_json(curves: tuple[CurveReport, ...], labels: LabelSpec) -> Document:
    classes = {}
    for name, curve in zip(labels.names, curves, strict=True):
        document = curve.to_json()
        classes[name] = {key: document[key] for key in ("values", "intervals")}
    return {"axis": curves[0].axis, "at": list(curves[0].at), "classes": classes}


def _curves_from_json(document: Document, labels: LabelSpec) -> tuple[CurveReport, ...]:
    shared = {"axis": document["axis"], "at": document["at"]}
    return tuple(
        CurveReport.from_json(shared | document["classes"][name]) for name in labels.names
    )


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.1f} %"
