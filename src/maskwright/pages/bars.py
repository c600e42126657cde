"""Numbers by name as an SVG file of horizontal bars, for light and dark viewers."""

from collections.abc import Sequence
from html import escape

from .text import shorten_name

_ROW_PX, _BAR_PX, _LETTER_PX = 22, 14, 7.0
_WIDTH_PX, _LONGEST = 860, 44
_STYLE = (
    "text{font:12px sans-serif;fill:#333}.bar{fill:#4878a8}svg{background:#fff}"
    "@media(prefers-color-scheme:dark){svg{background:#1b1b1b}text{fill:#ddd}"
    ".bar{fill:#7aa6d2}}"
)


def draw_bars(title: str, rows: Sequence[tuple[str, float, str]]) -> str:
    """Draw one bar per row: its name, its value of 0 or more, and the value as text."""
    left = 16 + _LETTER_PX * min(_LONGEST, max((len(name) for name, *_ in rows), default=0))
    right = 16 + _LETTER_PX * max((len(text) for *_, text in rows), default=0)
    largest = max((value for _, value, _ in rows), default=0.0) or 1.0
    scale = (_WIDTH_PX - left - right) / largest
    height = 40 + _ROW_PX * len(rows)
    parts = [f'<text x="8" y="20">{escape(title)}</text>']
    for index, (name, value, text) in enumerate(rows):
        top, width = 36 + _ROW_PX * index, max(1.0, scale * value)
        parts.append(
            f'<text x="{left - 6:.0f}" y="{top + 11}" text-anchor="end">'
            f"{escape(shorten_name(name, _LONGEST))}</text>"
            f'<rect class="bar" x="{left:.0f}" y="{top}" width="{width:.1f}" '
            f'height="{_BAR_PX}"/>'
            f'<text x="{left + width + 6:.1f}" y="{top + 11}">{escape(text)}</text>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH_PX} {height}" '
        f'role="img" aria-label="{escape(title)}"><style>{_STYLE}</style>'
        f"{''.join(parts)}</svg>\n"
    )
