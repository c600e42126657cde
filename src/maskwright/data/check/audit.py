"""`check`: find in one pass everything in a dataset that harms training.

Images are read one at a time; what is kept of each is its name, its size, sixteen bytes of
hashes and the share of its pixels on which annotators disagree.
"""

from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from ...core.codec import LabelCodec
from ...core.errors import DataError
from ...core.files import is_present
from ...core.htmltable import html_table
from ...core.labels import IGNORE, LabelSpec
from ...core.progress import Progress, silent
from ...core.results import NEW, WriteMode, open_results
from ...core.versioned import Schema
from ...pages.text import list_names
from ..classes.infer import infer_codec
from ..entries.scan import UNSPLIT, Entry
from ..entries.walk import results_below
from ..facts import find_shared_kind
from ..opening import splitfile
from ..opening.locate import DataFolder, locate
from ..opening.resolve import (
    WRITTEN,
    apply_inference,
    read_hints,
    resolve_codec,
    resolve_splits,
    survey_labels,
)
from ..reading.archive import open_as_folder
from .annotators import AnnotatorCode, Annotators
from .defects import DefectCode, find_alike, find_gaps
from .document import AuditDocument, ClassDocument
from .duplicates import DuplicateCode, find_duplicates
from .findings import Finding, Findings, require_texts
from .inspection import (
    Counts,
    Inspection,
    InspectionCode,
    inspect_entries,
    summarize_sizes,
)
from .sheet import ContactSheet
from .task import TaskCode
from .text import render
from .values import measure_values

AuditCode = Literal[
    "missing-mask",
    "missing-image",
    "left-out",
    "unlabelled-split",
    "same-key",
    "too-few-images",
    "mixed-images",
    "converted-images",
    "unclear-labels",
    "one-class",
    "alike-names",
    "value-gaps",
    "absent-class",
    "class-not-in-train",
    "class-not-in-val",
    "no-train",
    "stale-splits",
    "group-across-splits",
    "resolution-spread",
]
"""Kinds of findings on the dataset as a whole."""

require_texts(AuditCode, InspectionCode, DuplicateCode, DefectCode, AnnotatorCode, TaskCode)

SCHEMA = Schema(kind="audit", version=1)
_SPREAD = 16


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Audit:
    """The result of `check`. `counts` holds pixels and images of each class by split.

    `sizes_HW` are the smallest, the median and the largest image by area; None where none
    could be read. `spec` is None where mask values could not be understood, `annotators` where
    there are fewer than two.
    """

    root: Path
    splits: dict[str, int]
    spec: LabelSpec | None
    counts: dict[str, Counts]
    sizes_HW: tuple[tuple[int, int], ...] | None
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    annotators: Annotators | None = None

    @property
    def num_images(self) -> int:
        """Images, labelled or not."""
        return sum(self.splits.values())

    @property
    def harmful(self) -> bool:
        """Whether a finding would harm training."""
        return any(finding.kind.severity == "error" for finding in self.findings)

    def __repr__(self) -> str:
        counts = Counter(finding.kind.severity for finding in self.findings)
        found = ", ".join(f"{count} {severity}" for severity, count in sorted(counts.items()))
        return f"Audit({self.root}: {self.num_images} images; {found or 'no findings'})"

    def _repr_html_(self) -> str:
        rows = (
            (d["severity"], d["message"], str(d["count"]), d["fix"])
            for d in (finding.to_json() for finding in self.findings)
        )
        return html_table(repr(self), ("severity", "finding", "files", "fix"), rows)

    def classes(self) -> list[ClassDocument]:
        """Pixels and images of each class over all splits."""
        if self.spec is None:
            return []
        zero = np.zeros(len(self.spec), np.int64)
        pixels_C = sum((c.pixels_C for c in self.counts.values()), start=zero)
        images_C = sum((c.images_C for c in self.counts.values()), start=zero)
        labelled = max(int(pixels_C.sum()), 1)
        return [
            {
                "name": c.name,
                "color": list(c.color),
                "pixels": int(pixels_C[i]),
                "share": float(pixels_C[i] / labelled),
                "images": int(images_C[i]),
                "images_by_split": {s: int(n.images_C[i]) for s, n in self.counts.items()},
            }
            for i, c in enumerate(self.spec)
        ]

    def to_json(self) -> AuditDocument:
        """The audit as one JSON object."""
        names = ("min", "median", "max")
        return {
            "schema_version": SCHEMA.version,
            "dataset": str(self.root),
            "harmful": self.harmful,
            "images": self.num_images,
            "splits": self.splits,
            "sizes_HW": dict(zip(names, map(list[int], self.sizes_HW or ()), strict=False)),
            "classes": self.classes(),
            "ignored_pixels": sum(c.ignored for c in self.counts.values()),
            "findings": [finding.to_json() for finding in self.findings],
            "notes": list(self.notes),
            "annotators": None if self.annotators is None else self.annotators.to_json(),
        }

    def to_text(self) -> str:
        """The audit for people: a head, a table of classes, and the findings with fixes."""
        return render(self.to_json())


