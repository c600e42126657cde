"""Difference of two versions of a dataset -> one HTML page, and a few lines of text."""

import json
from collections.abc import Iterator
from html import escape
from pathlib import Path

from ...core.results import NEW, Results, WriteMode, open_results
from ...pages.markup import render_class, render_code, render_table
from ...pages.page import Section, render_page
from ...pages.pictures import encode_indexed_png, encode_jpeg
from ...pages.text import format_number, format_small_share, list_names
from ..drawing.gallery import Shot, render_gallery
from ..extremes import WRONG_RGB, draw_marks, panel_colors
from .diff import ChangedImage, Difference

_MOST_KEYS, _MOST_MOVES, _MOST_MOVES_IN_TEXT = 200, 50, 10


def write_difference(difference: Difference, out: Path | str, mode: WriteMode = NEW) -> None:
    """Write diff.json and diff.html to the new folder `out`, both or neither.

    Raises:
        OutputError: `out` exists and `mode` does not replace it, or it cannot be written.
    """
    with open_results(Path(out), "diff", mode) as results:
        add_difference(results, difference)


def add_difference(results: Results, difference: Difference) -> None:
    """Write the files of a difference into results."""
    folder, results.num_read = results.folder, difference.num_both
    text = json.dumps(difference.to_json(), indent=1, allow_nan=False) + "\n"
    (folder / "diff.json").write_text(text, encoding="utf-8")
    (folder / "diff.html").write_text(render_difference(difference), encoding="utf-8")


def render_difference(difference: Difference) -> str:
    """The page; all text from outside is escaped."""
    return render_page(
        f"{Path(difference.b).name} against {Path(difference.a).name}",
        f"A is {difference.a}, B is {difference.b}. {difference.num_both:,} images in both.",
        _sections(difference),
    )


def summarize(difference: Difference) -> str:
    """What changed, in a few lines of text."""
    if difference.same:
        return f"no difference: {difference.num_both:,} images"
    lines = [
        f"{kind} {what}: {len(names):,} ({list_names(names)})"
        for kind, changes in (("classes", difference.classes), ("images", difference.images))
        for what, names in changes.items()
        if names
    ]
    total = int(difference.moved_CC.sum())
    if difference.changed_px:
        share = format_small_share(difference.changed_px / total)
        lines.append(f"pixels changed: {difference.changed_px:,} of {total:,} ({share})")
    lines += [
        f"  {move.before} -> {move.after}: {move.num_px:,} px"
        for move in difference.moves()[:_MOST_MOVES_IN_TEXT]
    ]
    return "\n".join(lines)


def _sections(difference: Difference) -> Iterator[Section]:
    lines = [line for line in summarize(difference).splitlines() if not line.startswith(" ")]
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    yield Section("What changed", "", f'<ul class="facts">{items}</ul>')
    note = "Pixels of the images that are in both versions with labels of one size."
    yield Section("Classes", note, _class_table(difference))
    yield Section("From class to class", "", _move_table(difference))
    shots = [_shot(difference, image) for image in difference.worst]
    gallery = render_gallery("changed", shots, difference.labels, {"changed": WRONG_RGB})
    yield Section("Images that changed most", "By pixels.", gallery)
    yield Section("Images by name", "", _image_table(difference))


def _class_table(difference: Difference) -> str:
    rows = [
        (
            _render_name(difference, pixels.name),
            *map(format_number, (pixels.a, pixels.b, pixels.gained, pixels.lost)),
        )
        for pixels in difference.by_class()
    ]
    return render_table(
        "Pixels by class", ("Class", "px in A", "px in B", "Gained", "Lost"), rows
    )


def _render_name(difference: Difference, name: str) -> str:
    colors = (entry.color for entry in difference.labels if entry.name == name)
    color = next(colors, None)
    return escape(name) if color is None else render_class(color, name)


def _move_table(difference: Difference) -> str:
    rows = [
        (
            _render_name(difference, move.before),
            _render_name(difference, move.after),
            format_number(move.num_px),
        )
        for move in difference.moves()[:_MOST_MOVES]
    ]
    return render_table("From class to class", ("In A", "In B", "Pixels"), rows, words=(0, 1))


def _image_table(difference: Difference) -> str:
    rows = [
        (render_code(key), escape(what))
        for what, keys in difference.images.items()
        for key in keys[:_MOST_KEYS]
    ]
    left_out = sum(max(0, len(keys) - _MOST_KEYS) for keys in difference.images.values())
    more = f"<p>and {left_out:,} more; diff.json lists all</p>" if left_out else ""
    return render_table("Images by name", ("Image", "Change"), rows, words=(0, 1)) + more


def _shot(difference: Difference, image: ChangedImage) -> Shot:
    colors = panel_colors(difference.labels.palette)
    changed_hw = image.a_hw != image.b_hw
    return Shot(
        key=image.key,
        note=f"{image.changed_px:,} px ({format_small_share(image.changed_px / image.num_px)})",
        panels={
            "A": encode_indexed_png(image.a_hw, colors),
            "B": encode_indexed_png(image.b_hw, colors),
            "change": encode_jpeg(draw_marks(colors[image.a_hw], {WRONG_RGB: changed_hw})),
        },
    )
