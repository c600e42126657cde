"""Pieces of the page: numbers, tables, bars, pictures. Text from outside is escaped."""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from .coverage import plain

NONE = "–"
_UNITS = {"px2": "px²", "mm2": "mm²", "cm2": "cm²", "m2": "m²"}
_JPEG = b"\xff\xd8"


def section(title: str, note: str, body: str, kind: str = "") -> str:
    """A titled part of the page; nothing where its body is empty."""
    if not body:
        return ""
    told = f'<p class="soft">{escape(note)}</p>' if note else ""
    opening = f'<section class="{kind}">' if kind else "<section>"
    return f"{opening}<h2>{escape(title)}</h2>{told}{body}</section>"


def table(heads: Sequence[str], rows: Iterable[str], *, words: Iterable[int] = (0,)) -> str:
    """A table whose columns are numbers, but for those in `words`; `rows` are whole <tr>."""
    left = set(words)
    cells = "".join(
        f'<th scope="col"{"" if i in left else " class=number"}>{escape(head)}</th>'
        for i, head in enumerate(heads)
    )
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(heads[0])}">'
        f"<table><thead><tr>{cells}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def row(head: str, cells: Iterable[str]) -> str:
    """A row of a head (HTML) and cells that are numbers."""
    return (
        f'<tr><th scope="row">{head}</th>'
        + "".join(f'<td class="number">{cell}</td>' for cell in cells)
        + "</tr>"
    )


def amount(value: float | None, unit: str = "") -> str:
    """Four digits and the unit, thousands apart; a dash for what does not exist."""
    if value is None:
        return NONE
    shown = plain(value)
    return f"{shown}&nbsp;{symbol(unit)}" if unit else shown


def percent(value: float | None) -> str:
    """Two decimals: a crack of 0.05 % is worth seeing."""
    return NONE if value is None else f"{value:.2f}&nbsp;%"


def symbol(unit: str) -> str:
    """The unit as people write it: mm²."""
    return _UNITS.get(unit, unit)


def swatch(rgb: Any) -> str:
    """A small square in a colour; its name always stands beside it."""
    red, green, blue = (int(v) for v in rgb)
    return f'<span class="swatch" style="background:rgb({red},{green},{blue})"></span>'


def bar(share: float | None) -> str:
    """A bar of `share` in [0, 1]."""
    width = 0 if share is None else 100 * min(1.0, share)
    return f'<span class="bar"><i style="width:{width:.1f}%"></i></span>'


def figure(caption: str, jpeg: bytes) -> str:
    """A picture inside the page under its caption (text)."""
    if not jpeg.startswith(_JPEG):
        raise ValueError("the page holds JPEG files only")
    content = base64.b64encode(jpeg).decode()
    return (
        f"<figure><figcaption><code>{escape(caption)}</code></figcaption>"
        f'<img src="data:image/jpeg;base64,{content}" alt="{escape(caption)}"></figure>'
    )


def legend(entries: Iterable[tuple[Any, str]]) -> str:
    """Colours and their names (text)."""
    items = "".join(f"<li>{swatch(rgb)}{escape(name)}</li>" for rgb, name in entries)
    return f'<ul class="legend">{items}</ul>'
