"""Pieces of HTML that pages share: tables, legends, and pictures inside the page.

`–` stands for what does not exist. What comes from outside (names, keys) is escaped here or by
the caller, never trusted.
"""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

_JPEG, _PNG = b"\xff\xd8", b"\x89P"
NONE = "–"


def table(
    caption: str, heads: Sequence[str], rows: Iterable[str], *, words: Iterable[int] = (0,)
) -> str:
    """A table that scrolls by itself, of numbers but for the columns `words`.

    Caption and heads are text, `rows` are whole <tr>.
    """
    left = set(words)
    cells = "".join(
        f'<th scope="col"{"" if i in left else " class=number"}>{escape(head)}</th>'
        for i, head in enumerate(heads)
    )
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(caption)}">'
        f'<table><caption class="unseen">{escape(caption)}</caption>'
        f"<thead><tr>{cells}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def swatch(rgb: Any) -> str:
    """A small square in a class colour; its name always stands beside it."""
    red, green, blue = (int(v) for v in rgb)
    return f'<span class="swatch" style="background:rgb({red},{green},{blue})"></span>'


def legend(entries: Iterable[tuple[Any, str]]) -> str:
    """Colours and their names (text)."""
    items = "".join(f"<li>{swatch(rgb)}{escape(name)}</li>" for rgb, name in entries)
    return f'<ul class="legend">{items}</ul>'


def data_uri(content: bytes) -> str:
    """A JPEG or PNG file as text that a page can hold."""
    kind = {_JPEG: "jpeg", _PNG: "png"}[content[:2]]
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
