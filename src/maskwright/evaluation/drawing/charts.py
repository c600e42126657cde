"""Curves and bars as SVG: each point has its number beside it and its interval as a whisker.

Nothing is said by colour alone: what was found is filled and what was missed is an empty
outline, ends of intervals are strokes, and every value stands as text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

Interval = Sequence[float] | None

_WIDTH_PX, _HEIGHT_PX = 520, 296
_LEFT_PX, _TOP_PX, _RIGHT_PX, _BOTTOM_PX = 44, 22, 12, 76
_TILTED_PX = 26
"""What tilted names need below the axis."""
_HISTOGRAM_PX = 50
_TICKS = (0, 0.25, 0.5, 0.75, 1)
_BAR_WIDTH_PX, _BAR_HEIGHT_PX = 150, 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Shares in [0, 1] at places along an axis; None where a score does not exist."""

    title: str
    axis: str
    at: Sequence[float | str]
    values: Sequence[float | None]
    intervals: Sequence[Interval]


def interval_bar(value: float | None, interval: Interval) -> str:
    """A bar for a share in [0, 1] with its interval; its number stands beside it as text."""
    filled = "" if value is None else _box(0, 3, value * _BAR_WIDTH_PX, 10, "fill")
    whisker = ""
    if interval is not None:
        low, high = (v * _BAR_WIDTH_PX for v in interval)
        path = f"M{low:.1f} 3.5v9M{high:.1f} 3.5v9M{low:.1f} 8H{high:.1f}"
        whisker = f'<path class="whisker" d="{path}"/>'
    return (
        f'<svg class="bar" aria-hidden="true" viewBox="-2 0 {_BAR_WIDTH_PX + 4} '
        f'{_BAR_HEIGHT_PX}" preserveAspectRatio="none">'
        f"{_box(0, 3, _BAR_WIDTH_PX, 10, 'track')}{filled}{whisker}</svg>"
    )


def difference_bar(difference: float | None, interval: Interval, reach: float) -> str:
    """A bar from the middle to either side with its interval; half its width is `reach`."""
    middle = _BAR_WIDTH_PX / 2

    def place(value: float) -> float:
        return middle + max(-1.0, min(1.0, value / reach)) * middle if reach else middle

    bar = whisker = ""
    if difference is not None:
        left, right = sorted((middle, place(difference)))
        bar = _box(left, 3, right - left, 10, "lost" if difference < 0 else "fill")
    if interval is not None:
        low, high = (place(v) for v in interval)
        path = f"M{low:.1f} 3.5v9M{high:.1f} 3.5v9M{low:.1f} 8H{high:.1f}"
        whisker = f'<path class="whisker" d="{path}"/>'
    return (
        f'<svg class="bar" aria-hidden="true" viewBox="-2 0 {_BAR_WIDTH_PX + 4} '
        f'{_BAR_HEIGHT_PX}" preserveAspectRatio="none">'
        f"{_box(0, 3, _BAR_WIDTH_PX, 10, 'track')}{bar}"
        f'<path class="zero" d="M{middle:g} 0V{_BAR_HEIGHT_PX}"/>{whisker}</svg>'
    )


def line_chart(series: Series) -> str:
    """Points joined by a line, at equal steps whatever their places say."""
    places = [_x(i, len(series.at)) for i in range(len(series.at))]
    runs: list[list[str]] = [[]]
    for x, value in zip(places, series.values, strict=True):
        if value is None:
            runs.append([])
        else:
            runs[-1].append(f"{x:.1f} {_y(value):.1f}")
    lines = "".join(f'<path class="line" d="M{" L".join(run)}"/>' for run in runs if run)
    dots = "".join(
        f'<circle class="dot" cx="{x:.1f}" cy="{_y(v):.1f}" r="4"/>'
        for x, v in zip(places, series.values, strict=True)
        if v is not None
    )
    return _chart(series, lines + _whiskers(series) + dots)


def share_bars(series: Series) -> str:
    """A bar a place: filled up to the share, an empty outline for the rest."""
    wide = 0.56 * _step(len(series.at))
    bars = []
    for i, value in enumerate(series.values):
        if value is not None:
            x = _x(i, len(series.at)) - wide / 2
            bars.append(_box(x, _y(1), wide, _y(0) - _y(1), "rest"))
            bars.append(_box(x, _y(value), wide, _y(0) - _y(value), "fill"))
    return _chart(series, "".join(bars) + _whiskers(series))


