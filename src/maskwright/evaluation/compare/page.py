"""Comparison -> one HTML page that needs nothing else: no script, no network."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path

from ...core.atomic import into_folder
from ...pages.markup import NONE, swatch, table
from ...pages.page import Section, page
from ..drawing.charts import difference_bar
from ..drawing.gallery import Shot, gallery, legend
from ..drawing.markup import number, opening, terms
from ..drawing.wording import wording
from ..extremes import IGNORED_RGB
from .changes import Change
from .compare import ALPHA, Comparison, ImageChange
from .pictures import BOTH_WRONG_RGB, GAINED_RGB, LOST_RGB

_POINTS = "Differences are B − A in percentage points; small type and whiskers: 95 % interval."


def render_comparison(comparison: Comparison) -> str:
    """The page; all text from outside is escaped."""
    sections = [*_sections(comparison)]
    title = f"{_name(comparison, 'b')} against {_name(comparison, 'a')}"
    tiles = (_tile(name, change) for name, change in comparison.scores.items())
    return page(title, _subtitle(comparison), sections, opening=opening(sections, tiles))


def signed(change: Change) -> str:
    """B - A in percentage points, with its sign; `–` where it does not exist."""
    if math.isnan(change.difference):
        return NONE
    return points(change.difference)


def points(share: float) -> str:
    """A difference of shares in percentage points, with its sign and one decimal."""
    text = f"{100 * share:+.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", "−")


def p_value(p: float) -> str:
    """A p-value as a reader wants it."""
    if math.isnan(p):
        return NONE
    return f"{p:.4f}"


def _name(comparison: Comparison, side: str) -> str:
    """The name of a report's folder; its whole path where both have one name."""
    a, b = (folder.resolve() for folder in (comparison.a, comparison.b))
    chosen = a if side == "a" else b
    return str(chosen) if a.name == b.name else chosen.name


def _subtitle(comparison: Comparison) -> str:
    return (
        f"A is {comparison.a}, B is {comparison.b}. {comparison.num_images:,} images in "
        f"{comparison.num_groups:,} groups, {len(comparison.labels)} classes."
    )


def _tile(name: str, change: Change) -> str:
    interval = _interval(change)
    said = "" if interval is None else f"<small>95&nbsp;% interval {_ends(interval)}</small>"
    return (
        f'<div class="tile">{wording(name).name}, B − A<b>{signed(change)}</b>'
        f"<small>{number(_real(change.a))} to {number(_real(change.b))}, over the set</small>"
        f"{said}<small>p {p_value(change.p)}</small></div>"
    )


def _sections(comparison: Comparison) -> Iterator[Section]:
    yield Section("Verdict", "", _verdict(comparison))
    for measure in comparison.classes[0] if comparison.classes else ():
        note = f"{_POINTS} p corrected over the classes by Holm's method, over the set."
        table_ = _class_table(comparison, measure)
        yield Section(f"{wording(measure).name} of the classes", note, table_)
    for title, images in (
        ("Images that lost most", [i for i in comparison.images if i.difference < 0]),
        ("Images that gained most", [i for i in comparison.images if i.difference > 0]),
    ):
        note = (
            "By the mIoU of each image alone, over the classes that occur in its truth or its "
            "prediction. From – to 0.0 % is a class that B invents in the image; from 0.0 % to "
            "–, one that only A invents."
        )
        shown = _shots(comparison, images)
        yield Section(title, note, _image_table(title, images) + shown)
    notes = "".join(f"<p>{escape(note)}</p>" for note in comparison.notes)
    yield Section("Method", "", f"{notes}<dl>{''.join(terms(comparison.method()))}</dl>")


def _verdict(comparison: Comparison) -> str:
    """In words: what fell and what rose beyond chance."""
    fallen = comparison.worse
    risen = [name for name, change in _judged(comparison) if change.low > 0 and _sure(change)]
    said = [
        f"B is worse in {_list(fallen)}." if fallen else "B is not shown to be worse.",
        f"B is better in {_list(risen)}." if risen else "",
    ]
    rule = (
        f"Worse and better mean: mIoU, or the IoU of a class, whose 95&nbsp;% interval leaves "
        f"out 0 and whose p (of classes corrected) is below {ALPHA}."
    )
    return f'<p><b>{" ".join(filter(None, said))}</b></p><p class="soft">{rule}</p>'


