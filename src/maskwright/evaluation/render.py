"""Report -> one HTML page that needs nothing else: no script, no network, pictures inside."""

import base64
from collections.abc import Iterator, Mapping
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from ..core.labels import LabelSpec
from ..core.report import Report
from .extremes import IGNORED_RGB, PANELS, WRONG_RGB
from .matrix import confusion_svg

_SCORES = {
    "miou": "mIoU",
    "mean_dice": "Mean Dice",
    "pixel_accuracy": "Pixel accuracy",
    "frequency_weighted_iou": "Frequency-weighted IoU",
}
_COLUMNS = {"iou": "IoU", "dice": "Dice", "precision": "Precision", "recall": "Recall"}
_JPEG, _PNG = b"\xff\xd8", b"\x89P"


def render(report: Report) -> str:
    """The page; all text from outside is escaped."""
    document = report.to_json()
    page = files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    data = document["provenance"].get("data", {})
    return Template(page).substitute(
        title=f"Evaluation of {escape(str(data.get('name', 'a model')))}",
        subtitle=_subtitle(document),
        tiles="".join(_tile(document["scores"][key], name) for key, name in _SCORES.items()),
        rule=_rule(document),
        classes=_class_table(document["classes"]),
        confusion=confusion_svg(report.confusion, report.labels),
        images=_image_sections(report),
        provenance="".join(_terms(document["provenance"])),
    )


def _subtitle(document: dict[str, Any]) -> str:
    data = document["provenance"].get("data", {})
    model = document["provenance"].get("model", {})
    splits = ", ".join(f"{name}: {num} images" for name, num in data.get("splits", {}).items())
    arch = model.get("arch", {})
    network = " on ".join(str(arch[k]) for k in ("name", "encoder") if k in arch)
    pieces = splits, network, f"model {model['id']}" if "id" in model else ""
    return escape(" · ".join(piece for piece in pieces if piece))


def _tile(value: float | None, name: str) -> str:
    return f'<div class="tile">{name}<b>{_percent(value)}</b></div>'


def _rule(document: dict[str, Any]) -> str:
    absent = document["absent_classes"]
    ending = f" Absent here: {', '.join(absent)}." if absent else " No class is absent here."
    return escape(
        "Over all pixels of the split at source resolution, ignored ones left out. "
        + document["absent_rule"]
        + " The same holds for the precision of a class that is never predicted."
        + ending
    )


def _class_table(classes: list[dict[str, Any]]) -> str:
    total_px = max(1, sum(c["truth_px"] for c in classes))
    heads = "".join(f"<th>{name}</th>" for name in _COLUMNS.values())
    rows = "".join(_class_row(c, c["truth_px"] / total_px) for c in classes)
    return (
        f'<table><thead><tr><th>Class</th>{heads}<th class="number">Share of truth</th></tr>'
        f"</thead><tbody>{rows}</tbody></table>"
    )


def _class_row(entry: dict[str, Any], share: float) -> str:
    cells = "".join(f'<td class="{key}">{_bar(entry[key])}</td>' for key in _COLUMNS)
    return (
        f'<tr><td class="name">{_swatch(entry["color"])}{escape(entry["name"])}</td>{cells}'
        f'<td class="number">{100 * share:.2f}&nbsp;%</td></tr>'
    )


def _bar(value: float | None) -> str:
    width = 0 if value is None else 100 * value
    return f'<span class="bar"><i style="width:{width:.1f}%"></i></span>{_percent(value)}'


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}&nbsp;%"


def _swatch(rgb: Any) -> str:
    red, green, blue = (int(v) for v in rgb)
    return f'<span class="swatch" style="background:rgb({red},{green},{blue})"></span>'


def _image_sections(report: Report) -> str:
    legend = _legend(report.labels)
    sections = []
    for rank in ("worst", "best"):
        images = [i for i in report.images if i.get("rank") == rank]
        shown = "".join(_figure(i, report.pictures.get(i["key"], {})) for i in images)
        if shown:
            sections.append(
                f"<section><h2>{rank.capitalize()} images</h2>"
                f'<p class="soft">By the mIoU of each image alone.</p>{legend}{shown}</section>'
            )
    return "".join(sections)


def _legend(labels: LabelSpec) -> str:
    entries = [(c.color, c.name) for c in labels]
    entries += [(WRONG_RGB, "wrong"), (IGNORED_RGB, "ignored")]
    items = "".join(f"<span>{_swatch(rgb)}{escape(name)}</span>" for rgb, name in entries)
    return f'<div class="legend">{items}</div>'


def _figure(image: dict[str, Any], panels: Mapping[str, bytes]) -> str:
    key = escape(image["key"])
    shown = "".join(
        f'<div><img src="{_data_uri(panels[name])}" alt="{name} of {key}">{name}</div>'
        for name in PANELS
        if name in panels
    )
    return (
        f"<figure><figcaption><code>{key}</code><b>mIoU {_percent(image['miou'])}</b>"
        f'</figcaption><div class="panels">{shown}</div></figure>'
    )


def _data_uri(content: bytes) -> str:
    kind = {_JPEG: "jpeg", _PNG: "png"}[content[:2]]
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _terms(document: Any, prefix: str = "") -> Iterator[str]:
    """A flat list of terms for nested objects: `versions.torch`."""
    for key, value in document.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _terms(value, f"{name}.")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            yield f"<dt>{escape(name)}</dt><dd><code>{escape(text)}</code></dd>"
