"""Coverage over a series of images as an SVG line chart: one line per class, with its name.

The chart is drawn for wide and for narrow windows, and the style of the page shows one of the
two. A long series is drawn as means of neighbouring images; where no pixel is labelled, a line
has a hole.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.labels import Rgb
from .axes import DrawnLine, Frame, Layout, Point, cut_line, make_file

_MOST_POINTS = 400
_MOST_LINES = 8
_LARGE, _SMALL = Layout("large", 1040, longest=22), Layout("small", 380, longest=12)
_LONGEST_KEYS = {"large": 34, "small": 13}


@dataclass(frozen=True, slots=True, eq=False)
class ChartLine:
    """One class over the images: percents (N,), NaN where nothing is labelled."""

    name: str
    color: Rgb
    percent_N: NDArray[np.float64]


def draw_chart(keys: Sequence[str], lines: Sequence[ChartLine]) -> str:
    """Draw two SVG elements with the classes that cover most, at most eight of them."""
    return _draw_layout(keys, lines, _LARGE) + _draw_layout(keys, lines, _SMALL)


def draw_chart_file(keys: Sequence[str], lines: Sequence[ChartLine]) -> str:
    """Draw the wide chart as an SVG file of its own, for light and dark viewers."""
    return make_file(_draw_layout(keys, lines, _LARGE))


def _draw_layout(keys: Sequence[str], lines: Sequence[ChartLine], layout: Layout) -> str:
    largest = sorted(lines, key=lambda line: -_mean(line.percent_N))[:_MOST_LINES]
    present = [line for line in largest if np.nanmax(line.percent_N, initial=0) > 0]
    top = _round_up(max((float(np.nanmax(x.percent_N)) for x in present), default=1.0))
    drawn = [
        DrawnLine(line.name, line.color, _cut(line.percent_N, top), lines.index(line))
        for line in present
    ]
    frame = Frame.make(layout, drawn)
    levels = "".join(
        frame.draw_level(value / top, f"{value:g}\u00a0%")
        for value in np.linspace(0, top, 5).tolist()
    )
    title = f"Percent of the labelled pixels over {len(keys)} images"
    return frame.draw(title, drawn, levels + _draw_keys(keys, frame))


def _cut(percent_N: NDArray[np.float64], top: float) -> list[list[Point]]:
    """The points of a line at equal steps."""
    values_N = _average(percent_N, _MOST_POINTS)
    places = (index / max(1, len(values_N) - 1) for index in range(len(values_N)))
    return cut_line(places, values_N.tolist(), lambda value: value / top)


def _draw_keys(keys: Sequence[str], frame: Frame) -> str:
    last, longest = len(keys) - 1, _LONGEST_KEYS[frame.layout.kind]
    anchors = ((0, "start"), (len(keys) // 2, "middle"), (last, "end"))
    ticks_at = anchors if len(keys) > 4 else (anchors[0], anchors[2])
    return "".join(
        frame.draw_tick(index / max(1, last), _shorten_key(keys[index], longest), anchor)
        for index, anchor in ticks_at
    )


def _average(values: NDArray[np.float64], num_points: int) -> NDArray[np.float64]:
    """Means of neighbouring values, (N,) -> (num_points,); fewer values are unchanged."""
    if len(values) <= num_points:
        return values
    return np.array([_mean(part) for part in np.array_split(values, num_points)])


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _round_up(percent: float) -> float:
    """The top of the axis: four equal steps below it are round numbers."""
    tops = (0.1, 0.2, 0.4, 1.0, 2.0, 4.0, 10.0, 20.0, 40.0, 60.0, 80.0)
    return next((top for top in tops if percent <= top), 100.0)


def _shorten_key(key: str, longest: int) -> str:
    return key if len(key) <= longest else "…" + key[1 - longest :]
