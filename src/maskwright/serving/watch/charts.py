"""Charts of the dashboard: accuracy, drift, classes, light and traffic over time."""

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from ...core.observation import TITLES
from ...measurement.control.chart import LEAST_VALUES, RANGE_RULE, RULES, ControlChart
from ...measurement.control.page import draw_points
from ...pages.axes import DrawnLine, Frame, Layout
from ...pages.markup import render_table
from ...pages.text import DASH, format_count, format_share
from ...pages.timechart import TimeAxis, TimeLine, Unit, draw_columns, draw_times
from .accuracy import Accuracy
from .control import Control
from .figures import Figures

_BLUE, _ORANGE, _GREY = (11, 94, 168), (200, 90, 20), (128, 128, 128)
_MOST_CLASSES, _MOST_CONTROLLED = 24, 6
_VALUES = (Layout("cell", 480, longest=0, height_px=200),)
_LEVELS = Layout("cell", 480, longest=5, height_px=200)
_RANGES = (Layout("cell", 480, longest=0, height_px=130),)

CONTROL = (
    "Individual values and moving ranges, by the rules of Western Electric: of the figures of "
    "the rules of the server, with limits from the first images, and of the coverage of each "
    "class, with limits from groups of the reference of as many images."
)


def describe_truths(accuracy: Accuracy) -> str:
    """How many images have truth."""
    return f"of {format_count(accuracy.num_images, 'image')} with truth"


def describe_accuracy(figures: Figures) -> str:
    """What truth and estimates are of; "" where there is neither."""
    parts = []
    if figures.accuracy is not None:
        parts.append("By truth: of the images whose truth has come.")
        if figures.accuracy.num_images < figures.columns.total.num:
            parts.append(
                "Images that were kept for their low confidence are harder than others: the "
                "accuracy of all is higher."
            )
    if (estimates := figures.estimates) is not None:
        parts.append(
            f"Estimated: what the confidence of all images says, for "
            f"{format_count(estimates.least_images, 'image')} or more at a time, with an "
            f"interval that holds the truth in 9 of 10 cases. It cannot see that a class now "
            f"means something else."
        )
        if estimates.num_silent:
            parts.append(
                f"{format_count(estimates.num_silent, 'part')} of this time "
                f"{'is' if estimates.num_silent == 1 else 'are'} unlike all that it knows: "
                f"nothing is said."
            )
    return " ".join(parts)


def draw_accuracy(figures: Figures, axis: TimeAxis) -> str:
    """Mean IoU over time, by truth and estimated, and the IoU of each class by truth."""
    accuracy, estimates = figures.accuracy, figures.estimates
    lines, notes = [], []
    if accuracy is not None:
        lines.append(
            TimeLine(
                "truth", _BLUE, figures.columns.middles_N, accuracy.mean_N, accuracy.mean_2N
            )
        )
        notes.append(describe_truths(accuracy))
    if estimates is not None:
        lines.append(
            TimeLine(
                "estimate", _ORANGE, estimates.times_N, estimates.miou_N, estimates.interval_2N
            )
        )
        notes.append(f"estimated of {format_count(estimates.num_images, 'image')}")
    if not lines:
        return ""
    chart = draw_times("Mean IoU", axis, lines, unit="level")
    figure = _render_figure("Mean IoU", ", ".join(notes), chart)
    if accuracy is None:
        return f'<div class="charts">{figure}</div>'
    return f'<div class="beside">{figure}<div class="list">{_list_iou(accuracy)}</div></div>'


def _list_iou(accuracy: Accuracy) -> str:
    low, high = accuracy.mean_interval
    rows = [("mean", format_share(accuracy.mean), format_interval(low, high))]
    for name, value, low, high in zip(
        accuracy.names,
        accuracy.iou_C.tolist(),
        *accuracy.interval_2C.tolist(),
        strict=True,
    ):
        if not math.isnan(value):  # absent from truth and prediction
            rows.append((escape(name), format_share(value), format_interval(low, high)))
    return render_table("IoU by class", ("class", "IoU", "95 % interval"), rows)


