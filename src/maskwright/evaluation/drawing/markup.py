"""Pieces of HTML of reports and comparisons: numbers, intervals, links and lists of terms.

Percentages have one decimal, `–` stands for a score that does not exist. What comes from
outside (names, keys) is escaped here or by the caller, never trusted.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from ...pages.markup import NONE
from ...pages.page import Section


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


def opening(sections: Iterable[Section], tiles: Iterable[str]) -> str:
    """Links to the sections, and above them all the numbers that say most."""
    return (
        f'<nav aria-label="On this page">{contents(sections)}</nav>\n'
        f'<div class="tiles">{"".join(tiles)}</div>'
    )


def contents(sections: Iterable[Section]) -> str:
    """Links to the sections."""
    return " ".join(f'<a href="#{s.name}">{escape(s.title)}</a>' for s in sections if s.body)


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
