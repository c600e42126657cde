"""Report -> one HTML page that needs nothing else: no script, no network, pictures inside.

Sections of what was not computed are left out.
"""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from html import escape
from pathlib import Path

from ...core.inputspec import InputSpec
from ...core.report import FILE_NAME, CurveReport, Report
from ...core.results import NEW, Results, WriteMode, open_results
from ...core.scores import ABSENT_RULE
from ...pages.display import Display
from ...pages.histogram import render_intensities
from ...pages.markup import render_legend, render_number, render_terms
from ...pages.page import Section, render_opening, render_page, render_tile
from ...pages.text import format_count, format_points
from ...pages.volumes import read_volume_script, read_volume_style
from ..drawing.charts import draw_line, draw_reliability, draw_share_bars
from ..drawing.gallery import Shot, render_gallery
from ..drawing.markup import render_interval, render_score
from ..drawing.wording import sections as family_sections
from ..drawing.wording import wording
from ..extremes import IGNORED_RGB, PANELS, WRONG_RGB
from ..slices import DISTANCE
from .frame import render_frame
from .matrix import draw_confusion
from .patients import render_patient_sections
from .tables import (
    largest_confusions,
    render_class_curves,
    render_classes,
    render_confusions,
    render_counts,
    render_family,
    render_scores,
    render_slices,
)
from .text import describe_ghost, describe_interval_of, list_failures

_TILES = {
    "miou": "mean over classes, over the set",
    "pixel_accuracy": "over the set",
    "mean_boundary_f1": "mean over classes, over the set",
    "frequency_weighted_iou": "over the set",
}
_NUM_TILES = 4
_NUM_STANDING_OUT = 3
_BORDERS = "Boundaries"
_OF_SOME = "Of at most 200 images, evenly spread; each row of bars has its own height."


def render_report(report: Report) -> str:
    """The page; all text from outside is escaped."""
    sections = [*_sections(report)]
    return render_page(
        f"Evaluation of {report.provenance.data.name}",
        _subtitle(report),
        sections,
        opening=render_opening(sections, _tiles(report)),
        script=read_volume_script() if report.volumes else "",
        style=read_volume_style() if report.volumes else "",
    )


def _describe_display(report: Report) -> str:
    """How the values of the images are shown; "" where no image is."""
    model = report.provenance.model
    if model is None or not model.input:
        return ""
    return Display.from_input(InputSpec.from_json(dict(model.input))).describe()


def _sections(report: Report) -> Iterator[Section]:
    yield Section("What stands out", "", _facts(report))
    classes = render_classes(report, "Regions") + _of_images(report, "Regions")
    yield Section("Classes", _rule(report), classes)
    of_images = [part for part in report.slices if part.by != DISTANCE]
    yield Section("Slices, worst first", "", render_slices(of_images, report))
    note = (
        "A row is a class in truth, a column a predicted class; each row adds up to 100 %. The "
        "outlined diagonal is recall, the rest is error."
    )
    yield Section("Confusion", note, _confusion(report))
    for family, about in list(family_sections().items())[1:]:  # the first are the classes
        scores = render_family(report, family) + _curves(report, family)
        scores += render_classes(report, family)
        details = _of_images(report, family) + _class_curves(report, family)
        details += _slices_by_distance(report) if family == _BORDERS else ""
        yield Section(family, about, scores + details)
    if report.frame is not None:
        note = (
            "Share of the labelled pixels of each cell of the frame that is wrong, over all "
            "images, by class in truth. All images have one size, as of a fixed camera."
        )
        yield Section("Where in the frame", note, render_frame(report.frame, report.labels))
    legend = render_legend((c.color, c.name) for c in report.labels)
    yield from render_patient_sections(report, legend, _describe_display(report))
    if report.intensities is not None:
        colors = {entry.name: entry.color for entry in report.labels}
        body = render_intensities(report.intensities, colors)
        yield Section("Intensities", _OF_SOME, body)
    yield from _image_sections(report)
    yield Section("All scores", _method(report), render_scores(report))
    made = report.provenance.to_json() | {"settings": report.settings.to_json()}
    yield Section("Provenance", "", render_terms(made))