def draw_drift(figures: Figures, axis: TimeAxis) -> str:
    """How near to an alarm each family of the scope of the view was over time."""
    judged, scope = figures.judged, figures.view.scope
    if judged is None:
        return ""
    seen = [t for t in judged.trace if t.scope == scope and axis.start <= t.at <= axis.end]
    if not seen:
        return ""
    times_N = np.array([one.at for one in seen])
    charts = ""
    for family in seen[-1].families:
        values_N = np.array([one.families.get(family, math.nan) for one in seen])
        title = TITLES.get(family, family)
        line = TimeLine("", _BLUE, times_N, values_N)
        chart = draw_times(title, axis, [line], unit="share")
        charts += _render_figure(title.capitalize(), "100 % alone would be an alarm", chart)
    return f'<h3>Evidence by family</h3><div class="charts">{charts}</div>'


def draw_figures(controls: Sequence[Control]) -> str:
    """Control charts of figures, each with that of its moving ranges."""
    charts = "".join(map(_draw_figure, controls))
    return f'<div class="charts">{charts}</div>' if charts else ""


def _draw_figure(one: Control) -> str:
    if one.chart is None:
        note = f"{len(one.values_N)} of the {LEAST_VALUES} values that limits need"
        return f"<figure><figcaption><b>{escape(one.figure)}</b>{note}</figcaption></figure>"
    rules = dict.fromkeys(RULES[rule] for each in one.signals.values() for rule in each)
    num = format_count(len(one.signals), "value")
    state = f"{num} out of control: {', '.join(rules)}" if rules else "in control"
    values = draw_points(
        one.figure,
        one.values_N,
        (*one.chart.limits, one.chart.center),
        [index for index, each in one.signals.items() if set(each) - {RANGE_RULE}],
        one.names,
        layouts=_VALUES,
    )
    ranges = draw_points(
        f"moving range of {one.figure}",
        one.chart.ranges_N[len(one.chart.ranges_N) - len(one.values_N) :],
        (0.0, one.chart.range_limit, one.chart.mean_range),
        [index for index, each in one.signals.items() if RANGE_RULE in each],
        one.names,
        layouts=_RANGES,
    )
    note = f"{state}; {one.points}; below: moving ranges"
    return _render_figure(one.figure, note, values + ranges)


def draw_control(figures: Figures, axis: TimeAxis) -> str:
    """Control charts of coverage: of classes out of control first, then of frequent ones."""
    drawn = []
    for name, share in figures.columns.total.average("classes").items():
        values_N = figures.columns.list_means("classes", name)
        known_n = values_N[np.isfinite(values_N)]
        before_n = figures.groups.get(("classes", name), np.zeros(0))
        if len(before_n) < LEAST_VALUES or not len(known_n):
            continue
        chart = ControlChart.from_values(
            [*before_n.tolist(), *known_n.tolist()], num_baseline=len(before_n)
        )
        signals = [s for s in chart.signals if s.index >= len(before_n)]
        drawn.append((len(signals), share, name, values_N, chart.limits, signals))
    drawn.sort(key=lambda each: each[:2], reverse=True)
    charts = ""
    for num, _, name, values_N, (low, high), signals in drawn[:_MOST_CONTROLLED]:
        line = TimeLine("", _BLUE, figures.columns.middles_N, values_N)
        svg = draw_times(name, axis, [line], unit="share", band=(max(0.0, low), min(1.0, high)))
        rules = ", ".join(dict.fromkeys(RULES[signal.rule] for signal in signals))
        note = f"{format_count(num, 'signal')}: {rules}" if num else "in control"
        charts += _render_figure(name, note, svg)
    return f'<div class="charts">{charts}</div>' if charts else ""


