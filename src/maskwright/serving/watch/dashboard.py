"""Dashboard: the page that says at a glance whether all is well, and what differs if not.

Everything is rendered here; the page asks for nothing but itself, once a minute.
"""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from urllib.parse import quote

from ...core.observation import TITLES
from ...monitoring.groups import MIN_GROUPS
from ...monitoring.monitor import Status
from ...monitoring.reference import list_scopes
from ...pages.markup import render_code, render_table
from ...pages.page import Section, render_opening, render_page, render_tile
from ...pages.text import DASH, format_count, format_share
from ...pages.timechart import (
    TimeAxis,
    TimeLine,
    Unit,
    draw_columns,
    draw_times,
    format_unit,
)
from ...store.alarms import Alarm
from .accuracy import Accuracy
from .figures import Figures
from .judge import FIRST_REFERENCE
from .view import LENGTHS

_BLUE, _ORANGE = (11, 94, 168), (200, 90, 20)
_STATES = {
    "learning": "learning",
    "ok": "all is well",
    "warning": "something may change",
    "alarm": "the images have changed",
}
_MOST_CLASSES = 24


def render_dashboard(
    figures: Figures, *, style: str, script: str, may_operate: bool, facts: Sequence[str]
) -> str:
    """The page of one view.

    With `may_operate` it shows kept images and lets a person acknowledge alarms. `facts` are
    lines on the store, as text.
    """
    axis = TimeAxis(
        figures.view.start,
        figures.view.end,
        tuple(a.began for a in figures.alarms if a.began > figures.view.start),
    )
    sections = [
        Section("Alarms", "", _list_alarms(figures, may_operate=may_operate)),
        Section("What has changed", _describe_reference(figures), _list_scopes(figures)),
        Section("Accuracy", _TRUTH, _draw_accuracy(figures, axis)),
        Section("Classes", _BAND, _draw_classes(figures, axis)),
        Section("Light and confidence", _BAND, _draw_image(figures, axis)),
        Section("Traffic", "", _draw_traffic(figures, axis)),
        Section("Least certain images", "", _list_worst(figures, may_operate=may_operate)),
        Section("Store", "", f'<ul class="facts">{_list_facts(facts)}</ul>'),
    ]
    zone = f"{datetime.fromtimestamp(figures.now, UTC).astimezone():%b %d, %H:%M %Z}"
    return render_page(
        f"Watch {figures.model}".strip(),
        f"{zone}. Bundle {figures.view.bundle or DASH}.",
        sections,
        opening=_render_form(figures) + render_opening(sections, _list_tiles(figures)),
        script=script,
        style=style,
        connects=True,
    )


_BAND = "The band holds 95 % of the means of as many images in the reference."

_TRUTH = (
    "Of the images whose truth has come. Images that were kept for their low confidence are "
    "harder than others: the accuracy of all is higher."
)


def _describe_reference(figures: Figures) -> str:
    promise = (
        "An alarm is promised to be false at most once in 90 days, over all cameras together."
    )
    if figures.judged is None or not figures.judged.has_baseline:
        return (
            f"Groups of neighbouring images are compared with the first images of this Bundle. "
            f"{promise}"
        )
    return (
        f"Groups of neighbouring images are compared with the validation images of this "
        f"Bundle, until its first {FIRST_REFERENCE:,} images are a reference; after an alarm, "
        f"when it is acknowledged. {promise}"
    )


def _render_form(figures: Figures) -> str:
    """What the page shows, as a form that needs no script."""

    def choose(name: str, title: str, entries: Sequence[tuple[str, str]], now: str) -> str:
        options = "".join(
            f'<option value="{escape(value)}"{" selected" if value == now else ""}>'
            f"{escape(text)}</option>"
            for value, text in entries
        )
        return f'<label>{title} <select name="{name}">{options}</select></label>'

    view = figures.view
    spans = [(name, length.title) for name, length in LENGTHS.items()]
    bundles = [(bundle, f"{model} {bundle[:8]}") for model, bundle in figures.bundles]
    scopes = sorted({view.scope}.union(*map(list_scopes, figures.sources)))
    sources = [(scope, scope or "all") for scope in scopes]
    return (
        f'<form class="bar" method="get" action="watch">'
        f"{choose('span', 'Time', spans, view.length)}"
        f"{choose('bundle', 'Model', bundles, view.bundle)}"
        f"{choose('source', 'Source', sources, view.scope)}"
        f"<button>Show</button></form>"
    )


