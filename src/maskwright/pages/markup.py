"""Pieces of HTML that pages share: numbers, tables, legends, lists of terms, pictures as data.

Text from outside (names, keys) is escaped here, or by the caller where an argument is HTML.
"""

import base64
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

_JPEG, _PNG, _SVG = b"\xff\xd8", b"\x89P", b"<s"


def render_number(text: str) -> str:
    """A formatted number as HTML: a full minus sign, no line break before the unit."""
    return escape(text).replace("-", "−").replace(" ", "&nbsp;")


def render_table(
    caption: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    words: Collection[int] = (0,),
    wrapped: Collection[int] = (),
) -> str:
    """A table that scrolls on its own, one row per sequence of cells; "" where there is no row.

    Caption and heads are text, cells are HTML. The first cell names its row; a row of that cell
    alone is a heading above the rows that follow it. Columns hold numbers, except those of
    `words` and `wrapped`; the latter may break their lines. In a narrow window each row is a
    block: the first cell above, then the others, each under the head of its column.
    """
    kinds = ["" if i in words else ' class="number"' for i in range(len(heads))]
    for index in wrapped:
        kinds[index] = ' class="wrap"'
    lines = "".join(_row(cells, heads, kinds) for cells in rows)
    if not lines:
        return ""
    return frame_table(caption, heads, lines, words=[*words, *wrapped], kind="rows")


def frame_table(
    caption: str,
    heads: Sequence[str],
    lines: str,
    *,
    words: Collection[int] = (0,),
    kind: str = "grid",
) -> str:
    """A table like `render_table` around `lines`, which are whole <tr> elements.

    A table of the `kind` "rows" has the head of its column in each cell (`data-head`).
    """
    cells = "".join(
        f'<th scope="col"{"" if i in words else " class=number"}>{escape(head)}</th>'
        for i, head in enumerate(heads)
    )
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(caption)}">'
        f'<table class="{kind}"><caption class="unseen">{escape(caption)}</caption>'
        f"<thead><tr>{cells}</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def _row(cells: Sequence[str], heads: Sequence[str], kinds: Sequence[str]) -> str:
    head, *others = cells
    if not others and len(kinds) > 1:
        return f'<tr class="kin"><th colspan="{len(kinds)}" scope="rowgroup">{head}</th></tr>'
    columns = zip(kinds[1:], heads[1:], others, strict=True)
    return (
        f'<tr><th scope="row">{head}</th>'
        + "".join(
            f'<td{kind} data-head="{escape(title)}">{cell}</td>'
            for kind, title, cell in columns
        )
        + "</tr>"
    )


def render_swatch(rgb: Iterable[int]) -> str:
    """A small square in a class colour; its name is always beside it."""
    red, green, blue = (int(v) for v in rgb)
    return f'<span class="swatch" style="background:rgb({red},{green},{blue})"></span>'


def render_class(rgb: Iterable[int], name: str) -> str:
    """The name of a class (text) after the square in its colour."""
    return render_swatch(rgb) + escape(name)


def render_legend(entries: Iterable[tuple[Iterable[int], str]]) -> str:
    """Colours and their names (text)."""
    items = "".join(f"<li>{render_class(rgb, name)}</li>" for rgb, name in entries)
    return f'<ul class="legend">{items}</ul>'


def render_code(text: str) -> str:
    """A key, a path or a setting (text) in a font of equal widths."""
    return f"<code>{escape(text)}</code>"


def render_terms(document: Mapping[str, Any]) -> str:
    """A flat list of the settings in nested objects: `versions.torch` and its value."""
    return f"<dl>{''.join(_terms(document))}</dl>"


def _terms(document: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in document.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _terms(value, f"{name}.")
        else:
            yield f"<dt>{escape(name)}</dt><dd>{render_code(_text(value))}</dd>"


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)


def data_uri(content: bytes) -> str:
    """A JPEG, PNG or SVG file as text that a page can hold."""
    kind = {_JPEG: "jpeg", _PNG: "png", _SVG: "svg+xml"}[content[:2]]
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
