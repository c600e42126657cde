"""Curves and bars as SVG: every point has its number beside it and its interval as a whisker.

Colour alone carries no meaning: found is filled and missed is an empty outline, ends of
intervals are strokes, and every value stands as text. A score that does not exist (NaN) is not
drawn.
"""

import math
from collections.abc import Sequence
from html import escape

from ...core.report import CurveReport, Estimate
from ...pages.text import format_share

_WIDTH_PX, _HEIGHT_PX = 520, 306
_LEFT_PX, _TOP_PX, _RIGHT_PX, _BOTTOM_PX = 44, 22, 12, 86
_TILTED_PX = 36
"""Extra height for tilted names below the axis."""
_HISTOGRAM_PX = 50
_TICKS = (0, 0.25, 0.5, 0.75, 1)
_BAR_WIDTH_PX, _BAR_HEIGHT_PX = 150, 16
_LETTER_PX = 8.0
"""Of the larger letters in a narrow window."""
_LEAST_NAMED = 0.005
"""A smaller share has no number above its bar: it would be 0."""


def draw_bar(share: Estimate) -> str:
    """A bar for a share in [0, 1] with its interval; its number stands beside it as text."""
    filled = (
        "" if math.isnan(share.value) else _box(0, 3, share.value * _BAR_WIDTH_PX, 10, "fill")
    )
    ends = None if share.interval is None else [end * _BAR_WIDTH_PX for end in share.interval]
    return _draw_track(filled + _lying_whisker(ends))


def draw_difference_bar(difference: Estimate, reach: float) -> str:
    """A bar from the middle to either side with its interval; half its width is `reach`."""
    middle = _BAR_WIDTH_PX / 2

    def x(value: float) -> float:
        return middle + max(-1.0, min(1.0, value / reach)) * middle if reach else middle

    bar = ""
    if not math.isnan(difference.value):
        left, right = sorted((middle, x(difference.value)))
        bar = _box(left, 3, right - left, 10, "lost" if difference.value < 0 else "fill")
    ends = None if difference.interval is None else [x(end) for end in difference.interval]
    zero = f'<path class="zero" d="M{middle:g} 0V{_BAR_HEIGHT_PX}"/>'
    return _draw_track(bar + zero + _lying_whisker(ends))


def _draw_track(drawn: str) -> str:
    return (
        f'<svg class="bar" aria-hidden="true" viewBox="-2 0 {_BAR_WIDTH_PX + 4} '
        f'{_BAR_HEIGHT_PX}" preserveAspectRatio="none">'
        f"{_box(0, 3, _BAR_WIDTH_PX, 10, 'track')}{drawn}</svg>"
    )


def _lying_whisker(ends: Sequence[float] | None) -> str:
    if ends is None:
        return ""
    low, high = ends
    path = f"M{low:.1f} 3.5v9M{high:.1f} 3.5v9M{low:.1f} 8H{high:.1f}"
    return f'<path class="whisker" d="{path}"/>'


def draw_line(title: str, curve: CurveReport) -> str:
    """Shares in [0, 1] as points joined by a line, at equal steps along the axis."""
    runs: list[list[str]] = [[]]
    for i, point in enumerate(curve.points):
        if math.isnan(point.value):
            runs.append([])
        else:
            runs[-1].append(f"{_x(i, len(curve.at)):.1f} {_y(point.value):.1f}")
    lines = "".join(f'<path class="line" d="M{" L".join(run)}"/>' for run in runs if run)
    dots = "".join(
        f'<circle class="dot" cx="{_x(i, len(curve.at)):.1f}" cy="{_y(value):.1f}" r="4"/>'
        for i, value in enumerate(point.value for point in curve.points)
        if not math.isnan(value)
    )
    return _draw_chart(title, curve, lines + _whiskers(curve) + dots)


def draw_share_bars(title: str, curve: CurveReport) -> str:
    """One bar per point: filled up to the share, an empty outline for the rest."""
    width = 0.56 * _step(len(curve.at))
    bars = []
    for i, point in enumerate(curve.points):
        if not math.isnan(point.value):
            x = _x(i, len(curve.at)) - width / 2
            bars.append(_box(x, _y(1), width, _y(0) - _y(1), "rest"))
            bars.append(_box(x, _y(point.value), width, _y(0) - _y(point.value), "fill"))
    return _draw_chart(title, curve, "".join(bars) + _whiskers(curve))


