"""HTML of the page of measurements: amounts with units, bars, pictures."""

from html import escape

from ...pages.markup import data_uri, render_code, render_number
from ...pages.text import format_area, format_percent

_UNITS = {"px2": "px²", "mm2": "mm²", "cm2": "cm²", "m2": "m²", "km2": "km²"}


def render_amount(value: float | None, unit: str = "") -> str:
    """Render four digits and the unit, large areas in ha and km²; a dash for None."""
    amount, _, shown = format_area(value, unit).partition(" ")
    return render_number(f"{amount} {unit_symbol(shown)}".rstrip())


def render_change(value: float, unit: str) -> str:
    """Render an amount with its sign."""
    return ("+" if value > 0 else "") + render_amount(value, unit)


def render_percent(value: float | None) -> str:
    """Render percent with two decimals, enough for a crack of 0.05 %; a dash for None."""
    return render_number(format_percent(value))


def unit_symbol(unit: str) -> str:
    """The unit with a superscript: mm2 is mm²."""
    return _UNITS.get(unit, unit)


def render_bar(share: float) -> str:
    """Render a bar as long as `share`, in [0, 1]; NaN is an empty bar."""
    width = 100 * min(1.0, share) if share > 0 else 0
    return f'<span class="share"><i style="width:{width:.1f}%"></i></span>'


def render_picture(caption: str, jpeg: bytes) -> str:
    """Render a picture, embedded in the page, under its caption (plain text)."""
    return (
        f"<figure><figcaption>{render_code(caption)}</figcaption>"
        f'<img src="{data_uri(jpeg)}" alt="{escape(caption)}"></figure>'
    )
