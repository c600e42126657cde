"""Report -> one HTML page that needs nothing else: no script, no network, pictures inside.

Sections of what was not computed are left out.
"""

import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from ...core.atomic import into_folder
from ...core.report import Report
from ...pages.page import Section, page
from ..drawing.charts import Series, line_chart, reliability_chart, share_bars
from ..drawing.gallery import Shot, gallery, legend
from ..drawing.markup import number, opening, spread, terms
from ..drawing.wording import wording
from ..extremes import IGNORED_RGB, PANELS, WRONG_RGB
from ..slices import DISTANCE
from .matrix import confusion_svg
from .tables import (
    class_table,
    confusion_table,
    counts_table,
    curve_table,
    family_scores,
    largest_confusions,
    score_table,
    slice_table,
)

Document = dict[str, Any]

_TILES = {
    "miou": "mean over classes, over the set",
    "pixel_accuracy": "over the set",
    "image_mean_miou": "per image, then averaged",
    "mean_boundary_f1": "mean over classes, over the set",
    "frequency_weighted_iou": "over the set",
}
_NUM_TILES = 4
_NOTES = {
    "Boundaries": "How well the outlines of classes are drawn, over the set.",
    "Objects": "An object is one connected region of a class. Over the set.",
    "Surfaces": "How far the surfaces of truth and prediction lie apart.",
    "Confidence": "Whether the model is as sure as it is right, over the set.",
}
_NUM_STANDING_OUT = 3
_PARTS_OF_RELIABILITY = ("mean_confidence", "confidence_share")
_TWO_PARTS = ("recall_by_size", "precision_by_size")
"""What these leave to 100 % was missed, or invented."""


def render(report: Report) -> str:
    """The page; all text from outside is escaped."""
    document = report.to_json()
    data = document["provenance"].get("data", {})
    sections = [*_sections(document, report)]
    title = f"Evaluation of {data.get('name', 'predictions')}"
    above = opening(sections, _tiles(document))
    return page(title, _subtitle(document), sections, opening=above)


def _sections(document: Document, report: Report) -> Iterator[Section]:
    yield Section("What stands out", "", _facts(document))
    classes = class_table(document, "Regions") + _of_images(document, "Regions")
    yield Section("Classes", _rule(document), classes)
    yield Section("Slices, worst first", "", slice_table(document))
    note = (
        "A row is a class in truth, a column what was predicted there; each row adds up to "
        "100 %. The outlined diagonal is recall, all else is error."
    )
    yield Section("Confusion", note, _confusion(document, report))
    for family, about in _NOTES.items():
        found = family_scores(document, family) + _curves(document, family)
        found += class_table(document, family)
        details = _of_images(document, family) + _class_curves(document, family)
        yield Section(family, about, found + details)
    yield from _image_sections(report)
    yield Section("All scores", _method(document), score_table(document))
    made = dict(document["provenance"]) | {"settings": document.get("settings", {})}
    yield Section("Provenance", "", f"<dl>{''.join(terms(made))}</dl>")


def _subtitle(document: Document) -> str:
    data = document["provenance"].get("data", {})
    model = document["provenance"].get("model", {})
    splits = ", ".join(f"{name}: {num} images" for name, num in data.get("splits", {}).items())
    arch = model.get("arch", {})
    network = " on ".join(str(arch[k]) for k in ("name", "encoder") if k in arch)
    pieces = splits, network, f"model {model['id']}" if "id" in model else ""
    return " · ".join(piece for piece in pieces if piece)


def _tiles(document: Document) -> Iterator[str]:
    scores, intervals = document["scores"], document.get("intervals", {})
    for key in [key for key in _TILES if key in scores][:_NUM_TILES]:
        interval = intervals.get(key)
        said = f"<small>95&nbsp;% interval {spread(interval)}</small>" if interval else ""
        yield (
            f'<div class="tile">{wording(key).name}<b>{number(scores[key])}</b>'
            f"<small>{_TILES[key]}</small>{said}</div>"
        )


def _facts(document: Document) -> str:
    """The lowest classes, the largest confusion and the worst slice, in words."""
    scored = sorted((c["iou"], c["name"]) for c in document["classes"] if c["iou"] is not None)
    facts = []
    if len(scored) > _NUM_STANDING_OUT:
        lowest = ", ".join(
            f"{escape(name)} {number(iou)}" for iou, name in scored[:_NUM_STANDING_OUT]
        )
        facts.append(f"Lowest IoU: {lowest}.")
    for truth, said, share, _ in largest_confusions(document)[:1]:
        names = [escape(document["classes"][index]["name"]) for index in (truth, said)]
        facts.append(
            f"Largest confusion: {number(share)} of {names[0]} is predicted as {names[1]}."
        )
    slices = [part for part in document.get("slices", ()) if part["by"] != DISTANCE]
    if slices and slices[0]["miou"] is not None:
        worst = slices[0]
        facts.append(
            f"Worst slice: {escape(str(worst['by']))} {escape(str(worst['value']))} with mIoU "
            f"{number(worst['miou'])} on {worst['images']:,} images."
        )
    if document["absent_classes"]:
        facts.append(f"Neither in truth nor predicted: {_names(document['absent_classes'])}.")
    return f'<ul class="facts">{"".join(f"<li>{f}</li>" for f in facts)}</ul>' if facts else ""


