"""Coverage over a series of images as an SVG line chart: one line per class, with its name.

Lines differ in their names and their dashes, not in colour alone, and each has a colour for
light and one for dark pages. The chart is drawn for wide and for narrow windows, and the style
of the page shows one of the two. A long series is drawn as means of neighbouring images; where
no pixel is labelled, a line has a hole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from ..core.labels import Rgb
from .text import shorten_name

_MOST_POINTS = 400
_MOST_LINES = 8
_HEIGHT_PX = 300
_LEFT_PX, _TOP_PX, _BOTTOM_PX = 52, 14, 34
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


@dataclass(frozen=True, slots=True, eq=False)
class ChartLine:
    """One class over the images: percents (N,), NaN where nothing is labelled."""

    name: str
    color: Rgb
    percent_N: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Layout:
    """A chart for windows of one kind, and the longest names it has room for, in letters."""

    kind: str
    width_px: int
    longest: int
    longest_key: int


_LARGE = _Layout("large", 1040, longest=22, longest_key=34)
_SMALL = _Layout("small", 380, longest=12, longest_key=13)


@dataclass(frozen=True, slots=True)
class _Frame:
    """The axes: x of a point by its index, y by its percent, both in pixels."""

    num_points: int
    top_percent: float
    right_px: float
    longest_key: int

    def x(self, index: float) -> float:
        width = self.right_px - _LEFT_PX
        return _LEFT_PX + width * index / max(1, self.num_points - 1)

    def y(self, percent: float) -> float:
        height = _HEIGHT_PX - _TOP_PX - _BOTTOM_PX
        return _TOP_PX + height * (1 - percent / self.top_percent)


def draw_chart(keys: Sequence[str], lines: Sequence[ChartLine]) -> str:
    """Draw two SVG elements with the classes that cover most, at most eight of them."""
    return _draw_layout(keys, lines, _LARGE) + _draw_layout(keys, lines, _SMALL)


def draw_chart_file(keys: Sequence[str], lines: Sequence[ChartLine]) -> str:
    """Draw the wide chart as an SVG file of its own, for light and dark viewers."""
    chart = _draw_layout(keys, lines, _LARGE).replace("<svg ", f"<svg {_NAMESPACE} ", 1)
    start = chart.index(">") + 1
    return f"{chart[:start]}<style>{_FILE_STYLE}</style>{chart[start:]}"


def _draw_layout(keys: Sequence[str], lines: Sequence[ChartLine], layout: _Layout) -> str:
    largest = sorted(lines, key=lambda line: -_mean(line.percent_N))[:_MOST_LINES]
    present = [line for line in largest if np.nanmax(line.percent_N, initial=0) > 0]
    names = [shorten_name(line.name, layout.longest) for line in present]
    right_px = layout.width_px - 28 - _LETTER_PX * max(map(len, names), default=0)
    top = _round_up(max((float(np.nanmax(x.percent_N)) for x in present), default=1.0))
    frame = _Frame(min(len(keys), _MOST_POINTS), top, right_px, layout.longest_key)
    curves = "".join(
        _draw_line(line, _DASHES[lines.index(line) % len(_DASHES)], frame) for line in present
    )
    title = f"Percent of the labelled pixels over {len(keys)} images"
    return (
        f'<svg class="chart series {layout.kind}" role="img" aria-label="{title}" '
        f'viewBox="0 0 {layout.width_px} {_HEIGHT_PX}">'
        f"{_draw_axes(keys, frame)}{curves}{_draw_names(present, names, frame)}</svg>"
    )


def _draw_line(line: ChartLine, dash: str, frame: _Frame) -> str:
    values = _average(line.percent_N, frame.num_points)
    pieces: list[list[str]] = [[]]
    for index, value in enumerate(values.tolist()):
        if np.isnan(value):
            pieces.append([])
        else:
            pieces[-1].append(f"{frame.x(index):.1f},{frame.y(value):.1f}")
    points = [piece if len(piece) > 1 else piece * 2 for piece in pieces if piece]
    path = "".join(f"M{' L'.join(piece)}" for piece in points)
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<g fill="none" stroke-linecap="round" stroke-linejoin="round">'
        f'<title>{escape(line.name)}</title><path d="{path}" class="edge"/>'
        f'<path d="{path}" class="curve" style="{_color(line.color)}"{dashes}/></g>'
    )


def _draw_axes(keys: Sequence[str], frame: _Frame) -> str:
    grid = "".join(
        f'<line x1="{_LEFT_PX}" x2="{frame.right_px:g}" y1="{frame.y(value):.1f}" '
        f'y2="{frame.y(value):.1f}" class="grid"/><text x="{_LEFT_PX - 8}" '
        f'y="{frame.y(value) + 4:.1f}" text-anchor="end" class="axis">{value:g}\u00a0%</text>'
        for value in np.linspace(0, frame.top_percent, 5).tolist()
    )
    anchors = ((0, "start"), (len(keys) // 2, "middle"), (len(keys) - 1, "end"))
    ticks_at = anchors if len(keys) > 4 else (anchors[0], anchors[2])
    ticks = "".join(
        f'<text x="{frame.x(index * (frame.num_points - 1) / max(1, len(keys) - 1)):.1f}" '
        f'y="{_HEIGHT_PX - 10}" text-anchor="{anchor}" class="axis">'
        f"{escape(_shorten_key(keys[index], frame.longest_key))}</text>"
        for index, anchor in ticks_at
    )
    return grid + ticks


def _draw_names(lines: Sequence[ChartLine], names: Sequence[str], frame: _Frame) -> str:
    """Draw names beside the ends of their lines, shifted where they would overlap."""
    ends = [_last_known(line.percent_N) for line in lines]
    order = sorted(range(len(lines)), key=lambda i: -ends[i])
    at, least, most = {}, float(_TOP_PX), float(_HEIGHT_PX - _BOTTOM_PX + 6)
    for i in order:
        at[i] = max(frame.y(ends[i]), least)
        least = at[i] + _LINE_PX
    for i in reversed(order):
        at[i] = min(at[i], most)
        most = at[i] - _LINE_PX
    return "".join(
        f'<rect x="{frame.right_px + 8:g}" y="{at[i] - 4:.1f}" width="9" height="9" '
        f'class="key" style="{_color(lines[i].color)}"/><text x="{frame.right_px + 22:g}" '
        f'y="{at[i] + 5:.1f}">{escape(names[i])}</text>'
        for i in order
    )


def _color(color: Rgb) -> str:
    """The colour of a class, darker where it is pale and lighter where it is dark, as CSS."""
    luma = sum(w * v for w, v in zip(_LUMA, color, strict=True))
    darker = min(1.0, _LIGHTEST / max(luma, 1.0))
    lighter = max(0.0, (_DARKEST - luma) / max(255 - luma, 1.0))
    on_light = ",".join(str(round(v * darker)) for v in color)
    on_dark = ",".join(str(round(v + (255 - v) * lighter)) for v in color)
    return f"--on-light:rgb({on_light});--on-dark:rgb({on_dark})"


def _average(values: NDArray[np.float64], num_points: int) -> NDArray[np.float64]:
    """Means of neighbouring values, (N,) -> (num_points,); fewer values are unchanged."""
    if len(values) <= num_points:
        return values
    return np.array([_mean(part) for part in np.array_split(values, num_points)])


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _last_known(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known[-1]) if len(known) else 0.0


def _round_up(percent: float) -> float:
    """The top of the axis: four equal steps below it are round numbers."""
    tops = (0.1, 0.2, 0.4, 1.0, 2.0, 4.0, 10.0, 20.0, 40.0, 60.0, 80.0)
    return next((top for top in tops if percent <= top), 100.0)


def _shorten_key(key: str, longest: int) -> str:
    return key if len(key) <= longest else "…" + key[1 - longest :]
