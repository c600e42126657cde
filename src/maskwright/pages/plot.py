"""Numbers over the steps of a run as an SVG line chart, and a small line without axes.

A value that is NaN leaves a hole in its line; a line without any value is left out. Long lines
are drawn as means of neighbouring values.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.labels import Rgb
from .axes import DrawnLine, Frame, Layout, Point, cut_line, make_file, style_color

_MOST_POINTS = 300
_PAGE = (Layout("large", 520, longest=16), Layout("small", 340, longest=12))
_FILE = Layout("large", 1040, longest=28)
_NUM_LEVELS = 4
_SPARK_WIDTH_PX, _SPARK_HEIGHT_PX = 160, 28
_LOG_RATIO = 10.0
"""Largest over smallest value from which on an axis of positive values is logarithmic."""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One line: its values (N,) at the steps (N,), which ascend."""

    name: str
    color: Rgb
    steps_N: NDArray[np.float64]
    values_N: NDArray[np.float64]

    @property
    def known_N(self) -> NDArray[np.float64]:
        """The values that are finite."""
        return self.values_N[np.isfinite(self.values_N)]


@dataclass(frozen=True, slots=True)
class _Scale:
    """The axis of values, from `low` to `high`."""

    low: float
    high: float
    is_log: bool = False
    is_share: bool = False

    @classmethod
    def fit(cls, curves: Sequence[Curve], *, is_share: bool, can_be_log: bool) -> "_Scale":
        known = np.concatenate([curve.known_N for curve in curves])
        low, high = float(known.min()), float(known.max())
        if can_be_log and low > 0 and high / low >= _LOG_RATIO:
            return cls(10 ** math.floor(math.log10(low)), high * 1.1, is_log=True)
        low = min(0.0, low)
        return cls(low, low + round_up(max(high - low, 1e-12)), is_share=is_share)

    def share(self, value: float) -> float:
        if self.is_log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def list_levels(self) -> list[tuple[float, str]]:
        """Shares of the height with their texts."""
        if not self.is_log:
            values = np.linspace(self.low, self.high, _NUM_LEVELS + 1).tolist()
        else:
            decades = range(round(math.log10(self.low)), math.floor(math.log10(self.high)) + 1)
            factors = (1,) if len(decades) > 3 else (1, 2, 5)
            every = [factor * 10.0**decade for decade in decades for factor in factors]
            values = [value for value in every if value <= self.high]
        return [(self.share(value), self._format(value)) for value in values]

    def _format(self, value: float) -> str:
        return f"{100 * value:g}\u00a0%" if self.is_share else f"{value:.3g}"


def draw_plot(
    title: str,
    curves: Sequence[Curve],
    *,
    num_steps: int,
    is_share: bool = False,
    can_be_log: bool = False,
) -> str:
    """Draw two SVG elements, for wide and narrow windows; "" without any value.

    The axis of steps is from 0 to `num_steps`.
    With `is_share` values are shares of 1, shown in percent. With `can_be_log` the axis is
    logarithmic where the largest value is ten times the smallest or more.
    """
    axes = (num_steps, is_share, can_be_log)
    return "".join(_draw(title, curves, layout, axes) for layout in _PAGE)


def draw_plot_file(
    title: str,
    curves: Sequence[Curve],
    *,
    num_steps: int,
    is_share: bool = False,
    can_be_log: bool = False,
) -> str:
    """Draw what `draw_plot` draws, wider, as an SVG file of its own."""
    chart = _draw(title, curves, _FILE, (num_steps, is_share, can_be_log))
    return make_file(chart) if chart else ""


def draw_spark(curve: Curve, *, num_steps: int) -> str:
    """Draw shares of 1 as a small line without axes, from 0 at the bottom to 1 at the top."""
    width, height = _SPARK_WIDTH_PX, _SPARK_HEIGHT_PX
    pieces = [
        [f"{2 + x * (width - 4):.1f},{2 + (1 - y) * (height - 4):.1f}" for x, y in piece]
        for piece in _cut(curve, _Scale(0, 1), num_steps)
    ]
    path = "".join(f"M{' L'.join(piece if len(piece) > 1 else piece * 2)}" for piece in pieces)
    return (
        f'<svg class="spark" aria-hidden="true" viewBox="0 0 {width} {height}">'
        f'<path class="grid" d="M0 {height - 1}H{width}"/><path class="curve" fill="none" '
        f'stroke-linecap="round" d="{path}" style="{style_color(curve.color)}"/></svg>'
    )


def _draw(
    title: str, curves: Sequence[Curve], layout: Layout, axes: tuple[int, bool, bool]
) -> str:
    known = [curve for curve in curves if len(curve.known_N)]
    if not known:
        return ""
    num_steps, is_share, can_be_log = axes
    scale = _Scale.fit(known, is_share=is_share, can_be_log=can_be_log)
    lines = [
        DrawnLine(curve.name, curve.color, _cut(curve, scale, num_steps), curves.index(curve))
        for curve in known
    ]
    frame = Frame.make(layout, lines)
    levels = "".join(frame.draw_level(*level) for level in scale.list_levels())
    ticks = frame.draw_tick(0, "step 0", "start") + frame.draw_tick(1, f"{num_steps:,}", "end")
    return frame.draw(title, lines, levels + ticks)


def _cut(curve: Curve, scale: _Scale, num_steps: int) -> list[list[Point]]:
    """The points of a line, which is averaged where it is long."""
    steps_N, values_N = curve.steps_N, curve.values_N
    if len(steps_N) > _MOST_POINTS:
        parts = np.array_split(np.arange(len(steps_N)), _MOST_POINTS)
        steps_N, values_N = (
            np.array([n[i].mean() for i in parts]) for n in (steps_N, values_N)
        )
    return cut_line((steps_N / max(1, num_steps)).tolist(), values_N.tolist(), scale.share)


def round_up(span: float) -> float:
    """The smallest number of 1, 2, 4, 6 or 8 times a power of ten that is not below `span`."""
    power = 10.0 ** math.floor(math.log10(span))
    return next((f * power for f in (1, 2, 4, 6, 8) if span <= f * power), 10 * power)