def _subtitle(report: Report) -> str:
    splits = report.provenance.data.splits
    pieces = [
        ", ".join(f"{name}: {format_count(num, 'image')}" for name, num in splits.items())
    ]
    model = report.provenance.model
    if model is not None:
        network = (str(model.arch[key]) for key in ("name", "encoder") if key in model.arch)
        pieces += [" on ".join(network), f"model {model.id}" if model.id else ""]
    return " · ".join(piece for piece in pieces if piece)


def _tiles(report: Report) -> Iterator[str]:
    for key in [key for key in _TILES if key in report.scores][:_NUM_TILES]:
        score = report.scores[key]
        ends = render_interval(score)
        yield render_tile(
            wording(key).name,
            render_score(score.value),
            _TILES[key],
            escape(describe_interval_of(score, report)) if ends else "",
            f"95&nbsp;% interval {ends}" if ends else "",
        )


def _facts(report: Report) -> str:
    """The lowest classes, the largest confusion and the worst slice, in words."""
    names = report.labels.names
    ious = zip((scores["iou"].value for scores in report.classes), names, strict=True)
    scored = sorted((iou, name) for iou, name in ious if not math.isnan(iou))
    facts = [f"<b>{escape(failure)}</b>" for failure in list_failures(report)]
    if len(scored) > _NUM_STANDING_OUT:
        lowest = ", ".join(
            f"{escape(name)} {render_score(iou)}" for iou, name in scored[:_NUM_STANDING_OUT]
        )
        facts.append(f"Lowest IoU: {lowest}.")
    for confused in largest_confusions(report.confusion)[:1]:
        truth, predicted = (escape(names[i]) for i in (confused.truth, confused.predicted))
        facts.append(
            f"Largest confusion: {render_score(confused.share)} of {truth} is predicted as "
            f"{predicted}."
        )
    slices = [part for part in report.slices if part.by != DISTANCE]
    if slices and slices[0].difference < 0:
        worst = slices[0]
        facts.append(
            f"Worst slice: {escape(worst.by)} {escape(worst.value)} with mIoU "
            f"{render_score(worst.miou.value)} on {worst.num_images:,} images, its classes "
            f"{render_number(format_points(worst.difference))} points from the whole set."
        )
    facts += [f"{escape(describe_ghost(ghost))}." for ghost in report.ghosts]
    if report.absent_classes:
        absent = escape(", ".join(report.absent_classes))
        facts.append(f"Neither in truth nor predicted: {absent}.")
    facts += [escape(note) for note in report.notes]
    return f'<ul class="facts">{"".join(f"<li>{f}</li>" for f in facts)}</ul>' if facts else ""


def _rule(report: Report) -> str:
    absent = format_count(len(report.absent_classes), "class")
    ending = (
        f"Absent here, and without a row: {absent}."
        if report.absent_classes
        else "No class is absent here."
    )
    return (
        f"Over all pixels of the set at source resolution, ignored ones left out. "
        f"{ABSENT_RULE} The same holds for the precision of a class that is never predicted. "
        f"{ending} Small type and whiskers: 95 % interval."
    )


def _of_images(report: Report, family: str) -> str:
    table = render_classes(report, family, of_images=True)
    return (
        f"<details><summary>Per image, then averaged</summary>{table}</details>"
        if table
        else ""
    )


def _slices_by_distance(report: Report) -> str:
    table = render_slices([part for part in report.slices if part.by == DISTANCE], report)
    return f"<details><summary>By {DISTANCE}</summary>{table}</details>" if table else ""


def _method(report: Report) -> str:
    made = report.uncertainty
    if made is None:
        return ""
    return f"Small type: 95 % interval. {made.method}; {made.groups:,} groups."


def _confusion(report: Report) -> str:
    matrix = draw_confusion(report.confusion, report.labels)
    largest = render_confusions(report.confusion, report.labels)
    listed = f'<div class="list"><h3>Largest confusions</h3>{largest}</div>' if largest else ""
    return (
        f'<div class="beside"><div class="scroll whole" role="region" tabindex="0" '
        f'aria-label="Confusion matrix">{matrix}</div>'
        f"{listed}</div>"
    )