def _names(names: list[str]) -> str:
    return escape(", ".join(names))


def _rule(document: Document) -> str:
    absent = document["absent_classes"]
    ending = f" Absent here: {', '.join(absent)}." if absent else " No class is absent here."
    rule: str = (
        "Over all pixels of the set at source resolution, ignored ones left out. "
        + document["absent_rule"]
        + " The same holds for the precision of a class that is never predicted."
        + ending
        + " Small type and whiskers: 95 % interval."
    )
    return rule


def _of_images(document: Document, family: str) -> str:
    table = class_table(document, family, of_images=True)
    return (
        f"<details><summary>Per image, then averaged</summary>{table}</details>"
        if table
        else ""
    )


def _method(document: Document) -> str:
    made = document.get("uncertainty")
    if not made:
        return ""
    return (
        f"Small type: 95 % interval. {made['method']}: {made['groups']:,} groups, "
        f"{made['replicates']:,} replicates."
    )


def _confusion(document: Document, report: Report) -> str:
    largest = confusion_table(document)
    listed = f'<div class="list"><h3>Largest confusions</h3>{largest}</div>' if largest else ""
    return (
        f'<div class="beside"><div class="scroll whole" role="region" tabindex="0" '
        f'aria-label="Confusion matrix">{confusion_svg(report.confusion, report.labels)}</div>'
        f"{listed}</div>"
    )


def _curves(document: Document, family: str) -> str:
    curves = document.get("curves", {})
    own = {key: curve for key, curve in curves.items() if wording(key).family == family}
    drawn = "".join(
        _reliability(curves) if key == "reliability" else _chart(key, curve)
        for key, curve in own.items()
        if wording(key).unit == "%" and key not in _PARTS_OF_RELIABILITY
    )
    counted = {key: curve for key, curve in own.items() if wording(key).unit != "%"}
    return (f'<div class="charts">{drawn}</div>' if drawn else "") + counts_table(counted)


def _chart(key: str, curve: Document) -> str:
    series = _series(key, curve)
    bars = wording(key).family == "Objects" and key.endswith(_TWO_PARTS)
    return _figure(key, share_bars(series) if bars else line_chart(series))


def _reliability(curves: Document) -> str:
    """The diagram, each bin at its mean confidence where that is known, with its share."""
    found = curves["reliability"]
    at = curves.get("mean_confidence", {}).get("values", found["at"])
    places = [
        middle if mean is None else mean for mean, middle in zip(at, found["at"], strict=True)
    ]
    shares = curves.get("confidence_share", {}).get("values", [])
    axis = found["axis"] + (" (%); bars: share of all pixels (%)" if shares else " (%)")
    series = _series("reliability", found | {"at": places, "axis": axis})
    return _figure("reliability", reliability_chart(series, shares))


def _series(key: str, curve: Document) -> Series:
    return Series(
        title=wording(key).name,
        axis=curve["axis"],
        at=curve["at"],
        values=curve["values"],
        intervals=curve.get("intervals") or [None] * len(curve["at"]),
    )


def _figure(key: str, drawn: str) -> str:
    words = wording(key)
    return (
        f"<figure><figcaption><b>{escape(words.name)}</b>{escape(words.says)}</figcaption>"
        f"{drawn}</figure>"
    )


def _class_curves(document: Document, family: str) -> str:
    return "".join(
        f"<details><summary>{escape(wording(key).name)}, class by class</summary>"
        f"{curve_table(key, curve, document['classes'])}</details>"
        for key, curve in document.get("class_curves", {}).items()
        if wording(key).family == family
    )


def _image_sections(report: Report) -> Iterator[Section]:
    extra = {"wrong": WRONG_RGB, "ignored": IGNORED_RGB}
    for rank in ("worst", "best"):
        shots = [
            Shot(
                key=image.key,
                said=f"mIoU {number(image.miou)}",
                panels={n: files[n] for n in PANELS if n in files},
            )
            for image in report.images
            if image.rank == rank and (files := report.pictures.get(image.key, {}))
        ]
        yield Section(
            f"{rank.capitalize()} images",
            "By the mIoU of each image alone. A click or Enter enlarges the pictures, arrow "
            "keys choose one, Escape closes. Numbers in the maps are those of the classes.",
            legend(report.labels, shots, extra) + gallery(f"{rank}-images", shots)
            if shots
            else "",
        )


def write_report(report: Report, out: Path | str) -> None:
    """Write report.json, report.html and images.csv into `out`, all or none.

    Raises:
        OutputError: `out` cannot be written.
    """
    document = report.to_json()
    page = render(report)
    with into_folder(Path(out)) as staging:
        text = json.dumps(document, indent=1, allow_nan=False) + "\n"
        (staging / "report.json").write_text(text, encoding="utf-8")
        (staging / "report.html").write_text(page, encoding="utf-8")
        for name, content in report.attachments.items():
            with (staging / name).open("wb") as file:
                file.writelines(content)