def format_interval(low: float, high: float) -> str:
    """Two shares; a dash where they are not known."""
    if math.isnan(low):
        return DASH
    return " to ".join(format_share(end).replace(" ", "\u00a0") for end in (low, high))


def draw_classes(figures: Figures, axis: TimeAxis) -> str:
    """One chart for each class, the most frequent ones first."""
    means = figures.columns.total.average("classes")
    names = sorted(means, key=lambda name: -means[name])[:_MOST_CLASSES]
    charts = [
        _draw_number(figures, axis, ("classes", name), name, "share", format_share(means[name]))
        for name in names
    ]
    return f'<div class="charts">{"".join(charts)}</div>' if charts else ""


def draw_light(figures: Figures, axis: TimeAxis) -> str:
    """Histograms, confidence, entropy, sharpness and brightness."""
    names = [name for name in figures.columns.total.average("image") if "mean " in name]
    charts = _draw_levels(figures)
    charts += _draw_number(
        figures, axis, ("confidence", "mean"), "Mean confidence", "level", ""
    )
    charts += _draw_number(figures, axis, ("entropy", "mean"), "Mean entropy", "level", "")
    charts += _draw_number(
        figures, axis, ("image", "log sharpness"), "Sharpness (log)", "number", ""
    )
    for name in names[:4]:
        title = f"Brightness, {name.removeprefix('mean ')}"
        charts += _draw_number(figures, axis, ("image", name), title, "number", "")
    return f'<div class="charts">{charts}</div>' if charts else ""


def _draw_levels(figures: Figures) -> str:
    """The histogram of each channel now, and in the first images."""
    charts = ""
    for channel, shares in figures.columns.total.average_levels().items():
        before = figures.levels.get(channel, [])
        top = max([*shares, *before])
        drawn: list[DrawnLine] = []
        for name, color, each in (("first", _GREY, before), ("now", _BLUE, shares)):
            points = [((k + 0.5) / len(each), share / top) for k, share in enumerate(each)]
            drawn.append(DrawnLine(name, color, [points] if points else [], len(drawn)))
        frame = Frame.make(_LEVELS, drawn)
        axes = "".join(frame.draw_level(s, format_share(s * top)) for s in (0.0, 0.5, 1.0))
        axes += frame.draw_tick(0, "dark", "start") + frame.draw_tick(1, "light", "end")
        title = f"Histogram, {channel}"
        note = f"shares of pixels in {len(shares)} levels"
        charts += _render_figure(title, note, frame.draw(title, drawn, axes))
    return charts


def _draw_number(
    figures: Figures, axis: TimeAxis, key: tuple[str, str], title: str, unit: Unit, note: str
) -> str:
    """The mean of a number (family and name) over time, over the band of its reference."""
    columns = figures.columns
    line = TimeLine("", _BLUE, columns.middles_N, columns.list_means(*key))
    band = figures.bands.get(key)
    return _render_figure(title, note, draw_times(title, axis, [line], unit=unit, band=band))


def draw_traffic(figures: Figures, axis: TimeAxis) -> str:
    """Images, failures and seconds."""
    columns = figures.columns
    lines = [
        TimeLine(name, color, columns.middles_N, columns.list_quantiles(share))
        for name, color, share in (("95 %", _ORANGE, 0.95), ("half", _BLUE, 0.5))
    ]
    length = columns.view.column_s
    counts = draw_columns("Images", axis, columns.starts_N, columns.counts_2N, length=length)
    seconds = draw_times("Time of a request", axis, lines, unit="seconds")
    return (
        f'<div class="charts">{_render_figure("Images", "failed requests in orange", counts)}'
        f"{_render_figure('Time of a request', '', seconds)}</div>"
    )


def _render_figure(title: str, note: str, chart: str) -> str:
    if not chart:
        return ""
    return (
        f"<figure><figcaption><b>{escape(title)}</b>{escape(note)}</figcaption>{chart}</figure>"
    )
