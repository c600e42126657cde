"""Control charts as one HTML page without scripts."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from ...pages.axes import DrawnLine, Frame, Layout
from ...pages.markup import render_code, render_table
from ...pages.page import Section, render_page
from ...pages.text import format_count, shorten_name
from .chart import RANGE_RULE, RULES, ControlChart
from .series import Series

_LAYOUTS = (Layout("large", 1040, longest=0), Layout("small", 380, longest=0))
_BLUE = (40, 90, 160)
_MOST_SIGNALS = 20
STYLE = ".signal{fill:#c0392b}"
_LONGEST_KEYS, _LONGEST = {"large": 34, "small": 13}, 22


def render_charts(
    figure: str, charts: Mapping[str, tuple[Series, ControlChart]], subtitle: str
) -> str:
    """Render the page; names from files are escaped."""
    sections = [
        Section(
            group or figure, _describe(chart), "".join(_render(figure, group, series, chart))
        )
        for group, (series, chart) in charts.items()
    ]
    return render_page(f"Control charts of {figure}", subtitle, sections, style=STYLE)


def _describe(chart: ControlChart) -> str:
    num = len({signal.index for signal in chart.signals})
    low, high = chart.limits
    state = "in control" if not num else f"{format_count(num, 'value')} out of control"
    return (
        f"{format_count(len(chart.values_N), 'value')}, {state}. Mean {chart.center:.4g}, "
        f"limits {low:.4g} to {high:.4g}, from the first {chart.num_baseline}."
    )


def _render(figure: str, group: str, series: Series, chart: ControlChart) -> Iterator[str]:
    name = f"{figure} {group}".strip()
    of_values = [signal.index for signal in chart.signals if signal.rule != RANGE_RULE]
    of_ranges = [signal.index for signal in chart.signals if signal.rule == RANGE_RULE]
    levels = (*chart.limits, chart.center)
    yield draw_points(name, chart.values_N, levels, of_values, series.keys)
    yield "<p>Moving ranges: differences of neighbouring values.</p>"
    ranges = (0.0, chart.range_limit, chart.mean_range)
    of = f"moving range of {name}"
    yield draw_points(of, chart.ranges_N, ranges, of_ranges, series.keys)
    if chart.signals:
        rows = [
            (
                render_code(series.keys[signal.index]),
                f"{chart.values_N[signal.index]:.4g}",
                escape(RULES[signal.rule]),
            )
            for signal in chart.signals[:_MOST_SIGNALS]
        ]
        yield render_table("Out of control", ("Image", "Value", "Rule"), rows, words=(0, 2))
    if len(chart.signals) > _MOST_SIGNALS:
        yield f"<p>The first {_MOST_SIGNALS} of {len(chart.signals)}.</p>"


def _write(level: float) -> str:
    return f"{level:,.0f}" if abs(level) >= 1000 else f"{level:.3g}"


def draw_points(
    title: str,
    values_N: NDArray[np.float64],
    levels: Sequence[float],
    marked: Sequence[int],
    keys: Sequence[str],
    *,
    layouts: Sequence[Layout] = _LAYOUTS,
) -> str:
    """Draw values in their order, once in each layout; lines across are at `levels`.

    Values are NaN where there is none. Those at the indices `marked` have a dot with their key.
    """
    known = values_N[~np.isnan(values_N)].tolist()
    low, high = min([*known, *levels]), max([*known, *levels])
    margin = 0.05 * (high - low) or 1.0
    low, span = low - margin, high - low + 2 * margin
    last = max(1, len(values_N) - 1)
    points = [
        (index / last, (value - low) / span)
        for index, value in enumerate(values_N.tolist())
        if not np.isnan(value)
    ]
    line = DrawnLine("", _BLUE, [points], 0)
    charts = []
    for layout in layouts:
        frame = Frame.make(layout, [line])
        axes = "".join(
            frame.draw_level((level - low) / span, _write(level)) for level in levels
        )
        longest = _LONGEST_KEYS.get(layout.kind, _LONGEST)
        axes += frame.draw_tick(0, shorten_name(keys[0], longest), "start")
        axes += frame.draw_tick(1, shorten_name(keys[-1], longest), "end")
        circles = "".join(
            f'<circle cx="{frame.x(index / last):.1f}" '
            f'cy="{frame.y((values_N[index] - low) / span):.1f}" r="4" class="signal">'
            f"<title>{escape(keys[index])}</title></circle>"
            for index in sorted(set(marked))
        )
        svg = frame.draw(title, [line], axes)
        charts.append(svg.replace("</svg>", f"{circles}</svg>"))
    return "".join(charts)
