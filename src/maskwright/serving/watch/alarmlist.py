"""Alarms on the dashboard: a line for each cause, what was not delivered, and the gravest."""

from datetime import UTC, datetime
from html import escape

from ...pages.markup import render_table
from ...pages.text import format_count
from ...store.alarms import DEAD, JOINS, Alarm
from .figures import Figures

LIGHTEST = "seconds"
_GRAVEST = ("loss", "failed", "silence", LIGHTEST)
"""Kinds of alarms beside drift, the one that weighs most first; drift outweighs the last."""


def find_gravest(figures: Figures) -> Alarm | None:
    """The open alarm of the view that weighs most, but for those of drift."""
    found: dict[str, Alarm] = {}
    for alarm in figures.alarms:
        kind, _, rest = alarm.topic.partition(" ")
        bundle, _, source = rest.partition(" ")
        is_inside = not source or figures.view.shows(source)
        if alarm.ended is None and bundle == figures.view.bundle and is_inside:
            leads = JOINS not in alarm.document
            found[kind] = alarm if leads else found.get(kind, alarm)
    return next((found[kind] for kind in _GRAVEST if kind in found), None)


def list_alarms(figures: Figures, *, may_operate: bool) -> str:
    """The section of alarms: those that are open first."""
    if not figures.alarms:
        return f"<p>None in this time.</p>{_list_failed(figures)}"
    shown = [alarm for alarm in figures.alarms if _find_leader(figures, alarm) is None]
    rows = [
        (
            escape(str(alarm.document.get("title", alarm.topic))) + _list_same(figures, alarm),
            render_chip(alarm.level if alarm.ended is None else "over"),
            describe_time(alarm.began),
            "" if alarm.ended is None else describe_time(alarm.ended),
            _describe_seen(alarm, may_operate=may_operate),
            escape(str(alarm.document.get("text", ""))),
        )
        for alarm in shown
    ]
    heads = ("alarm", "state", "since", "until", "seen", "what")
    table = render_table("Alarms", heads, rows, words=(0, 1, 2, 3, 4), wrapped=(5,))
    return table + _list_failed(figures)


def _list_failed(figures: Figures) -> str:
    """The messages that did not arrive, each with the reason and what becomes of it."""
    if not figures.failed:
        return ""
    rows = []
    for one, alarm in figures.failed:
        title = "" if alarm is None else str(alarm.document.get("title", alarm.topic))
        tries = format_count(one.attempts, "attempt")
        again = f"after {tries}, again at {describe_time(one.due)}"
        if one.state == DEAD:
            again = f"given up after {tries}, {describe_time(one.due)}"
        rows.append((escape(title), escape(one.channel), again, escape(one.error)))
    heads = ("alarm", "channel", "not delivered", "reason")
    table = render_table("Not delivered", heads, rows, words=(0, 1, 2), wrapped=(3,))
    return f"<h3>Not delivered</h3>{table}"


def _find_leader(figures: Figures, alarm: Alarm) -> int | None:
    """The alarm of the same cause in whose line this one is shown: not one that is over."""
    for one in figures.alarms:
        if one.n == alarm.document.get(JOINS):
            return one.n if one.ended is None or alarm.ended is not None else None
    return None


def _list_same(figures: Figures, alarm: Alarm) -> str:
    """The other parts of the images in which the cause of an alarm shows."""
    joined = [a for a in figures.alarms if _find_leader(figures, a) == alarm.n]
    if not joined:
        return ""
    parts = ", ".join(str(a.document.get("source") or "all images") for a in reversed(joined))
    return f"<br>The same in {escape(parts)}"


def describe_time(at: float) -> str:
    """A time of this machine's zone: `Nov 30, 17:48`."""
    return f"{datetime.fromtimestamp(at, UTC).astimezone():%b %d, %H:%M}"


def _describe_seen(alarm: Alarm, *, may_operate: bool) -> str:
    if alarm.acknowledged is not None:
        return f"{describe_time(alarm.acknowledged)} {escape(alarm.acknowledged_by or '')}"
    if not may_operate:
        return "no"
    return (
        f'<form method="post" action="watch/alarms/{alarm.n}/acknowledge">'
        f"<button>Acknowledge</button></form>"
    )


def render_chip(state: str) -> str:
    """A state as a coloured word."""
    return f'<span class="chip {state}">{escape(state)}</span>'
