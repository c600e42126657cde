"""Pieces of HTML that the pages share: numbers, tables, swatches and pictures inside the page.

Percentages have one decimal, `–` stands for a score that does not exist. What comes from
outside (names, keys) is escaped here or by the caller, never trusted.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

_JPEG, _PNG = b"\xff\xd8", b"\x89P"
NONE = "–"


def page(template: str, **parts: str) -> str:
    r"""The HTML file `template` of this package with the shared style and `parts` in it.

    Names of files that are no UTF-8 are shown with their odd bytes as `\udcfc`.
    """
    room = files(__package__)
    text = room.joinpath(template).read_text(encoding="utf-8")
    style = room.joinpath("page.css").read_text(encoding="utf-8")
    filled = Template(text).substitute(parts, style=style)
    return filled.encode("utf-8", "backslashreplace").decode("utf-8")


def number(value: float | None, unit: str = "%") -> str:
    """A score for people; `unit` as in `wording.Wording`: shares in [0, 1] become percent."""
    if value is None:
        return NONE
    return _bare(value, unit) + (f"&nbsp;{unit}" if unit in {"%", "px", "mm"} else "")


def spread(interval: Sequence[float] | None, unit: str = "%") -> str:
    """An interval in small type, without its unit; nothing where there is none."""
    if interval is None:
        return ""
    low, high = (_bare(v, unit) for v in interval)
    return f'<span class="spread">{low} to {high}</span>'


def _bare(value: float, unit: str) -> str:
    if unit == "%":
        return f"{100 * value:.1f}"
    if unit == "n":
        return f"{value:,.0f}"
    return f"{value:.2f}" if unit else f"{value:.3f}"


def table(
    caption: str, heads: Sequence[str], rows: Iterable[str], *, numeric: Iterable[int] = ()
) -> str:
    """A table that scrolls by itself; `rows` are whole <tr>, `numeric` columns stand right."""
    right = set(numeric)
    cells = "".join(
        f'<th scope="col"{" class=number" if i in right else ""}>{head}</th>'
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


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part of a page: `body` is HTML, `note` text; left out where `body` is empty."""

    title: str
    note: str
    body: str

    @property
    def name(self) -> str:
        """Its id on the page."""
        return re.sub(r"[^a-z]+", "-", self.title.lower())


def contents(sections: Iterable[Section]) -> str:
    """Links to the sections."""
    return " ".join(f'<a href="#{s.name}">{escape(s.title)}</a>' for s in sections if s.body)


def body(sections: Iterable[Section]) -> str:
    """The sections themselves."""
    return "\n".join(
        f'<section id="{s.name}"><h2>{escape(s.title)}</h2>'
        + (f'<p class="soft">{escape(s.note)}</p>' if s.note else "")
        + f"{s.body}</section>"
        for s in sections
        if s.body
    )


def data_uri(content: bytes) -> str:
    """A JPEG or PNG file as text that a page can hold."""
    kind = {_JPEG: "jpeg", _PNG: "png"}[content[:2]]
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def terms(document: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """A flat list of terms for nested objects: `versions.torch`."""
    for key, value in document.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from terms(value, f"{name}.")
        else:
            yield f"<dt>{escape(name)}</dt><dd><code>{escape(_text(value))}</code></dd>"


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)
