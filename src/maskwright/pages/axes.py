"""Frame of a line chart in SVG: places of its axes, its lines, and their names beside the ends.

Lines differ in their names and their dashes, not in colour alone, and each has a colour for
light and one for dark pages. A chart can be a part of a page, whose style sheet applies, or a
file of its own.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

from ..core.labels import Rgb
from .text import shorten_name

HEIGHT_PX = 300
LEFT_PX, TOP_PX, BOTTOM_PX = 52, 14, 34
_LETTER_PX, _LINE_PX = 7.0, 16
_LUMA, _LIGHTEST, _DARKEST = (0.299, 0.587, 0.114), 140, 115
"""Of lines: so their contrast is 3 to 1 or more on the light and on the dark paper of pages."""
_NAMESPACE = 'xmlns="http://www.w3.org/2000/svg"'
_FILE_STYLE = (
    "text{font:12px sans-serif;fill:#333}.grid{stroke:#8886}.edge{stroke:none}"
    ".curve{stroke:var(--on-light);stroke-width:2}.key{fill:var(--on-light)}"
    "svg{background:#fff}@media(prefers-color-scheme:dark){svg{background:#1b1b1b}"
    "text{fill:#ddd}.curve{stroke:var(--on-dark)}.key{fill:var(--on-dark)}}"
)
_DASHES = ("", "7 3", "2 3", "10 3 2 3")

Point = tuple[float, float]
"""Shares of the width and of the height of the frame, from the left and from the bottom."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A chart for windows of one kind, and the longest names of lines it has room for."""

    kind: str
    width_px: int
    longest: int
    height_px: int = HEIGHT_PX


@dataclass(frozen=True, slots=True)
class DrawnLine:
    """A line by its points; several pieces leave holes between them. `number` is its index."""

    name: str
    color: Rgb
    pieces: Sequence[Sequence[Point]]
    number: int


@dataclass(frozen=True, slots=True)
class Frame:
    """The area of the lines, in pixels, with room for their names at the right."""

    layout: Layout
    right_px: float

    @classmethod
    def make(cls, layout: Layout, lines: Sequence[DrawnLine]) -> "Frame":
        """The frame that leaves room for the names of `lines`."""
        longest = max((min(len(line.name), layout.longest) for line in lines), default=0)
        return cls(layout, layout.width_px - 28 - _LETTER_PX * longest)

    def x(self, share: float) -> float:
        """Pixels of a share of the width."""
        return LEFT_PX + (self.right_px - LEFT_PX) * share

    def y(self, share: float) -> float:
        """Pixels of a share of the height, from the top."""
        return TOP_PX + (self.layout.height_px - TOP_PX - BOTTOM_PX) * (1 - share)

    def draw(self, title: str, lines: Sequence[DrawnLine], axes: str) -> str:
        """One SVG element: `axes`, which are SVG, the lines above them, and their names."""
        curves = "".join(self._draw_line(line) for line in lines)
        layout = self.layout
        return (
            f'<svg class="chart series {layout.kind}" role="img" '
            f'aria-label="{escape(title)}" viewBox="0 0 {layout.width_px} {layout.height_px}">'
            f"{axes}{curves}{self._draw_names(lines)}</svg>"
        )

    def draw_level(self, share: float, text: str) -> str:
        """A line across at this share of the height, with its text at the left."""
        y = self.y(share)
        return (
            f'<line x1="{LEFT_PX}" x2="{self.right_px:g}" y1="{y:.1f}" y2="{y:.1f}" '
            f'class="grid"/><text x="{LEFT_PX - 8}" y="{y + 4:.1f}" text-anchor="end" '
            f'class="axis">{escape(text)}</text>'
        )

    def draw_tick(self, share: float, text: str, anchor: str) -> str:
        """A text below this share of the width."""
        y = self.layout.height_px - 10
        return (
            f'<text x="{self.x(share):.1f}" y="{y}" text-anchor="{anchor}" '
            f'class="axis">{escape(text)}</text>'
        )

    def _draw_line(self, line: DrawnLine) -> str:
        pieces = [
            [f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in piece] for piece in line.pieces
        ]
        path = "".join(f"M{' L'.join(piece)}" for piece in pieces if len(piece) > 1)
        dash = _DASHES[line.number % len(_DASHES)]
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        return (
            f'<g fill="none" stroke-linecap="round" stroke-linejoin="round">'
            f'<title>{escape(line.name)}</title><path d="{path}" class="edge"/>'
            f'<path d="{path}" class="curve" style="{style_color(line.color)}"{dashes}/>'
            f"{self._draw_lone(line)}</g>"
        )

    def _draw_lone(self, line: DrawnLine) -> str:
        """A dot for each point that has no neighbour, which a line would not show."""
        return "".join(
            f'<circle cx="{self.x(piece[0][0]):.1f}" cy="{self.y(piece[0][1]):.1f}" r="3" '
            f'class="key" style="{style_color(line.color)}"/>'
            for piece in line.pieces
            if len(piece) == 1
        )

    def _draw_names(self, lines: Sequence[DrawnLine]) -> str:
        """Draw names beside the ends of their lines, shifted where they would overlap."""
        ends = [line.pieces[-1][-1][1] if line.pieces else 0.0 for line in lines]
        order = sorted(range(len(lines)), key=lambda i: -ends[i])
        at, least, most = {}, float(TOP_PX), float(self.layout.height_px - BOTTOM_PX + 6)
        for i in order:
            at[i] = max(self.y(ends[i]), least)
            least = at[i] + _LINE_PX
        for i in reversed(order):
            at[i] = min(at[i], most)
            most = at[i] - _LINE_PX
        return "".join(
            f'<rect x="{self.right_px + 8:g}" y="{at[i] - 4:.1f}" width="9" height="9" '
            f'class="key" style="{style_color(lines[i].color)}"/>'
            f'<text x="{self.right_px + 22:g}" y="{at[i] + 5:.1f}">'
            f"{escape(shorten_name(lines[i].name, self.layout.longest))}</text>"
            for i in order
            if lines[i].name
        )


def cut_line(
    places: Iterable[float], values: Iterable[float], share: Callable[[float], float]
) -> list[list[Point]]:
    """The points of a line, in pieces between the values that are not finite.

    `places` are shares of the width; `share` gives that of the height for a value.
    """
    pieces: list[list[Point]] = [[]]
    for place, value in zip(places, values, strict=True):
        if math.isfinite(value):
            pieces[-1].append((place, share(value)))
        else:
            pieces.append([])
    return [piece for piece in pieces if piece]


def make_file(chart: str) -> str:
    """One SVG element as an SVG file of its own, for light and dark viewers."""
    chart = chart.replace("<svg ", f"<svg {_NAMESPACE} ", 1)
    start = chart.index(">") + 1
    return f"{chart[:start]}<style>{_FILE_STYLE}</style>{chart[start:]}"


def style_color(color: Rgb) -> str:
    """The colour of a line, darker where it is pale and lighter where it is dark, as CSS."""
    luma = sum(w * v for w, v in zip(_LUMA, color, strict=True))
    darker = min(1.0, _LIGHTEST / max(luma, 1.0))
    lighter = max(0.0, (_DARKEST - luma) / max(255 - luma, 1.0))
    on_light = ",".join(str(round(v * darker)) for v in color)
    on_dark = ",".join(str(round(v + (255 - v) * lighter)) for v in color)
    return f"--on-light:rgb({on_light});--on-dark:rgb({on_dark})"
