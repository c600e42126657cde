"""Named points as an SVG file: two axes, a line through some of them, one of them marked.

Points have their names beside them, so that colour alone carries no meaning; for light and dark
viewers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from .text import shorten_name

WIDE_PX, NARROW_PX = 860, 430
"""Widths of pictures for wide and for narrow windows."""
_HEIGHT_PX = 420
_LEFT_PX, _TOP_PX, _RIGHT_PX, _BOTTOM_PX = 64, 20, 24, 52
_LETTER_PX, _LINE_PX, _LONGEST = 7.0, 15.0, 28
_STYLE = (
    "text{font:12px sans-serif;fill:#333}.grid{stroke:#8886}.dot{fill:#4878a8}"
    ".line{stroke:#4878a8;stroke-width:2;fill:none}.limit{stroke:#b3541e;stroke-dasharray:7 3}"
    ".ring{fill:none;stroke:#b3541e;stroke-width:2.5}svg{background:#fff}"
    "@media(prefers-color-scheme:dark){svg{background:#1b1b1b}text{fill:#ddd}"
    ".dot{fill:#7aa6d2}.line{stroke:#7aa6d2}.limit,.ring{stroke:#e89a63}}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A point; `is_on_line` says that the line goes through it, `is_marked` rings it.

    A point without a name is drawn smaller.
    """

    name: str
    x: float
    y: float
    is_marked: bool = False
    is_on_line: bool = False


@dataclass(frozen=True, slots=True)
class _Axis:
    """Values from `low` to `high` between two places in pixels."""

    low: float
    high: float
    first_px: float
    last_px: float

    @classmethod
    def fit(cls, values: Sequence[float], first_px: float, last_px: float) -> "_Axis":
        """Room for all values, and a tenth of their span on both sides."""
        low, high = min(values), max(values)
        room = 0.1 * (high - low) or 0.1 * abs(high) or 1.0
        return cls(low - room, high + room, first_px, last_px)

    def place(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.first_px + (self.last_px - self.first_px) * share

    def list_ticks(self) -> list[tuple[float, str]]:
        """Places of about five round values, with their texts."""
        rough = (self.high - self.low) / 5
        magnitude = 10.0 ** np.floor(np.log10(rough))
        step = float(magnitude * min((1, 2, 5, 10), key=lambda n: abs(n * magnitude - rough)))
        first = np.ceil(self.low / step)
        count = int(np.floor(self.high / step) - first) + 1
        values = [float((first + i) * step) for i in range(count)]
        return [(self.place(value), f"{value:.6g}") for value in values]


def draw_scatter_file(
    title: str,
    dots: Sequence[Dot],
    names: tuple[str, str],
    *,
    limit_x: float | None = None,
    width_px: int = WIDE_PX,
) -> str:
    """Draw one dot or more; `names` are those of the axes, `limit_x` a line down at a value."""
    limits = () if limit_x is None else (limit_x,)
    x_axis = _Axis.fit([*(dot.x for dot in dots), *limits], _LEFT_PX, width_px - _RIGHT_PX)
    y_axis = _Axis.fit([dot.y for dot in dots], _HEIGHT_PX - _BOTTOM_PX, _TOP_PX)
    parts = [_draw_axes(x_axis, y_axis, names)]
    if limit_x is not None:
        x = x_axis.place(limit_x)
        parts.append(
            f'<path class="limit" d="M{x:.1f} {_TOP_PX}V{y_axis.first_px}"/>'
            f'<text x="{x + 4:.1f}" y="{_TOP_PX + 10}">{limit_x:g}</text>'
        )
    line = [
        (x_axis.place(dot.x), y_axis.place(dot.y))
        for dot in sorted(dots, key=lambda dot: dot.x)
        if dot.is_on_line
    ]
    if len(line) > 1:
        places = " L".join(f"{x:.1f},{y:.1f}" for x, y in line)
        parts.append(f'<path class="line" d="M{places}"/>')
    parts += _draw_dots(dots, x_axis, y_axis, line)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width_px} {_HEIGHT_PX}" '
        f'role="img" aria-label="{escape(title)}"><style>{_STYLE}</style>'
        f"{''.join(parts)}</svg>\n"
    )


def _draw_axes(x_axis: _Axis, y_axis: _Axis, names: tuple[str, str]) -> str:
    right = x_axis.last_px
    levels = "".join(
        f'<path class="grid" d="M{_LEFT_PX} {y:.1f}H{right:g}"/>'
        f'<text x="{_LEFT_PX - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(text)}</text>'
        for y, text in y_axis.list_ticks()
    )
    ticks = "".join(
        f'<text x="{x:.1f}" y="{_HEIGHT_PX - 32}" text-anchor="middle">{escape(text)}</text>'
        for x, text in x_axis.list_ticks()
    )
    return (
        f'{levels}{ticks}<text x="{right:g}" y="{_HEIGHT_PX - 10}" text-anchor="end">'
        f'{escape(names[0])}</text><text x="8" y="14">{escape(names[1])}</text>'
    )


def _draw_dots(
    dots: Sequence[Dot], x_axis: _Axis, y_axis: _Axis, line: Sequence[tuple[float, float]]
) -> list[str]:
    """Dots with their names, each moved down until it lies on no other name and on no line."""
    drawn: list[str] = []
    boxes: list[tuple[float, float, float]] = []
    for dot in sorted(dots, key=lambda dot: (-dot.y, dot.x)):
        x, y = x_axis.place(dot.x), y_axis.place(dot.y)
        if not dot.name:
            drawn.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3"/>')
            continue
        name = shorten_name(dot.name, _LONGEST)
        width = _LETTER_PX * len(name)
        beside = 13 if dot.is_marked else 9
        left = x + beside if x + beside + width < x_axis.last_px else x - beside - width
        bottom = y + 4
        while _crosses(line, left, left + width, bottom) or any(
            abs(bottom - other) < _LINE_PX and left < end and start < left + width
            for start, end, other in boxes
        ):
            bottom += _LINE_PX
        boxes.append((left, left + width, bottom))
        ring = (
            f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="9"/>' if dot.is_marked else ""
        )
        drawn.append(
            f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="5"/>{ring}'
            f'<text x="{left:.1f}" y="{bottom:.1f}">{escape(name)}</text>'
        )
    return drawn


def _crosses(
    line: Sequence[tuple[float, float]], left: float, right: float, bottom: float
) -> bool:
    """Whether a line through places, from left to right, crosses a name that stands there."""
    if len(line) < 2:
        return False
    xs, ys = zip(*line, strict=True)
    inside = np.array([x for x in np.linspace(left, right, 20) if xs[0] <= x <= xs[-1]])
    heights = np.interp(inside, xs, ys)
    return bool(np.any((heights > bottom - _LINE_PX + 2) & (heights < bottom + 3)))
