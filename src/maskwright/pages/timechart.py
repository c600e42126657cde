"""Numbers over time as SVG: a line above the band of what is usual, or columns of counts.

Times are seconds since 1970, shown in the zone of the machine. A value that is NaN leaves a
hole. Charts are small: several stand beside each other, and one fits into a narrow window.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..core.labels import Rgb
from .axes import BOTTOM_PX, TOP_PX, DrawnLine, Frame, Layout, cut_line
from .plot import round_up

Unit = Literal["share", "level", "seconds", "count", "number"]
"""A share of 1 with 0 on the axis or (`level`) without, seconds, a count, another number."""

_LAYOUT = Layout("any", 350, longest=8, height_px=200)
_NUM_LEVELS = 4
_STEPS = (1, 2, 2.5, 5, 10)
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """The time from `start` to `end`; `marks` are times of which a line reminds."""

    start: float
    end: float
    marks: Sequence[float] = ()

    def share(self, at: float) -> float:
        """Where a time lies, from 0 to 1."""
        return (at - self.start) / (self.end - self.start)

    def describe(self, at: float) -> str:
        """A time in words, with the date where the axis is longer than a day."""
        form = "%b %d, %H:%M" if self.end - self.start > _DAY_S else "%H:%M"
        return f"{datetime.fromtimestamp(at, UTC).astimezone():{form}}"


@dataclass(frozen=True, slots=True, eq=False)
class TimeLine:
    """One line: values (N,) at times (N,), which ascend, and intervals (2, N) if known."""

    name: str
    color: Rgb
    times_N: NDArray[np.float64]
    values_N: NDArray[np.float64]
    interval_2N: NDArray[np.float64] | None = None


def draw_times(
    title: str,
    axis: TimeAxis,
    lines: Sequence[TimeLine],
    *,
    unit: Unit,
    band: tuple[float, float] | None = None,
) -> str:
    """Lines over time; "" without any value. `band` is where values usually lie."""
    known = np.concatenate([line.values_N[np.isfinite(line.values_N)] for line in lines])
    if not len(known):
        return ""
    ends = [line.interval_2N for line in lines if line.interval_2N is not None]
    inside = [value for each in ends for value in each[np.isfinite(each)].tolist()]
    scale = _Scale.fit([*known.tolist(), *inside, *(band or ())], unit)
    drawn = []
    for number, line in enumerate(lines):
        places = map(axis.share, line.times_N.tolist())
        pieces = cut_line(places, line.values_N.tolist(), scale.share)
        drawn.append(DrawnLine(line.name, line.color, pieces, number))
    frame = Frame.make(_LAYOUT, drawn)
    usual = "" if band is None else _draw_band(frame, scale, band)
    usual += "".join(_draw_interval(frame, scale, axis, line) for line in lines)
    return frame.draw(title, drawn, usual + scale.draw_levels(frame) + _draw_time(frame, axis))


def draw_columns(
    title: str,
    axis: TimeAxis,
    starts_N: NDArray[np.float64],
    counts_2N: NDArray[np.float64],
    *,
    length: float,
) -> str:
    """Columns of counts over spans of time, the second kind on top of the first."""
    top = round_up(max(float(counts_2N.sum(0).max(initial=0.0)), 4.0))
    frame = Frame.make(_LAYOUT, [])
    width = max(1.0, (frame.x(axis.share(axis.start + length)) - frame.x(0)) * 0.85)
    bars = ""
    for start, low, more in zip(starts_N.tolist(), *counts_2N.tolist(), strict=True):
        left = frame.x(max(0.0, axis.share(start)))
        for kind, bottom, height in (("fill", 0.0, low), ("lost", low, more)):
            if height:
                y, base = frame.y((bottom + height) / top), frame.y(bottom / top)
                bars += (
                    f'<rect class="{kind}" x="{left:.1f}" y="{y:.1f}" width="{width:.1f}" '
                    f'height="{base - y:.1f}"><title>{escape(axis.describe(start))}: '
                    f"{height:,.0f}</title></rect>"
                )
    levels = _Scale(0.0, top, "count").draw_levels(frame)
    return frame.draw(title, [], levels + bars + _draw_time(frame, axis))


def format_unit(value: float, unit: Unit) -> str:
    """A value in its unit: `12.5 %`, `40 ms`, `1,200`."""
    if unit in ("share", "level"):
        return f"{100 * value:.3g}\u00a0%"
    if unit == "seconds":
        return f"{1000 * value:.3g}\u00a0ms" if value < 1 else f"{value:.3g}\u00a0s"
    return f"{value:,.0f}" if unit == "count" else f"{value:.3g}"


@dataclass(frozen=True, slots=True)
class _Scale:
    """The axis of values, of `num` steps."""

    low: float
    high: float
    unit: Unit
    num: int = _NUM_LEVELS

    @classmethod
    def fit(cls, values: Sequence[float], unit: Unit) -> "_Scale":
        low, high = min(values), max(values)
        if unit in ("share", "seconds", "count"):
            return cls(0.0, round_up(max(high, 1e-3)), unit)
        least = max(high - low, 0.02 * abs(high), 1e-3) / _NUM_LEVELS
        power = 10.0 ** math.floor(math.log10(least))
        step = next(power * factor for factor in _STEPS if least <= power * factor)
        first, last = math.floor(low / step), math.ceil(high / step)
        last = max(last, first + 1)
        return cls(first * step, last * step, unit, last - first)

    def share(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)

    def draw_levels(self, frame: Frame) -> str:
        shares = np.linspace(0, 1, self.num + 1).tolist()
        values = np.linspace(self.low, self.high, self.num + 1).tolist()
        return "".join(
            frame.draw_level(share, format_unit(value, self.unit))
            for share, value in zip(shares, values, strict=True)
        )


def _draw_band(frame: Frame, scale: _Scale, band: tuple[float, float]) -> str:
    bottom, top = (frame.y(min(1.0, max(0.0, scale.share(value)))) for value in band)
    width, height = frame.right_px - frame.x(0), max(1.0, bottom - top)
    return (
        f'<rect class="usual" x="{frame.x(0):g}" y="{top:.1f}" width="{width:g}" '
        f'height="{height:.1f}"/>'
    )


def _draw_interval(frame: Frame, scale: _Scale, axis: TimeAxis, line: TimeLine) -> str:
    """The area between the ends of the intervals of a line."""
    if line.interval_2N is None:
        return ""
    areas = []
    places = [axis.share(at) for at in line.times_N.tolist()]
    sides = (cut_line(places, ends.tolist(), scale.share) for ends in line.interval_2N)
    for low, high in zip(*sides, strict=True):
        points = [*low, *reversed(high)]
        path = "L".join(f"{frame.x(x):.1f} {frame.y(y):.1f}" for x, y in points)
        areas.append(f'<path fill="rgb{line.color}" fill-opacity=".16" d="M{path}Z"/>')
    return "".join(areas)


def _draw_time(frame: Frame, axis: TimeAxis) -> str:
    places = [(0.0, "start"), (0.5, "middle"), (1.0, "end")]
    if axis.end - axis.start > _DAY_S:
        del places[1]  # dates are wide
    bottom = frame.layout.height_px - BOTTOM_PX
    marks = "".join(
        f'<path class="gap" d="M{frame.x(axis.share(at)):.1f} {TOP_PX}V{bottom}"/>'
        for at in axis.marks
    )
    return marks + "".join(
        frame.draw_tick(
            share, axis.describe(axis.start + share * (axis.end - axis.start)), anchor
        )
        for share, anchor in places
    )