def draw_reliability(title: str, curve: CurveReport, shares: Sequence[float]) -> str:
    """Accuracy at each confidence in [0, 1], and the diagonal, where the two are equal.

    `shares` of all pixels stand below as bars, one per point.
    """
    points = [
        (float(at), point.value)
        for at, point in zip(curve.at, curve.points, strict=True)
        if not math.isnan(point.value)
    ]
    diagonal = f'<path class="ideal" d="M{_across(0):g} {_y(0):g}L{_across(1):g} {_y(1):g}"/>'
    gaps = "".join(
        f'<path class="gap" d="M{_across(at):.1f} {_y(at):.1f}V{_y(value):.1f}"/>'
        for at, value in points
    )
    line = "L".join(f"{_across(at):.1f} {_y(value):.1f}" for at, value in points)
    dots = "".join(
        f'<circle class="dot" cx="{_across(at):.1f}" cy="{_y(value):.1f}" r="4">'
        f"<title>confidence {format_share(at)}: {format_share(value)} right</title></circle>"
        for at, value in points
    )
    ticks = "".join(_text(_across(v), _y(0) + 18, f"{100 * v:.0f}", "middle") for v in _TICKS)
    whiskers = "".join(
        _whisker(_across(float(at)), point.interval)
        for at, point in zip(curve.at, curve.points, strict=True)
        if point.interval is not None
    )
    drawn = diagonal + gaps + (f'<path class="line" d="M{line}"/>' if line else "")
    drawn += (f'<path class="whisker" d="{whiskers}"/>' if whiskers else "") + dots
    drawn += ticks + _draw_histogram(shares)
    return _draw_frame(title, curve, drawn, _HEIGHT_PX + _HISTOGRAM_PX)


def draw_against(title: str, curve: CurveReport) -> str:
    """Shares in [0, 1] over positions that are shares too, in their order, joined by a line."""
    points = [
        (_across(float(at)), _y(point.value))
        for at, point in zip(curve.at, curve.points, strict=True)
        if not math.isnan(point.value)
    ]
    line = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    dots = "".join(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in points)
    ticks = "".join(_text(_across(v), _y(0) + 18, f"{100 * v:.0f}", "middle") for v in _TICKS)
    drawn = (f'<path class="line" d="M{line}"/>' if line else "") + dots + ticks
    return _draw_frame(title, curve, drawn, _HEIGHT_PX - _TILTED_PX)


def _draw_histogram(shares: Sequence[float]) -> str:
    """Bars below the axis with their percentage, from left to right at equal steps."""
    known = [0.0 if math.isnan(share) else share for share in shares]
    most = max(known, default=0.0) or 1.0
    step, floor = _step(len(known)), _HEIGHT_PX + _HISTOGRAM_PX - 28
    drawn = []
    for i, share in enumerate(known):
        x, height = _x(i, len(known)), share / most * (_HISTOGRAM_PX - 14)
        drawn.append(_box(x - 0.4 * step, floor - height, 0.8 * step, height, "fill"))
        if share >= _LEAST_NAMED:
            drawn.append(_text(x, floor - height - 4, f"{100 * share:.0f}", "middle"))
    return "".join(drawn)


def _draw_chart(title: str, curve: CurveReport, drawn: str) -> str:
    num = len(curve.at)
    crowded = _step(num) < 34
    tilted = (
        max((len(format_position(at)) for at in curve.at), default=0) * _LETTER_PX
        > _step(num) - 4
    )
    labels = []
    for i, (at, point) in enumerate(zip(curve.at, curve.points, strict=True)):
        labels.append(_tick(_x(i, num), format_position(at), tilted=tilted))
        if not math.isnan(point.value) and not crowded:
            top = max([point.value, *(point.interval or ())])
            y = max(_y(top) - 8, 12)
            labels.append(_text(_x(i, num), y, f"{100 * point.value:.0f}", "middle", "value"))
    height_px = _HEIGHT_PX if tilted else _HEIGHT_PX - _TILTED_PX
    return _draw_frame(title, curve, drawn + "".join(labels), height_px)


def _draw_frame(title: str, curve: CurveReport, drawn: str, height_px: int) -> str:
    lines = "".join(
        f'<path class="grid" d="M{_LEFT_PX} {_y(v):g}H{_WIDTH_PX - _RIGHT_PX}"/>'
        + _text(_LEFT_PX - 8, _y(v) + 4, f"{100 * v:.0f}", "end")
        for v in _TICKS
    )
    axis = _text((_LEFT_PX + _WIDTH_PX) / 2, height_px - 8, curve.axis, "middle", "axis")
    spoken = ", ".join(
        f"{format_position(at)}: "
        + ("no score" if math.isnan(point.value) else format_share(point.value))
        for at, point in zip(curve.at, curve.points, strict=True)
    )
    label = escape(f"{title}, by {curve.axis}. {spoken}")
    return (
        f'<svg class="chart" role="img" aria-label="{label}" '
        f'viewBox="0 0 {_WIDTH_PX} {height_px}">{lines}{_text(_LEFT_PX - 8, 8, "%", "end")}'
        f"{drawn}{axis}</svg>"
    )


def _whiskers(curve: CurveReport) -> str:
    path = "".join(
        _whisker(_x(i, len(curve.at)), point.interval)
        for i, point in enumerate(curve.points)
        if point.interval is not None
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


def format_position(at: float | str) -> str:
    """A position along the axis of a curve as text."""
    return at if isinstance(at, str) else f"{at:g}"


def _step(num: int) -> float:
    return (_WIDTH_PX - _LEFT_PX - _RIGHT_PX) / max(1, num)


def _x(index: int, num: int) -> float:
    return _LEFT_PX + (index + 0.5) * _step(num)


def _across(share: float) -> float:
    return _LEFT_PX + share * (_WIDTH_PX - _LEFT_PX - _RIGHT_PX)


def _y(share: float) -> float:
    return _HEIGHT_PX - _BOTTOM_PX - share * (_HEIGHT_PX - _BOTTOM_PX - _TOP_PX)
