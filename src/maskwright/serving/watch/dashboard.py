"""Dashboard: the page that says at a glance whether all is well, and what differs if not.

Everything is rendered here; the page asks for nothing but itself, once a minute.
"""

import math
from collections.abc import Iterator, Sequence
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
    Unit,
    format_unit,
)
from .alarmlist import LIGHTEST, describe_time, find_gravest, list_alarms, render_chip
from .charts import (
    CONTROL,
    describe_accuracy,
    describe_truths,
    draw_accuracy,
    draw_classes,
    draw_control,
    draw_drift,
    draw_figures,
    draw_light,
    draw_traffic,
    format_interval,
)
from .control import BY_LOT
from .figures import Figures
from .judge import FIRST_REFERENCE
from .view import LENGTHS

_STATES = {
    "learning": "learning",
    "ok": "all is well",
    "warning": "something may change",
    "alarm": "the images have changed",
}
_GRAVE = {"warning": 1, "alarm": 2}


def render_dashboard(
    figures: Figures,
    *,
    style: str,
    script: str,
    may_operate: bool,
    keeps: bool,
    facts: Sequence[str],
) -> str:
    """The page of one view.

    With `may_operate` it shows kept images and lets a person acknowledge alarms; `keeps` says
    whether the server keeps any. `facts` are lines on the store, as text.
    """
    axis = TimeAxis(
        figures.view.start,
        figures.view.end,
        tuple(a.began for a in figures.alarms if a.began > figures.view.start),
    )
    sections = [
        Section("Alarms", "", list_alarms(figures, may_operate=may_operate)),
        Section(
            "What has changed",
            _describe_reference(figures),
            _list_scopes(figures) + draw_drift(figures, axis),
        ),
        Section("Accuracy", describe_accuracy(figures), draw_accuracy(figures, axis)),
        Section("Classes", _BAND, draw_classes(figures, axis)),
        Section("Control charts", CONTROL, _draw_controls(figures, axis)),
        Section("Light and confidence", _BAND, draw_light(figures, axis)),
        Section("Traffic", "", draw_traffic(figures, axis)),
        Section(
            "Least certain images",
            "",
            _list_worst(figures, may_operate=may_operate, keeps=keeps),
        ),
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


def _draw_controls(figures: Figures, axis: TimeAxis) -> str:
    """Those of the figures of rules, then those of coverage."""
    own = draw_figures(figures.controls)
    if not own:
        return draw_control(figures, axis)
    coverage = draw_control(figures, axis)
    return own + (f"<h3>Coverage</h3>{coverage}" if coverage else "")


_BAND = "The band holds 95 % of the means of as many images in the reference."


def _describe_reference(figures: Figures) -> str:
    promise = (
        "An alarm is promised to be false at most once in 90 days, over all cameras together. "
        "In all charts a dotted line is the beginning of an alarm of any kind."
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
    points = ""
    if figures.controls:
        entries = [("time", "image or time"), (BY_LOT, "lot")]
        points = choose("points", "Point of a control chart", entries, figures.points)
    return (
        f'<form class="bar" method="get" action="watch">'
        f"{choose('span', 'Time', spans, view.length)}"
        f"{choose('bundle', 'Model', bundles, view.bundle)}"
        f"{choose('source', 'Source', sources, view.scope)}{points}"
        f"<button>Show</button></form>"
    )


def _list_tiles(figures: Figures) -> list[str]:
    total = figures.columns.total
    requests = total.num + total.failed
    p50, p95 = (total.find_quantile(share) for share in (0.5, 0.95))
    confidence = total.average("confidence").get("mean", math.nan)
    span = f"in {LENGTHS[figures.view.length].title}"
    return [
        _render_state(figures),
        render_tile("Images", f"{total.num:,}", span),
        render_tile(
            "Failed",
            format_share(total.failed / requests if requests else math.nan),
            f"{total.failed:,} of {requests:,} requests",
        ),
        render_tile("95 % within", _format_seconds(p95), f"half within {_format_seconds(p50)}"),
        render_tile("Mean confidence", format_share(confidence), span),
        *_list_accuracy(figures),
    ]


def _render_state(figures: Figures) -> str:
    """The gravest open alarm of what is shown, or the state of the worst source inside it."""
    status, judged = figures.status, figures.judged
    state, text = "learning" if status is None else status.state, _explain_state(figures)
    for one in () if judged is None else judged.statuses.values():
        is_inside = figures.view.scope in list_scopes(one.scope)
        if is_inside and one.state in _GRAVE and _GRAVE.get(state, 0) < _GRAVE[one.state]:
            state, text = one.state, f"{one.scope}; of all that is shown: {text}"
    title, alarm = _STATES[state], find_gravest(figures)
    if alarm is not None and (state != "alarm" or not alarm.topic.startswith(LIGHTEST)):
        state, title = "alarm", str(alarm.document.get("title", alarm.topic))
        text = str(alarm.document.get("text", ""))
    return (
        f'<div class="tile state {state}">State<b>{escape(title)}</b>'
        f"<small>{escape(text)}</small></div>"
    )


def _list_accuracy(figures: Figures) -> Iterator[str]:
    accuracy, estimates = figures.accuracy, figures.estimates
    if accuracy is not None:
        yield render_tile("Mean IoU", format_share(accuracy.mean), describe_truths(accuracy))
    if estimates is not None:
        said = math.nan if estimates.whole.miou is None else estimates.whole.miou
        note = "the images are too unlike those that it was fitted on"
        if estimates.whole.interval is not None:
            note = f"{format_interval(*estimates.whole.interval)} (90 %), without truth"
        yield render_tile("Estimated mean IoU", format_share(said), note)


def _format_seconds(seconds: float) -> str:
    return DASH if math.isnan(seconds) else format_unit(seconds, "seconds")


def _explain_state(figures: Figures) -> str:
    judged, status = figures.judged, figures.status
    if judged is not None and judged.problem:
        return judged.problem
    if status is None:
        there = 0 if judged is None else judged.num_reference
        if judged is None or judged.monitor is None:
            text = f"{there:,} of the first {FIRST_REFERENCE:,} images are there"
            return "; ".join(filter(None, (text, "" if judged is None else judged.baseline)))
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
            render_chip(one.state),
            _render_meter(one.sums),
            _render_meter(one.evidence),
            escape(_say_difference(one)),
        )
        for one in statuses
    ]
    heads = ("images of", "state", "towards a warning", "towards an alarm", "what differs")
    table = render_table("State of each source", heads, rows, words=(0, 1, 2, 3), wrapped=(4,))
    changed = [one.scope for one in statuses if one.change]
    shown = figures.view.scope if figures.view.scope in changed else "".join(changed[:1])
    return table + "".join(
        _describe_change(one, is_open=one.scope == shown) for one in statuses
    )