def audit(
    path: str | Path,
    progress: Progress = silent,
    *,
    form: str | None = None,
    allow_outside: bool = False,
    out: Path | str | None = None,
    mode: WriteMode = NEW,
) -> Audit:
    """Check every file of the data at `path`, a folder, its dataset.yaml or an archive.

    `form` is the name of the format, None to detect it; dataset.yaml keeps it. With
    `allow_outside`, paths in dataset.yaml may lead out of its folder. With `out`, a contact
    sheet is written into this folder, see `sheet`; `mode` says what to do where it exists.

    Raises:
        DataError: There is nothing to check: no such folder, no images, no masks.
        ConfigError: dataset.yaml or classes.txt is wrong.
        OutputError: `out` exists and `mode` does not replace it, or it cannot be written.
    """
    check = partial(_audit, Path(path), form=form, allow_outside=allow_outside)
    if out is None:
        return check(progress, None)
    with open_results(Path(out), "check", mode) as results:
        sheet = ContactSheet(folder=results.folder)
        made = check(progress, sheet)
        sheet.write(made.to_json())
        results.num_read = made.num_images
    return made


def _audit(
    path: Path,
    progress: Progress,
    sheet: ContactSheet | None,
    *,
    form: str | None,
    allow_outside: bool,
) -> Audit:
    with open_as_folder(path) as folder:
        data = locate(folder, form=form, allow_outside=allow_outside)
        made = _audit_folder(data, progress, sheet)
        if folder == path:
            return made
        return _name_archive(made, folder, path)


def _name_archive(made: Audit, folder: Path, path: Path) -> Audit:
    """Name the archive in place of the folder that it was unpacked to and that is gone."""

    def rename(text: str) -> str:
        return text.replace(str(folder), str(path))

    findings = tuple(
        replace(
            finding,
            fix=rename(finding.fix),
            examples=[(rename(file), rename(detail)) for file, detail in finding.examples],
        )
        for finding in made.findings
    )
    kept = (note for note in made.notes if not note.startswith(WRITTEN))
    return replace(made, root=path, findings=findings, notes=tuple(map(rename, kept)))


def _audit_folder(data: DataFolder, progress: Progress, sheet: ContactSheet | None) -> Audit:
    findings = Findings[str](data.root)
    codec, label_notes = _resolve_codec(data, findings, progress)
    entries, split_notes = _resolve_entries(data, codec, findings, progress)
    _check_pairs(data, entries, findings)
    for item in data.scan.left_out:
        for name in item.names:
            findings.add("left-out", name, item.reason)
    if sheet is not None:
        values = measure_values(entries, codec)
        sheet.begin(len(entries), None if codec is None else codec.spec, values)
    inspection = inspect_entries(data, entries, codec, findings, sheet, progress)
    _check_images(inspection, entries, findings)
    _check_classes(inspection, {e.split for e in entries}, findings)
    if codec is not None:
        _check_names(codec, findings, stated=data.scan.states_labels)
        for code, subject, detail in inspection.task.list_remarks(codec.spec):
            findings.add(code, subject, detail)
    similar_notes = find_duplicates(entries, inspection.hashes, findings, progress)
    notes = (*data.scan.notes, *label_notes, *split_notes, *similar_notes)
    results = [str(folder) for folder in results_below(data.root)]
    if results:
        shown = list_names(results)
        notes += (f"{len(results)} folders of results in the data are passed over: {shown}",)
    return Audit(
        root=data.root,
        splits=dict(Counter(e.split for e in entries)),
        spec=None if codec is None else codec.spec,
        counts=inspection.counts,
        sizes_HW=summarize_sizes(inspection.sizes_N2),
        findings=findings.sort(),
        notes=notes,
        annotators=inspection.annotators,
    )


def _resolve_codec(
    data: DataFolder, findings: Findings[AuditCode], progress: Progress
) -> tuple[LabelCodec | None, tuple[str, ...]]:
    """The codec, inferred from the readable masks; None, and a finding, where it is unclear."""
    if data.document.classes or data.scan.states_labels:
        return resolve_codec(data, progress)
    try:
        hints = read_hints(data)
        survey = survey_labels(data, hints, progress)
        codec, notes = infer_codec(survey, hints)
    except DataError as error:
        reason, _, fix = str(error).removeprefix(f"{data.root}: ").partition("; ")
        findings.add("unclear-labels", data.root, reason, fix=fix)
        return None, ()
    return apply_inference(data, codec, notes, save=not survey.num_unreadable)


