"""Difference of two versions of a data set -> a page and a few lines of text."""

import json
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path

from ...core.atomic import into_folder
from ...pages.markup import swatch, table
from ...pages.page import Section, page
from ...pages.pictures import indexed_png, jpeg
from ..drawing.gallery import Shot, gallery, legend
from ..extremes import WRONG_RGB, marked, panel_colors
from .diff import Changed, Difference

_MOST_KEYS, _MOST_MOVES = 200, 50


def write_difference(difference: Difference, out: Path | str) -> None:
    """Write diff.json and diff.html into `out`, both or neither.

    Raises:
        OutputError: `out` cannot be written.
    """
    text = json.dumps(difference.to_json(), indent=1, allow_nan=False) + "\n"
    with into_folder(Path(out)) as staging:
        (staging / "diff.json").write_text(text, encoding="utf-8")
        (staging / "diff.html").write_text(render_difference(difference), encoding="utf-8")


def render_difference(difference: Difference) -> str:
    """The page; all text from outside is escaped."""
    return page(
        f"{Path(difference.b).name} against {Path(difference.a).name}",
        f"A is {difference.a}, B is {difference.b}. {difference.num_both:,} images in both.",
        _sections(difference),
    )


def summary(difference: Difference) -> str:
    """What changed, in a few lines."""
    if difference.same:
        return f"no difference: {difference.num_both:,} images"
    lines = [
        f"{kind} {what}: {len(found):,} ({_few(found)})"
        for kind, changes in (("classes", difference.classes), ("images", difference.images))
        for what, found in changes.items()
        if found
    ]
    total = int(difference.moved_CC.sum())
    if difference.changed_px:
        share = f"{100 * difference.changed_px / total:.3g} %"
        lines.append(f"pixels changed: {difference.changed_px:,} of {total:,} ({share})")
    lines += [
        f"  {move['from']} -> {move['to']}: {move['pixels']:,} px"
        for move in difference.moves()[:10]
    ]
    return "\n".join(lines)


def _few(found: Iterable[str]) -> str:
    names = list(found)
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _sections(difference: Difference) -> Iterator[Section]:
    lines = (f"<li>{escape(line)}</li>" for line in summary(difference).splitlines())
    yield Section("What changed", "", f"<ul>{''.join(lines)}</ul>")
    note = "Pixels of the images that are in both versions with labels of one size."
    yield Section("Classes", note, _class_table(difference))
    yield Section("From class to class", "", _move_table(difference))
    shots = [_shot(difference, image) for image in difference.worst]
    shown = legend(difference.labels, shots, {"changed": WRONG_RGB}) if shots else ""
    yield Section("Images that changed most", "By pixels.", shown + gallery("changed", shots))
    yield Section("Images by name", "", _image_table(difference))


def _class_table(difference: Difference) -> str:
    color_of = {entry.name: swatch(entry.color) for entry in difference.labels}
    rows = [
        f'<tr><th scope="row">{color_of.get(found["name"], "")}{escape(found["name"])}</th>'
        + "".join(f'<td class="number">{found[k]:,}</td>' for k in ("a", "b", "gained", "lost"))
        + "</tr>"
        for found in difference.by_class()
    ]
    heads = ("Class", "px in A", "px in B", "gained", "lost")
    return table("Pixels by class", heads, rows) if rows else ""


def _move_table(difference: Difference) -> str:
    rows = [
        f'<tr><th scope="row">{escape(move["from"])}</th><td>{escape(move["to"])}</td>'
        f'<td class="number">{move["pixels"]:,}</td></tr>'
        for move in difference.moves()[:_MOST_MOVES]
    ]
    return table("From class to class", ("A", "B", "px"), rows, words=(0, 1)) if rows else ""


def _image_table(difference: Difference) -> str:
    rows = [
        f'<tr><th scope="row"><code>{escape(key)}</code></th><td>{escape(what)}</td></tr>'
        for what, keys in difference.images.items()
        for key in keys[:_MOST_KEYS]
    ]
    left_out = sum(max(0, len(keys) - _MOST_KEYS) for keys in difference.images.values())
    more = f"<p>and {left_out:,} more; diff.json lists all</p>" if left_out else ""
    return table("Images by name", ("Image", "is"), rows, words=(0, 1)) + more if rows else ""


def _shot(difference: Difference, image: Changed) -> Shot:
    colors = panel_colors(difference.labels.palette)
    changed_hw = image.a_hw != image.b_hw
    return Shot(
        key=image.key,
        said=f"{image.changed:,} px ({100 * image.changed / image.pixels:.3g} %)",
        panels={
            "A": indexed_png(image.a_hw, colors),
            "B": indexed_png(image.b_hw, colors),
            "change": jpeg(marked(colors[image.a_hw], {WRONG_RGB: changed_hw})),
        },
    )