def _list_tiles(figures: Figures) -> list[str]:
    total, status, accuracy = figures.columns.total, figures.status, figures.accuracy
    requests = total.num + total.failed
    p50, p95 = (total.find_quantile(share) for share in (0.5, 0.95))
    confidence = total.average("confidence").get("mean", math.nan)
    state = "learning" if status is None else status.state
    span = f"in {LENGTHS[figures.view.length].title}"
    first = (
        f'<div class="tile state {state}">State<b>{_STATES[state]}</b>'
        f"<small>{escape(_explain_state(figures))}</small></div>"
    )
    return [
        first,
        render_tile("Images", f"{total.num:,}", span),
        render_tile(
            "Failed",
            format_share(total.failed / requests if requests else math.nan),
            f"{total.failed:,} of {requests:,} requests",
        ),
        render_tile("95 % within", _format_seconds(p95), f"half within {_format_seconds(p50)}"),
        render_tile("Mean confidence", format_share(confidence), span),
        *(
            [render_tile("Mean IoU", format_share(accuracy.mean), _describe_truths(accuracy))]
            if accuracy is not None
            else []
        ),
    ]


def _describe_truths(accuracy: Accuracy) -> str:
    return f"of {format_count(accuracy.num_images, 'image')} with truth"


def _format_seconds(seconds: float) -> str:
    return DASH if math.isnan(seconds) else format_unit(seconds, "seconds")


def _explain_state(figures: Figures) -> str:
    judged, status = figures.judged, figures.status
    if judged is not None and judged.problem:
        return judged.problem
    if status is None:
        there = 0 if judged is None else judged.num_reference
        if judged is None or judged.monitor is None:
            return f"{there:,} of the first {FIRST_REFERENCE:,} images are there"
        return "this source has no reference of its own; see all sources"
    if status.state == "learning":
        num = format_count(status.num_reference, "group")
        return (
            f"the first {status.group_size * status.num_reference:,} images make {num} of the "
            f"{MIN_GROUPS} that are needed: images that follow each other are alike"
        )
    return f"{format_count(status.num_groups, 'group')} of {status.group_size} images judged"


def _list_scopes(figures: Figures) -> str:
    """A row for each camera and site, and what differs where something does."""
    if figures.judged is None or not figures.judged.statuses:
        return f"<p>{escape(_explain_state(figures))}.</p>"
    statuses = list(figures.judged.statuses.values())
    rows = [
        (
            escape(one.scope or "all images"),
            _render_chip(one.state),
            _render_meter(one.sums),
            _render_meter(one.evidence),
            escape(", ".join(TITLES.get(f, f) for f in one.change.families))
            if one.change
            else "",
        )
        for one in statuses
    ]
    heads = ("images of", "state", "towards a warning", "towards an alarm", "what differs")
    table = render_table("State of each source", heads, rows, words=(0, 1, 2, 3), wrapped=(4,))
    return table + "".join(_describe_change(one) for one in statuses if one.change)


def _render_chip(state: str) -> str:
    return f'<span class="chip {state}">{escape(state)}</span>'


def _render_meter(share: float) -> str:
    percent = min(100.0, 100 * share)
    return (
        f'<span class="share"><i style="width:{percent:.0f}%"></i></span><b>{percent:.0f} %</b>'
    )


def _describe_change(status: Status) -> str:
    """The numbers that differ most, in each family that changed."""
    if status.change is None or not status.change.effects:
        return ""
    rows: list[tuple[str, ...]] = []
    for family, effects in status.change.effects.items():
        unit: Unit = "share" if family in ("classes", "confidence") else "number"
        rows.append((escape(TITLES.get(family, family)),))
        for effect in effects:
            low, high = (format_unit(value, unit) for value in effect.interval)
            rows.append(
                (
                    escape(effect.name),
                    format_unit(effect.before, unit),
                    format_unit(effect.after, unit),
                    f"{low} to {high}",
                    f"{effect.size:+.1f}",
                )
            )
    heads = ("number", "before", "now", "difference (95 %)", "in standard deviations")
    scope = status.scope or "all images"
    table = render_table(f"What differs in {scope}", heads, rows)
    return f"<h3>{escape(scope)}</h3>{table}"