def _say_difference(status: Status) -> str:
    """The families that differ, or why none is compared yet."""
    if status.state == "learning":
        return f"{status.num_reference} of the {MIN_GROUPS} groups of a reference are there"
    return ", ".join(TITLES.get(f, f) for f in status.change.families) if status.change else ""


def _render_meter(share: float) -> str:
    percent = min(100.0, 100 * share)
    return (
        f'<span class="share"><i style="width:{percent:.0f}%"></i></span><b>{percent:.0f} %</b>'
    )


def _describe_change(status: Status, *, is_open: bool) -> str:
    """The numbers that differ most, in each family that changed; folded unless `is_open`."""
    if status.change is None or not status.change.effects:
        return ""
    rows: list[tuple[str, ...]] = []
    for family, effects in status.change.effects.items():
        unit: Unit = "share" if family in ("classes", "confidence") else "number"
        rows.append((escape(TITLES.get(family, family)),))
        for effect in effects:
            low, high = (format_unit(value, unit) for value in effect.interval)
            before, after = _format_both(effect.before, effect.after, unit)
            size = f"{effect.size:+.1f}"
            rows.append((escape(effect.name), before, after, f"{low} to {high}", size))
    heads = ("number", "before", "now", "difference (95 %)", "in standard deviations")
    scope = status.scope or "all images"
    table = render_table(f"What differs in {scope}", heads, rows)
    if is_open:
        return f"<h3>{escape(scope)}</h3>{table}"
    return f"<details><summary>What differs in {escape(scope)}</summary>{table}</details>"


def _format_both(before: float, after: float, unit: Unit) -> tuple[str, str]:
    """Two values, with the digits in which they differ: 99.98 % and 99.96 %, not 100 %."""
    texts = format_unit(before, unit), format_unit(after, unit)
    if unit != "share" or texts[0] != texts[1] or before == after:
        return texts
    decimals = min(4, -math.floor(math.log10(abs(100 * (after - before)))))
    return f"{100 * before:.{decimals}f}\u00a0%", f"{100 * after:.{decimals}f}\u00a0%"


def _list_worst(figures: Figures, *, may_operate: bool, keeps: bool) -> str:
    if not figures.worst:
        more = "" if keeps else "; serve with --keep 1% keeps some"
        return f"<p>No image of this time is kept{more}.</p>"
    if not keeps:
        return "<p>The server that kept images shows them, or --keep-in with its folder.</p>"
    if not may_operate:
        return "<p>Images are shown to tokens with the scope admin.</p>"
    pictures = "".join(
        f'<figure><img src="watch/images/{quote(record.image)}" alt="">'
        f"<figcaption>{format_share(1 - record.uncertainty)} confident, "
        f"{describe_time(record.at)} {escape(record.source)}<br>{render_code(record.key)}"
        f"</figcaption></figure>"
        for record in figures.worst
    )
    return f'<div class="pictures maps">{pictures}</div>'


def _list_facts(facts: Sequence[str]) -> str:
    return "".join(f"<li>{escape(fact)}</li>" for fact in facts)