def _resolve_entries(
    data: DataFolder,
    codec: LabelCodec | None,
    findings: Findings[AuditCode],
    progress: Progress,
) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    """The entries in their splits; without splits where those cannot be made."""
    file = data.beside(splitfile.FILE_NAME)
    if codec is None:
        return data.scan.entries, ()
    try:
        return resolve_splits(data, codec, progress, save=False)
    except DataError as error:
        if is_present(file):
            reason, _, fix = str(error).removeprefix(f"{file}: ").partition("; ")
            findings.add("stale-splits", file, reason, fix=fix)
        return data.scan.entries, ()


def _check_pairs(
    data: DataFolder, entries: tuple[Entry, ...], findings: Findings[AuditCode]
) -> None:
    labelled = {e.split for e in data.scan.entries if e.labels is not None}
    for split in sorted({e.split for e in data.scan.entries} - labelled):
        findings.add("unlabelled-split", split)
    for entry in data.scan.entries:
        if entry.labels is None and entry.split in labelled:
            findings.add("missing-mask", entry.image)
    for path in data.scan.lone_masks:
        findings.add("missing-image", path)
    first: dict[str, Entry] = {}
    first_of_group: dict[str, Entry] = {}
    reported: set[str] = set()
    for entry in entries:
        twin = first.setdefault(entry.key, entry)
        if twin is not entry:
            findings.add(
                "same-key", entry.image, f"{entry.key!r} is {findings.shorten(twin.image)}"
            )
        one = first_of_group.setdefault(entry.group, entry)
        if one.split != entry.split and twin is entry and entry.group not in reported:
            reported.add(entry.group)
            files = (f"{e.split} ({findings.shorten(e.image)})" for e in (one, entry))
            findings.add("group-across-splits", entry.group, " and ".join(files))
    if len(entries) < 2:
        findings.add("too-few-images", entries[0].image)
    splits = {e.split for e in entries}
    if UNSPLIT not in splits and "train" not in splits and not splitfile.list_folds(splits):
        findings.add("no-train", "train")


def _check_images(
    inspection: Inspection, entries: tuple[Entry, ...], findings: Findings[AuditCode]
) -> None:
    _check_kinds(inspection, findings)
    areas_N = inspection.sizes_N2.astype(np.int64).prod(axis=1)
    read = np.flatnonzero(areas_N)
    if read.size:
        smallest = areas_N[read].min()
        for row in read[areas_N[read] > _SPREAD * smallest].tolist():
            height, width = inspection.sizes_N2[row].tolist()
            findings.add("resolution-spread", entries[row].image, f"{height} x {width} (H x W)")


def _check_kinds(inspection: Inspection, findings: Findings[AuditCode]) -> None:
    """Name images of another kind than most: an error only where training refuses them."""
    counts = inspection.num_of_kind
    if len(counts) < 2:
        return
    most = max(counts, key=lambda kind: counts[kind])
    common = find_shared_kind(counts)
    for kind in counts:
        if common is not None and kind != common:
            widened = kind.dtype != common.dtype
            detail = f"{kind}, converted to "
            detail += "floats" if widened else f"{common.channels} channels"
            findings.add_all("converted-images", inspection.kinds[kind], counts[kind], detail)
        elif common is None and kind != most:
            detail = f"{kind}, most have {most.channels} of {most.dtype}"
            findings.add_all("mixed-images", inspection.kinds[kind], counts[kind], detail)


def _check_names(codec: LabelCodec, findings: Findings[AuditCode], *, stated: bool) -> None:
    """Names of classes, or labels of different classes, that are alike; values left out."""
    class_of = {name: name for name in codec.spec.names}
    for raw, index in codec.raw_to_index.items() if codec.pixels == "name" else ():
        class_of.setdefault(codec.format_raw(raw), codec.spec.names[index])
    for names in find_alike(class_of):
        if len({class_of[name] for name in names}) > 1:
            findings.add("alike-names", names[0], f"like {', '.join(map(repr, names[1:]))}")
    missing = find_gaps(raw for raw in {*codec.raw_to_index, *codec.ignored} if raw < IGNORE)
    if codec.pixels == "index" and not stated and missing:
        findings.add("value-gaps", "masks", list_names([str(v) for v in missing], most=10))


def _check_classes(
    inspection: Inspection, splits: set[str], findings: Findings[AuditCode]
) -> None:
    codec, counts = inspection.codec, inspection.counts
    if codec is None or not counts:
        return
    present_SC = {split: c.images_C > 0 for split, c in counts.items()}
    present_C = np.any(list(present_SC.values()), axis=0)
    if present_C.sum() == 1:
        findings.add("one-class", codec.spec.names[int(present_C.argmax())])
    nowhere = np.zeros_like(present_C)
    train_C = present_SC.get("train", nowhere if "train" in splits else ~nowhere)
    val_C = present_SC.get("val", nowhere if "val" in splits else ~nowhere)
    for index, name in enumerate(codec.spec.names):
        if not present_C[index]:
            findings.add("absent-class", name)
        elif not train_C[index]:
            findings.add("class-not-in-train", name)
        elif not val_C[index]:
            findings.add("class-not-in-val", name)