def reliability_chart(series: Series, shares: Sequence[float | None]) -> str:
    """Accuracy at each confidence against the diagonal of perfect promises, all in [0, 1].

    `shares` of all pixels stand below as bars, a bar a point.
    """
    points = [
        (float(at), value)
        for at, value in zip(series.at, series.values, strict=True)
        if value is not None and isinstance(at, int | float)
    ]
    diagonal = f'<path class="ideal" d="M{_across(0):g} {_y(0):g}L{_across(1):g} {_y(1):g}"/>'
    gaps = "".join(
        f'<path class="gap" d="M{_across(at):.1f} {_y(at):.1f}V{_y(value):.1f}"/>'
        for at, value in points
    )
    line = "L".join(f"{_across(at):.1f} {_y(value):.1f}" for at, value in points)
    dots = "".join(
        f'<circle class="dot" cx="{_across(at):.1f}" cy="{_y(value):.1f}" r="4">'
        f"<title>confidence {at:.1%}: {value:.1%} right</title></circle>"
        for at, value in points
    )
    ticks = "".join(_text(_across(v), _y(0) + 18, f"{100 * v:.0f}", "middle") for v in _TICKS)
    whiskers = "".join(
        _whisker(_across(float(at)), interval)
        for at, interval in zip(series.at, series.intervals, strict=True)
        if interval is not None
    )
    drawn = diagonal + gaps + (f'<path class="line" d="M{line}"/>' if line else "")
    drawn += (f'<path class="whisker" d="{whiskers}"/>' if whiskers else "") + dots
    return _frame(series, drawn + ticks + _histogram(shares), _HEIGHT_PX + _HISTOGRAM_PX)


def _histogram(shares: Sequence[float | None]) -> str:
    """Bars below the axis with their percentage, from left to right at equal steps."""
    most = max((share or 0 for share in shares), default=0) or 1
    step, floor = _step(len(shares)), _HEIGHT_PX + _HISTOGRAM_PX - 28
    drawn = []
    for i, share in enumerate(shares):
        height = (share or 0) / most * (_HISTOGRAM_PX - 14)
        drawn.append(
            _box(_x(i, len(shares)) - 0.4 * step, floor - height, 0.8 * step, height, "fill")
        )
        if share and share >= 0.005:
            drawn.append(
                _text(_x(i, len(shares)), floor - height - 4, f"{100 * share:.0f}", "middle")
            )
    return "".join(drawn)


def _chart(series: Series, drawn: str) -> str:
    num = len(series.at)
    crowded = _step(num) < 34
    tilted = max((len(_place(at)) for at in series.at), default=0) * 6.4 > _step(num) - 4
    labels = []
    for i, (at, value) in enumerate(zip(series.at, series.values, strict=True)):
        x = _x(i, num)
        labels.append(_tick(x, _place(at), tilted=tilted))
        if value is not None and not crowded:
            top = max([value, *(series.intervals[i] or ())])
            y = max(_y(top) - 8, 12)
            labels.append(_text(x, y, f"{100 * value:.0f}", "middle", "value"))
    height_px = _HEIGHT_PX if tilted else _HEIGHT_PX - _TILTED_PX
    return _frame(series, drawn + "".join(labels), height_px)


def _frame(series: Series, drawn: str, height_px: int = _HEIGHT_PX) -> str:
    lines = "".join(
        f'<path class="grid" d="M{_LEFT_PX} {_y(v):g}H{_WIDTH_PX - _RIGHT_PX}"/>'
        + _text(_LEFT_PX - 8, _y(v) + 4, f"{100 * v:.0f}", "end")
        for v in _TICKS
    )
    axis = _text((_LEFT_PX + _WIDTH_PX) / 2, height_px - 8, series.axis, "middle", "axis")
    spoken = ", ".join(
        f"{_place(at)}: {'no score' if v is None else f'{100 * v:.1f} %'}"
        for at, v in zip(series.at, series.values, strict=True)
    )
    label = escape(f"{series.title}, by {series.axis}. {spoken}")
    return (
        f'<svg class="chart" role="img" aria-label="{label}" '
        f'viewBox="0 0 {_WIDTH_PX} {height_px}">{lines}{_text(_LEFT_PX - 8, 12, "%", "end")}'
        f"{drawn}{axis}</svg>"
    )


def _whiskers(series: Series) -> str:
    path = "".join(
        _whisker(_x(i, len(series.at)), interval)
        for i, interval in enumerate(series.intervals)
        if interval is not None
    )
    return f'<path class="whisker" d="{path}"/>' if path else ""


def _whisker(x: float, interval: Sequence[float]) -> str:
    low, high = (_y(end) for end in interval)
    ends = "".join(f"M{x - 5:.1f} {end:.1f}h10" for end in (low, high))
    return f"M{x:.1f} {low:.1f}V{high:.1f}{ends}"


def _tick(x: float, text: str, *, tilted: bool) -> str:
    y = _y(0) + 16
    if not tilted:
        return _text(x, y + 2, text, "middle")
    return (
        f'<text text-anchor="end" transform="translate({x + 4:.1f} {y - 3:g}) rotate(-28)">'
        f"{escape(text)}</text>"
    )


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{named}>{escape(text)}</text>'


def _box(x: float, y: float, width: float, height: float, kind: str) -> str:
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" '
        f'height="{max(height, 0):.1f}"/>'
    )


def _place(at: float | str) -> str:
    return at if isinstance(at, str) else f"{at:g}"


def _step(num: int) -> float:
    return (_WIDTH_PX - _LEFT_PX - _RIGHT_PX) / max(1, num)


def _x(index: int, num: int) -> float:
    return _LEFT_PX + (index + 0.5) * _step(num)


def _across(share: float) -> float:
    return _LEFT_PX + share * (_WIDTH_PX - _LEFT_PX - _RIGHT_PX)


def _y(share: float) -> float:
    return _HEIGHT_PX - _BOTTOM_PX - share * (_HEIGHT_PX - _BOTTOM_PX - _TOP_PX)
