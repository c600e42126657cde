"""Pieces of the page of measurements: amounts with units, bars, pictures."""

from html import escape

from ...pages.markup import data_uri, render_code, render_number
from ...pages.text import format_amount, format_percent

_UNITS = {"px2": "px²", "mm2": "mm²", "cm2": "cm²", "m2": "m²"}


def render_amount(value: float | None, unit: str = "") -> str:
    """Four digits and the unit; a dash for None."""
    return render_number(format_amount(value, symbol(unit)))


def render_change(value: float, unit: str) -> str:
    """An amount with its sign."""
    return ("+" if value > 0 else "") + render_amount(value, unit)


def render_percent(value: float | None) -> str:
    """Percent with two decimals, so that a crack of 0.05 % shows; a dash for None."""
    return render_number(format_percent(value))


def symbol(unit: str) -> str:
    """The unit as people write it: mm²."""
    return _UNITS.get(unit, unit)


def render_bar(share: float) -> str:
    """A bar of `share` in [0, 1]; NaN is an empty one."""
    width = 100 * min(1.0, share) if share > 0 else 0
    return f'<span class="share"><i style="width:{width:.1f}%"></i></span>'


def render_picture(caption: str, jpeg: bytes) -> str:
    """A picture inside the page under its caption (text)."""
    return (
        f"<figure><figcaption>{render_code(caption)}</figcaption>"
        f'<img src="{data_uri(jpeg)}" alt="{escape(caption)}"></figure>'
    )
