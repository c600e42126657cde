"""Numbers and tables as plain text for people, the same on the console and on pages.

A dash stands for a number that does not exist: None or NaN. Signs are ASCII, so that every
console can print them; `markup.render_number` turns a formatted number into HTML.
"""

import math
import re
import textwrap
from collections.abc import Collection, Iterable, Sequence
from functools import partial

DASH = "–"

# Control characters but tab and line feed, and those that turn the direction of writing: in the
# name of a file they could clear a terminal, or show a line as another one.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def format_number(value: float | None, decimals: int = 0) -> str:
    """`value` with so many decimals and a comma between thousands: `12,345`, `0.713`."""
    if value is None or math.isnan(value):
        return DASH
    return f"{value:,.{decimals}f}"


def format_percent(percent: float | None, decimals: int = 2) -> str:
    """A number of percent with its sign: `12.34 %`."""
    text = format_number(percent, decimals)
    return text if text == DASH else f"{text} %"


def format_share(share: float | None, decimals: int = 1) -> str:
    """A share of 1 in percent: 0.1234 is `12.3 %`."""
    return format_percent(None if share is None else 100 * share, decimals)


def format_small_share(share: float) -> str:
    """A share in percent with three digits, so that a small one is not 0: `0.0123 %`."""
    return f"{100 * share:.3g} %"


def format_points(difference: float | None) -> str:
    """A difference of two shares in percentage points: `+1.2`, `-0.4`, `0.0`."""
    if difference is None or math.isnan(difference):
        return DASH
    text = f"{100 * difference:+.1f}"
    return "0.0" if float(text) == 0 else text


def format_amount(value: float | None, unit: str = "") -> str:
    """Four digits and the unit, from a thousand on whole and with commas: `1,235 m2`."""
    if value is None or math.isnan(value):
        return DASH
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{text} {unit}" if unit else text


def format_area(value: float | None, unit: str) -> str:
    """As `format_amount`; square metres from a hectare on in ha, from 1 km2 on in km2."""
    size = 0.0 if value is None or math.isnan(value) else abs(value)
    if unit != "m2" or value is None or size < 1e4:
        return format_amount(value, unit)
    return (
        format_amount(value / 1e6, "km2") if size >= 1e6 else format_amount(value / 1e4, "ha")
    )


def format_count(count: int, noun: str) -> str:
    """A count with its noun: `1 image`, `1,200 images`, `2 classes`."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"


def format_subject(count: int, one: str, many: str) -> str:
    """A count with the words that agree with it: `1 mask is`, `3 masks are`."""
    return f"{count:,} {one if count == 1 else many}"


def format_size(size_HW: Sequence[int]) -> str:
    """Height and width: `480 x 640`."""
    return " x ".join(str(side) for side in size_HW)


def list_names(names: Collection[str], *, most: int = 3) -> str:
    """The first names, then `...` where there are more than `most`."""
    shown = ", ".join(list(names)[:most])
    return f"{shown}, ..." if len(names) > most else shown


def text_table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], *, words: Collection[int] = (0,)
) -> list[str]:
    """One line for the heads, one per row; `words` are the columns that align left."""
    lines = [heads, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if column in words else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def wrap_lines(text: str, width: int) -> str:
    """Wrap long lines between words, indented by two more; lines of tables stay as they are.

    A line of a table is one with two spaces between words.
    """
    return "\n".join(map(partial(_wrap, width=width), text.split("\n")))


def _wrap(line: str, width: int) -> str:
    words = line.lstrip(" ")
    indent = " " * (len(line) - len(words))
    if len(line) <= width or "  " in words:
        return line
    return textwrap.fill(
        words,
        width,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def escape_controls(text: str) -> str:
    r"""The text with control characters, tab and line feed apart, as `\x1b`."""
    return _CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def shorten_name(text: str, longest: int) -> str:
    """The text, or its beginning and …, of at most `longest` characters."""
    return text if len(text) <= longest else text[: longest - 1] + "…"
