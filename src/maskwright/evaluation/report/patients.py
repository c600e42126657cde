"""The patients of a report: a table with one row per class, and volumes slice by slice."""

import io
import math
from collections.abc import Iterator
from html import escape

from PIL import Image

from ...core.patients import PatientScores, VolumePictures
from ...core.report import Report
from ...pages.markup import data_uri, render_class, render_code, render_table
from ...pages.page import Section
from ...pages.volumes import (
    SliceView,
    VolumeView,
    describe_shown,
    name_anchor,
    render_volumes,
)
from ..drawing.markup import render_score
from ..drawing.wording import wording

MOST_PATIENTS = 200
"""Patients in the table; report.json has all of them."""
_HEADS = {"patient_dice": "Dice"}
"""Of one patient, where the words of the score are of several."""


def render_patient_sections(report: Report, legend: str, shown: str) -> Iterator[Section]:
    """The table of patients and their volumes; nothing where images are not volumes.

    `legend` is HTML, and `shown` says how images are shown.
    """
    anchors = {v.volume: name_anchor(i) for i, v in enumerate(report.volumes)}
    ordered = sorted(report.patients, key=_rank)
    note = "The patient of the lowest Dice first; a name leads to the slices of a volume."
    if len(ordered) > MOST_PATIENTS:
        left = len(ordered) - MOST_PATIENTS
        note += f" {left:,} more patients are in report.json."
    table = _render_table(report, ordered[:MOST_PATIENTS], anchors)
    yield Section("Each patient", note, table)
    views = [_view(volume) for volume in report.volumes]
    num_volumes = max(len(views), len({v for p in report.patients for v in p.volumes}))
    body = render_volumes(views)
    note = f"{describe_shown(views, num_volumes)} {shown}"
    yield Section("Slice by slice", note, legend + body if body else "")


def _rank(patient: PatientScores) -> float:
    """The mean Dice over the classes; a patient without one comes last."""
    known = [v for s in patient.classes.values() if not math.isnan(v := s["patient_dice"])]
    return sum(known) / len(known) if known else math.inf


def _render_table(
    report: Report, patients: list[PatientScores], anchors: dict[str, str]
) -> str:
    keys = [key for p in patients[:1] for s in [*p.classes.values()][:1] for key in s]
    colors = {entry.name: entry.color for entry in report.labels}
    rows: list[tuple[str, ...]] = []
    for patient in patients:
        links = (
            f'<a href="#{anchors[v]}">{render_code(v)}</a>' if v in anchors else render_code(v)
            for v in patient.volumes
        )
        named = "" if patient.volumes == (patient.patient,) else f"{escape(patient.patient)}: "
        rows.append((named + ", ".join(links),))
        for name, scores in patient.classes.items():
            numbers = (
                render_score(scores.get(key, math.nan), wording(key).unit) for key in keys
            )
            rows.append((render_class(colors[name], name), *numbers))
    heads = ("Class", *(_HEADS.get(key, wording(key).name) for key in keys))
    return render_table("Each patient", heads, rows)


def _view(volume: VolumePictures) -> VolumeView:
    first = next(iter(next(iter(volume.slices.values())).values()))
    with Image.open(io.BytesIO(first)) as image:
        ratio = image.width / image.height
    slices = [
        SliceView(
            index=index,
            pictures={panel: data_uri(content) for panel, content in panels.items()},
            note=volume.notes.get(index, ""),
        )
        for index, panels in sorted(volume.slices.items())
    ]
    return VolumeView(
        name=volume.volume, num_slices=volume.num_slices, slices=slices, ratio=ratio
    )
