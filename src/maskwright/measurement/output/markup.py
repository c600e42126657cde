"""Pieces of the page: amounts with units, bars, pictures. Text from outside is escaped."""

from collections.abc import Iterable
from html import escape

from ...pages.markup import NONE, data_uri
from ..figures.coverage import plain

_UNITS = {"px2": "px²", "mm2": "mm²", "cm2": "cm²", "m2": "m²"}


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


def bar(share: float | None) -> str:
    """A bar of `share` in [0, 1]."""
    width = 0 if share is None else 100 * min(1.0, share)
    return f'<span class="share"><i style="width:{width:.1f}%"></i></span>'


def figure(caption: str, jpeg: bytes) -> str:
    """A picture inside the page under its caption (text)."""
    return (
        f"<figure><figcaption><code>{escape(caption)}</code></figcaption>"
        f'<img src="{data_uri(jpeg)}" alt="{escape(caption)}"></figure>'
    )