def _draw_accuracy(figures: Figures, axis: TimeAxis) -> str:
    """Mean IoU over time, and the IoU of each class with its interval."""
    accuracy = figures.accuracy
    if accuracy is None:
        return ""
    line = TimeLine("", _BLUE, figures.columns.middles_N, accuracy.mean_N)
    chart = draw_times("Mean IoU", axis, [line], unit="share")
    low, high = accuracy.mean_interval
    rows = [("mean", format_share(accuracy.mean), _format_interval(low, high))]
    for name, value, low, high in zip(
        accuracy.names,
        accuracy.iou_C.tolist(),
        *accuracy.interval_2C.tolist(),
        strict=True,
    ):
        if not math.isnan(value):  # absent from truth and prediction
            rows.append((escape(name), format_share(value), _format_interval(low, high)))
    table = render_table("IoU by class", ("class", "IoU", "95 % interval"), rows)
    return (
        f'<div class="beside">{_render_figure("Mean IoU", _describe_truths(accuracy), chart)}'
        f'<div class="list">{table}</div></div>'
    )


def _format_interval(low: float, high: float) -> str:
    return DASH if math.isnan(low) else f"{format_share(low)} to {format_share(high)}"


def _draw_classes(figures: Figures, axis: TimeAxis) -> str:
    """One chart for each class, the most frequent ones first."""
    means = figures.columns.total.average("classes")
    names = sorted(means, key=lambda name: -means[name])[:_MOST_CLASSES]
    charts = [
        _draw_number(figures, axis, ("classes", name), name, "share", format_share(means[name]))
        for name in names
    ]
    return f'<div class="charts">{"".join(charts)}</div>' if charts else ""


def _draw_image(figures: Figures, axis: TimeAxis) -> str:
    names = [name for name in figures.columns.total.average("image") if "mean " in name]
    charts = _draw_number(figures, axis, ("confidence", "mean"), "Mean confidence", "level", "")
    charts += _draw_number(
        figures, axis, ("image", "log sharpness"), "Sharpness (log)", "number", ""
    )
    for name in names[:4]:
        title = f"Brightness, {name.removeprefix('mean ')}"
        charts += _draw_number(figures, axis, ("image", name), title, "number", "")
    return f'<div class="charts">{charts}</div>' if charts else ""


def _draw_number(
    figures: Figures, axis: TimeAxis, key: tuple[str, str], title: str, unit: Unit, note: str
) -> str:
    """The mean of a number (family and name) over time, over the band of its reference."""
    columns = figures.columns
    line = TimeLine("", _BLUE, columns.middles_N, columns.list_means(*key))
    band = figures.bands.get(key)
    return _render_figure(title, note, draw_times(title, axis, [line], unit=unit, band=band))


def _draw_traffic(figures: Figures, axis: TimeAxis) -> str:
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


def _list_alarms(figures: Figures, *, may_operate: bool) -> str:
    if not figures.alarms:
        return "<p>None in this time.</p>"
    rows = [
        (
            escape(str(alarm.document.get("title", alarm.topic))),
            _render_chip(alarm.level if alarm.ended is None else "over"),
            _describe_time(alarm.began),
            "" if alarm.ended is None else _describe_time(alarm.ended),
            _describe_seen(alarm, may_operate=may_operate),
            escape(str(alarm.document.get("text", ""))),
        )
        for alarm in figures.alarms
    ]
    heads = ("alarm", "state", "since", "until", "seen", "what")
    table = render_table("Alarms", heads, rows, words=(0, 1, 2, 3, 4), wrapped=(5,))
    dead = [f"{one.channel}: {one.error}" for one in figures.dead]
    return table + (
        f'<h3>Not delivered</h3><ul class="facts">{_list_facts(dead)}</ul>' if dead else ""
    )


def _describe_time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC).astimezone():%b %d, %H:%M}"


def _describe_seen(alarm: Alarm, *, may_operate: bool) -> str:
    if alarm.acknowledged is not None:
        return f"{_describe_time(alarm.acknowledged)} {escape(alarm.acknowledged_by or '')}"
    if not may_operate:
        return "no"
    return (
        f'<form method="post" action="watch/alarms/{alarm.n}/acknowledge">'
        f"<button>Acknowledge</button></form>"
    )


def _list_worst(figures: Figures, *, may_operate: bool) -> str:
    if not figures.worst:
        return "<p>No image of this time is kept; serve with --keep 1% keeps some.</p>"
    if not may_operate:
        return "<p>Images are shown to tokens with the scope admin.</p>"
    pictures = "".join(
        f'<figure><img src="watch/images/{quote(record.image)}" alt="">'
        f"<figcaption>{format_share(1 - record.uncertainty)} confident, "
        f"{_describe_time(record.at)} {escape(record.source)}<br>{render_code(record.key)}"
        f"</figcaption></figure>"
        for record in figures.worst
    )
    return f'<div class="pictures maps">{pictures}</div>'


def _list_facts(facts: Sequence[str]) -> str:
    return "".join(f"<li>{escape(fact)}</li>" for fact in facts)
