"""The tables of a report page: all scores, classes by family, slices, largest confusions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from ...pages.markup import NONE, swatch, table
from ..drawing.charts import interval_bar
from ..drawing.markup import number, spread
from ..drawing.wording import FAMILIES, IMAGE_PREFIX, wording

Document = Mapping[str, Any]

_NOT_SCORES = {"name", "color", "truth_px", "predicted_px", "intervals"}
_BARRED = {"iou", "boundary_f1", "object_recall", "calibration_error"}
"""The score of each family that comes first, as a bar."""
_NUM_CONFUSIONS = 10
_NUM_FALLEN = 3
_BY_SIZE = ", by size"
_LEAST_SHARE = 0.001
"""A confusion of less than a thousandth of its row is not worth a line."""


def score_table(document: Document) -> str:
    """Every score of the set with its interval, beside the same averaged over images."""
    scores, intervals = document["scores"], document.get("intervals", {})
    names = list(dict.fromkeys(key.removeprefix(IMAGE_PREFIX) for key in scores))
    rows: list[str] = []
    for family in FAMILIES:
        listed = [name for name in names if wording(name).family == family]
        if listed:
            rows.append(f'<tr class="kin"><th colspan="3" scope="rowgroup">{family}</th></tr>')
        for name in listed:
            words = wording(name)
            says = f"<small>{escape(words.says)}</small>" if words.says else ""
            cells = "".join(
                _number_cell(scores.get(key), intervals.get(key), words.unit)
                if key in scores
                else "<td></td>"
                for key in (name, IMAGE_PREFIX + name)
            )
            rows.append(f'<tr><th scope="row">{escape(words.name)}{says}</th>{cells}</tr>')
    heads = ("Score", "Over the set", "Per image, then averaged")
    return table("All scores", heads, rows)


def family_scores(document: Document, family: str) -> str:
    """The scores of one family over the set, in one line."""
    intervals = document.get("intervals", {})
    items = [
        f"<li>{escape(wording(key).name)} <b>{number(value, wording(key).unit)}</b>"
        f"{spread(intervals.get(key), wording(key).unit)}</li>"
        for key, value in document["scores"].items()
        if not _is_of_images(key) and wording(key).family == family
    ]
    return f'<ul class="figures">{"".join(items)}</ul>' if items else ""


def class_table(document: Document, family: str, *, of_images: bool = False) -> str:
    """One line a class with its scores of one family; empty where none was computed."""
    classes = document["classes"]
    keys = [key for key in _class_keys(classes, family) if _is_of_images(key) == of_images]
    if not keys:
        return ""
    total_px = max(1, sum(c["truth_px"] for c in classes))
    shares = family == "Regions" and not of_images
    first, *others = keys
    barred = wording(first).unit == "%"
    heads = ["Class", *(wording(key).name for key in keys)]
    heads += ["Share of truth"] if shares else []
    rows = []
    for entry in classes:
        cells = _barred(entry, first) if barred else _plain(entry, first)
        cells += "".join(_plain(entry, key) for key in others)
        if shares:
            cells += f'<td class="number">{100 * entry["truth_px"] / total_px:.2f}&nbsp;%</td>'
        rows.append(f"<tr>{_class_head(entry)}{cells}</tr>")
    caption = f"{family}, by class" + (", per image and then averaged" if of_images else "")
    return table(caption, heads, rows, words=range(1 + barred))


def slice_table(document: Document) -> str:
    """The parts of the set, worst first, with the classes that fall most below the whole."""
    whole = {c["name"]: c["iou"] for c in document["classes"]}
    rows = [
        f'<tr><th scope="row">{escape(str(part["by"]))}: {escape(str(part["value"]))}</th>'
        f"<td>{bar_cell(part['miou'], part.get('interval'))}</td>"
        f'<td class="number">{part["images"]:,}</td>'
        f'<td class="wrap">{_fallen(part["classes"], whole)}</td></tr>'
        for part in document.get("slices", ())
    ]
    heads = (
        "Slice",
        "mIoU over the slice",
        "Images",
        "IoU furthest below the whole set",
    )
    return table("Slices, worst first", heads, rows, words=(0, 1, 3)) if rows else ""


def confusion_table(document: Document) -> str:
    """The largest confusions, by share of the pixels of a class."""
    classes = document["classes"]
    rows = [
        f"<tr>{_class_head(classes[truth])}<td>{swatch(classes[said]['color'])}"
        f"{escape(classes[said]['name'])}</td>"
        f'<td class="number">{number(share)}</td><td class="number">{count:,}</td></tr>'
        for truth, said, share, count in largest_confusions(document)
    ]
    heads = ("Class in truth", "Said instead", "Share of its pixels", "Pixels")
    return table("Largest confusions", heads, rows, words=(0, 1)) if rows else ""


def largest_confusions(document: Document) -> list[tuple[int, int, float, int]]:
    """Index in truth, index predicted, share of the pixels of the first, and pixels."""
    counts_CC = np.array(document["confusion"], np.int64)
    share_CC = counts_CC / np.maximum(1, counts_CC.sum(axis=1, keepdims=True))
    np.fill_diagonal(share_CC, 0)
    order = np.argsort(-share_CC, axis=None, kind="stable")[:_NUM_CONFUSIONS]
    pairs = [divmod(int(place), len(counts_CC)) for place in order]
    return [
        (truth, said, float(share_CC[truth, said]), int(counts_CC[truth, said]))
        for truth, said in pairs
        if share_CC[truth, said] >= _LEAST_SHARE
    ]


def curve_table(title: str, curve: Document, classes: Sequence[Document]) -> str:
    """A curve a class as a table: a line a class, a column a place on the axis."""
    unit = wording(title).unit
    rows = []
    for entry in classes:
        cells = _curve_cells(curve["classes"][entry["name"]], unit)
        rows.append(f"<tr>{_class_head(entry)}{''.join(cells)}</tr>")
    heads = ["Class", *(_place(at) for at in curve["at"])]
    caption = f"{wording(title).name}, by {curve['axis']}"
    return table(caption, heads, rows)


def counts_table(curves: Mapping[str, Document]) -> str:
    """Curves that are no shares, as columns beside each other; all have the same places."""
    if not curves:
        return ""
    first = next(iter(curves.values()))
    columns = [list(_curve_cells(c, wording(key).unit)) for key, c in curves.items()]
    rows = [
        f'<tr><th scope="row">{escape(_place(at))}</th>{"".join(cells)}</tr>'
        for at, cells in zip(first["at"], zip(*columns, strict=True), strict=True)
    ]
    names = (wording(key).name.removesuffix(_BY_SIZE) for key in curves)
    heads = (first["axis"].capitalize(), *names)
    return table(f"Numbers by {first['axis']}", heads, rows)


def bar_cell(value: float | None, interval: Sequence[float] | None) -> str:
    """A bar with its number and interval beside it."""
    return (
        f'<div class="barred">{interval_bar(value, interval)}'
        f"<div><b>{number(value)}</b>{spread(interval)}</div></div>"
    )


def _class_keys(classes: Sequence[Document], family: str) -> list[str]:
    keys = dict.fromkeys(key for entry in classes for key in entry)
    found = [k for k in keys if k not in _NOT_SCORES and wording(k).family == family]
    return sorted(found, key=lambda key: key.removeprefix(IMAGE_PREFIX) not in _BARRED)


def _is_of_images(key: str) -> bool:
    return key.startswith(IMAGE_PREFIX)


def _class_head(entry: Document) -> str:
    return f'<th scope="row">{swatch(entry["color"])}{escape(entry["name"])}</th>'


def _barred(entry: Document, key: str) -> str:
    return f"<td>{bar_cell(entry.get(key), _interval(entry, key))}</td>"


def _plain(entry: Document, key: str) -> str:
    return _number_cell(entry.get(key), _interval(entry, key), wording(key).unit)


def _interval(entry: Document, key: str) -> Sequence[float] | None:
    found: Sequence[float] | None = entry.get("intervals", {}).get(key)
    return found


def _number_cell(value: float | None, interval: Sequence[float] | None, unit: str) -> str:
    return f'<td class="number">{number(value, unit)}{spread(interval, unit)}</td>'


def _fallen(part: Mapping[str, float | None], whole: Mapping[str, float | None]) -> str:
    """The classes furthest below their IoU over the whole set, with that fall."""
    falls = [
        (iou - reference, name, iou)
        for name, iou in part.items()
        if iou is not None and (reference := whole.get(name)) is not None and iou < reference
    ]
    said = [
        f"{escape(name)} {number(iou)} (−{-100 * fall:.1f})"
        for fall, name, iou in sorted(falls)[:_NUM_FALLEN]
    ]
    return ", ".join(said) or NONE


def _curve_cells(curve: Document, unit: str) -> Iterator[str]:
    intervals: Iterable[Any] = curve.get("intervals") or [None] * len(curve["values"])
    for value, interval in zip(curve["values"], intervals, strict=True):
        yield _number_cell(value, interval, unit)


def _place(at: float | str) -> str:
    return at if isinstance(at, str) else f"{at:g}"
