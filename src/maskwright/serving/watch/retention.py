"""Retention: old rows are removed, and windows of minutes become windows of hours."""

from collections.abc import Mapping

from ...monitoring.window import Window
from ...store.database import Connection
from ...store.records import RecordFilter, forget_records
from ...store.windows import HOUR_S, MINUTE_S, Span, list_windows, remove_windows
from .accuracy import keep_losses
from .recorder import add_to_windows

MINUTES_KEPT_S = 2 * 86_400.0
HOURS_KEPT_S = 2 * 366 * 86_400.0


def forget_old(connection: Connection, now: float, rows_s: float) -> list[str]:
    """Remove rows older than `rows_s`, and sum windows; returns files no longer needed.

    The images of the reference stay, and so do the losses of images with truth.
    """
    edge = (now - MINUTES_KEPT_S) // HOUR_S * HOUR_S
    old = list_windows(connection, until=edge, length=MINUTE_S)
    add_to_windows(connection, _sum_by_hour(dict(old)))
    remove_windows(connection, before=edge, length=MINUTE_S)
    remove_windows(connection, before=now - HOURS_KEPT_S, length=HOUR_S)
    keep_losses(connection, RecordFilter(until=now - rows_s, reference=False))
    return forget_records(connection, now - rows_s)


def _sum_by_hour(minutes: Mapping[Span, Mapping[str, object]]) -> dict[Span, Window]:
    hours: dict[Span, Window] = {}
    for span, document in minutes.items():
        start = span.start // HOUR_S * HOUR_S
        hour = Span(start, HOUR_S, span.model, span.bundle, span.source)
        new = Window.from_json(document, where="the store")
        hours[hour] = hours.get(hour, Window()) + new
    return hours