def _judged(comparison: Comparison) -> Iterator[tuple[str, Change]]:
    yield "mIoU", comparison.scores["miou"]
    for entry, found in zip(comparison.labels, comparison.classes, strict=True):
        yield entry.name, found["iou"]


def _sure(change: Change) -> bool:
    return change.p_holm < ALPHA


def _list(names: Iterable[str]) -> str:
    return escape(", ".join(names))


def _class_table(comparison: Comparison, measure: str) -> str:
    found = [entry[measure] for entry in comparison.classes]
    reach = max(
        (abs(v) for c in found for v in (c.difference, c.low, c.high) if not math.isnan(v)),
        default=0.0,
    )
    rows = [
        f'<tr><th scope="row">{swatch(entry.color)}{escape(entry.name)}</th>'
        f'<td class="number">{number(_real(change.a))}</td>'
        f'<td class="number">{number(_real(change.b))}</td>'
        f"<td>{_bar(change, reach)}</td>"
        f'<td class="number">{p_value(change.p)}</td>'
        f'<td class="number">{p_value(change.p_holm)}</td><td>{_said(change)}</td></tr>'
        for entry, change in zip(comparison.labels, found, strict=True)
    ]
    heads = ("Class", "A", "B", "B − A", "p", "p corrected", "B is")
    return table(f"{wording(measure).name} of the classes", heads, rows, words=(0, 3, 6))


def _bar(change: Change, reach: float) -> str:
    interval = _interval(change)
    ends = "" if interval is None else f'<span class="spread">{_ends(interval)}</span>'
    return (
        f'<div class="barred">{difference_bar(_real(change.difference), interval, reach)}'
        f"<div><b>{signed(change)}</b>{ends}</div></div>"
    )


def _said(change: Change) -> str:
    if not _sure(change) or not (change.low > 0 or change.high < 0):
        return ""
    return "better" if change.low > 0 else "worse"


def _image_table(title: str, images: list[ImageChange]) -> str:
    rows = [
        f'<tr><th scope="row"><code>{escape(image.key)}</code></th>'
        f'<td class="number">{number(_real(image.a))}</td>'
        f'<td class="number">{number(_real(image.b))}</td>'
        f'<td class="number">{points(image.difference)}</td>'
        f'<td class="wrap">{_responsible(image)}</td></tr>'
        for image in images
    ]
    heads = ("Image", "mIoU A", "mIoU B", "B − A", "IoU of the classes that changed most")
    return table(title, heads, rows, words=(0, 4)) if rows else ""


def _responsible(image: ImageChange) -> str:
    return ", ".join(
        f"{escape(name)} {number(_real(a))} to {number(_real(b))}"
        for name, a, b in image.classes
    )


def _shots(comparison: Comparison, images: list[ImageChange]) -> str:
    shots = [
        Shot(
            key=image.key,
            said=f"{points(image.difference)} points",
            panels=comparison.pictures[image.key],
        )
        for image in images
        if image.key in comparison.pictures
    ]
    if not shots:
        return ""
    extra: Mapping[str, tuple[int, int, int]] = {
        "lost: right in A, wrong in B (striped)": LOST_RGB,
        "gained: wrong in A, right in B": GAINED_RGB,
        "wrong in both": BOTH_WRONG_RGB,
        "ignored": IGNORED_RGB,
    }
    side = "lost" if images[0].difference < 0 else "gained"
    return legend(comparison.labels, shots, extra) + gallery(side, shots)


def _interval(change: Change) -> tuple[float, float] | None:
    return None if math.isnan(change.low) else (change.low, change.high)


def _ends(interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{points(low)} to {points(high)}"


def _real(value: float) -> float | None:
    return None if math.isnan(value) else value


def write_comparison(comparison: Comparison, out: Path | str) -> None:
    """Write compare.json and compare.html into `out`, both or neither.

    Raises:
        OutputError: `out` cannot be written.
    """
    text = json.dumps(comparison.to_json(), indent=1, allow_nan=False) + "\n"
    page = render_comparison(comparison)
    with into_folder(Path(out)) as staging:
        (staging / "compare.json").write_text(text, encoding="utf-8")
        (staging / "compare.html").write_text(page, encoding="utf-8")
