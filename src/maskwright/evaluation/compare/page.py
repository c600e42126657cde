"""Comparison -> one HTML page that needs nothing else: no script, no network."""

import json
import math
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path

from ...core.results import NEW, Results, WriteMode, open_results
from ...pages.markup import render_class, render_code, render_number, render_table, render_terms
from ...pages.page import Section, render_opening, render_page, render_tile
from ...pages.text import format_number, format_points
from ..drawing.charts import draw_difference_bar
from ..drawing.gallery import Shot, render_gallery
from ..drawing.markup import render_score
from ..drawing.wording import wording
from ..extremes import IGNORED_RGB
from .changes import ScoreChange
from .compare import Comparison, ImageChange
from .permutation import ALPHA
from .pictures import BOTH_WRONG_RGB, GAINED_RGB, LOST_RGB

_POINTS = "Differences are B − A in percentage points; small type and whiskers: 95 % interval."


def render_comparison(comparison: Comparison) -> str:
    """The page; all text from outside is escaped."""
    sections = [*_sections(comparison)]
    title = f"{_name(comparison, 'b')} against {_name(comparison, 'a')}"
    tiles = (_tile(name, change) for name, change in comparison.scores.items())
    return render_page(
        title, _subtitle(comparison), sections, opening=render_opening(sections, tiles)
    )


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


def _tile(name: str, change: ScoreChange) -> str:
    ends = _ends(change)
    return render_tile(
        f"{wording(name).name}, B − A",
        _points(change.difference),
        f"{render_score(change.a)} to {render_score(change.b)}, over the set",
        f"95&nbsp;% interval {ends}" if ends else "",
        f"p {_p_value(change.p)}, corrected {_p_value(change.p_corrected)}",
    )


def _sections(comparison: Comparison) -> Iterator[Section]:
    kind = "verdict fails" if comparison.worse else "verdict" if comparison.better else ""
    yield Section("Verdict", "", _verdict(comparison), kind)
    for measure in comparison.classes[0] if comparison.classes else ():
        note = (
            f"{_POINTS} p corrected over the classes and their mean by step-down max-|d| "
            f"(Westfall and Young 1993), over the set."
        )
        table = _class_table(comparison, measure)
        yield Section(f"{wording(measure).name} of the classes", note, table)
    for name, images in (
        ("lost", [i for i in comparison.images if i.difference < 0]),
        ("gained", [i for i in comparison.images if i.difference > 0]),
    ):
        title = f"Images that {name} most"
        note = (
            "By the mIoU of each image alone, over the classes that its truth holds. From – to "
            "0.0 %: a class that is not in the image and that only B predicts; from 0.0 % to "
            "–: one that only A predicts."
        )
        gallery = _gallery(comparison, name, images)
        yield Section(title, note, _image_table(title, images) + gallery)
    yield Section("Method", "", render_terms(comparison.method()))


def _verdict(comparison: Comparison) -> str:
    """The scores that fell and those that rose beyond chance, in words."""
    fallen = comparison.worse
    risen = comparison.better
    verdicts = [
        f"B is worse in {_list(fallen)}." if fallen else "B is not shown to be worse.",
        f"B is better in {_list(risen)}." if risen else "",
    ]
    rule = (
        f"Worse and better mean: mIoU, or the IoU of a class, whose corrected p is below "
        f"{ALPHA}. If A and B are equal, this happens in at most 5&nbsp;% of comparisons."
    )
    notes = "".join(f"<p>{escape(note)}</p>" for note in comparison.notes)
    return f'<p><b>{" ".join(filter(None, verdicts))}</b></p><p class="soft">{rule}</p>{notes}'


def _list(names: Iterable[str]) -> str:
    return escape(", ".join(names))


def _class_table(comparison: Comparison, measure: str) -> str:
    changes = [entry[measure] for entry in comparison.classes]
    reach = max(
        (abs(v) for c in changes for v in (c.difference, c.low, c.high) if not math.isnan(v)),
        default=0.0,
    )
    rows = [
        (
            render_class(entry.color, entry.name),
            render_score(change.a),
            render_score(change.b),
            _bar(change, reach),
            _p_value(change.p),
            _p_value(change.p_corrected),
            format_number(groups),
            _judge(change),
        )
        for entry, change, groups in zip(
            comparison.labels, changes, comparison.truth_groups, strict=True
        )
    ]
    heads = ("Class", "A", "B", "B − A", "p", "p corrected", "Groups with it", "B is")
    return render_table(f"{wording(measure).name} of the classes", heads, rows, words=(0, 3, 7))


def _bar(change: ScoreChange, reach: float) -> str:
    ends = _ends(change)
    spread = f'<span class="spread">{ends}</span>' if ends else ""
    return (
        f'<div class="barred">{draw_difference_bar(change.estimate, reach)}'
        f"<div><b>{_points(change.difference)}</b>{spread}</div></div>"
    )


def _judge(change: ScoreChange) -> str:
    if change.rose:
        return '<span class="passed">better</span>'
    return '<span class="failed">worse</span>' if change.fell else ""


def _image_table(title: str, images: list[ImageChange]) -> str:
    rows = [
        (
            render_code(image.key),
            render_score(image.a),
            render_score(image.b),
            _points(image.difference),
            _responsible(image),
        )
        for image in images
    ]
    heads = ("Image", "mIoU A", "mIoU B", "B − A", "IoU of the classes that changed most")
    return render_table(title, heads, rows, wrapped=(4,))


def _responsible(image: ImageChange) -> str:
    return ", ".join(
        f"{escape(name)} {render_score(a)} to {render_score(b)}" for name, a, b in image.classes
    )


def _gallery(comparison: Comparison, name: str, images: list[ImageChange]) -> str:
    shots = [
        Shot(
            key=image.key,
            note=f"{_points(image.difference)} points",
            panels=comparison.pictures[image.key],
        )
        for image in images
        if image.key in comparison.pictures
    ]
    marks = {
        "lost: right in A, wrong in B (striped)": LOST_RGB,
        "gained: wrong in A, right in B": GAINED_RGB,
        "wrong in both": BOTH_WRONG_RGB,
        "ignored": IGNORED_RGB,
    }
    return render_gallery(name, shots, comparison.labels, marks)


def _ends(change: ScoreChange) -> str:
    """The interval of B - A in points; "" where there is none."""
    if math.isnan(change.low):
        return ""
    belongs = "" if math.isnan(change.interval_of) else f" of {_points(change.interval_of)}"
    return f"{_points(change.low)} to {_points(change.high)}{belongs}"


def _points(share: float) -> str:
    return render_number(format_points(share))


def _p_value(p: float) -> str:
    return render_number(format_number(p, 4))


def write_comparison(comparison: Comparison, out: Path | str, mode: WriteMode = NEW) -> None:
    """Write compare.json and compare.html to the new folder `out`, both or neither.

    Raises:
        OutputError: `out` exists and `mode` does not replace it, or it cannot be written.
    """
    with open_results(Path(out), "compare", mode) as results:
        add_comparison(results, comparison)


def add_comparison(results: Results, comparison: Comparison) -> None:
    """Write the files of a comparison into results."""
    folder, results.num_read = results.folder, comparison.num_images
    text = json.dumps(comparison.to_json(), indent=1, allow_nan=False) + "\n"
    (folder / "compare.json").write_text(text, encoding="utf-8")
    (folder / "compare.html").write_text(render_comparison(comparison), encoding="utf-8")