def _curves(report: Report, family: str) -> str:
    of_family = {k: c for k, c in report.curves.items() if wording(k).family == family}
    drawn = "".join(
        _reliability(report.curves)
        if wording(key).chart == "reliability"
        else _chart(key, curve)
        for key, curve in of_family.items()
        if wording(key).unit == "%"
        and wording(key).chart != "none"
        and not all(math.isnan(point.value) for point in curve.points)
    )
    counts = {key: curve for key, curve in of_family.items() if wording(key).unit != "%"}
    return (f'<div class="charts">{drawn}</div>' if drawn else "") + render_counts(counts)


def _chart(key: str, curve: CurveReport) -> str:
    draw = draw_share_bars if wording(key).chart == "bars" else draw_line
    return _figure(key, draw(wording(key).name, curve))


def _reliability(curves: Mapping[str, CurveReport]) -> str:
    """The diagram; each bin stands at its mean confidence where that is known."""
    curve, means = curves["reliability"], curves.get("mean_confidence")
    shares = curves.get("confidence_share")
    at = curve.at
    if means is not None:
        known = zip(at, means.points, strict=True)
        at = tuple(middle if math.isnan(mean.value) else mean.value for middle, mean in known)
    axis = curve.axis + (" (%); bars: share of all pixels (%)" if shares else " (%)")
    drawn = draw_reliability(
        wording("reliability").name,
        replace(curve, at=at, axis=axis),
        [point.value for point in shares.points] if shares else [],
    )
    return _figure("reliability", drawn)


def _figure(key: str, drawn: str) -> str:
    words = wording(key)
    return (
        f"<figure><figcaption><b>{escape(words.name)}</b>{escape(words.explanation)}</figcaption>"
        f"{drawn}</figure>"
    )


def _class_curves(report: Report, family: str) -> str:
    return "".join(
        f"<details><summary>{escape(wording(key).name)}, class by class</summary>"
        f"{render_class_curves(key, curves, report.labels)}</details>"
        for key, curves in report.class_curves.items()
        if wording(key).family == family
    )


def _image_sections(report: Report) -> Iterator[Section]:
    marks = {"wrong": WRONG_RGB, "ignored": IGNORED_RGB}
    for rank in ("worst", "best"):
        shots = [
            Shot(
                key=image.key,
                note=f"mIoU {render_score(image.miou)}",
                panels={n: files[n] for n in PANELS if n in files},
            )
            for image in report.images
            if image.rank == rank and (files := report.pictures.get(image.key, {}))
        ]
        yield Section(
            f"{rank.capitalize()} images",
            "By the mIoU of each image alone. A click or Enter enlarges the pictures, arrow "
            "keys choose one, Escape closes. Numbers in the maps are those of the classes. "
            f"{_describe_display(report)}".strip(),
            render_gallery(f"{rank}-images", shots, report.labels, marks),
        )


def write_report(report: Report, out: Path | str, mode: WriteMode = NEW) -> None:
    """Write report.json, report.html and images.csv to the new folder `out`, all or none.

    Raises:
        OutputError: `out` exists and `mode` does not replace it, or it cannot be written.
    """
    with open_report(Path(out), mode) as results:
        add_report(results, report)


def open_report(out: Path, mode: WriteMode) -> AbstractContextManager[Results]:
    """The new folder `out` of a report, see `core.results`."""
    return open_results(out, "evaluate", mode, former=FILE_NAME)


def add_report(results: Results, report: Report) -> None:
    """Write the files of a report into results."""
    folder, results.num_read = results.folder, sum(report.provenance.data.splits.values())
    ran = report.provenance.model
    if ran is not None:
        results.model = {"id": ran.id, "engine": ran.engine, "precision": ran.precision}
    text = json.dumps(report.to_json(), indent=1, allow_nan=False) + "\n"
    (folder / FILE_NAME).write_text(text, encoding="utf-8")
    (folder / "report.html").write_text(render_report(report), encoding="utf-8")
    for name, content in report.attachments.items():
        with (folder / name).open("wb") as file:
            file.writelines(content)
