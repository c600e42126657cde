"""Alarms: what an operator should know, each told once, and its deliveries by channels.

While an alarm is open, and for an hour after its end, more of the same topic adds to its count
and is no new alarm; a rise from warning to alarm is one.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from . import tables

WARNING, ALARM = "warning", "alarm"
JOINS = "joins"
"""In a document: the number of the alarm that has told of the same cause."""

WAITING, SENT, DEAD = "waiting", "sent", "dead"
_QUIET_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One alarm; times are in seconds since 1970, `ended` and `acknowledged` None before.

    `topic` is what it is about, as `silence BUNDLE camera-1`. `document` has its title, its
    text, examples, and whatever its kind knows.
    """

    n: int
    topic: str
    level: str
    began: float
    last: float
    count: int
    ended: float | None
    acknowledged: float | None
    acknowledged_by: str | None
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An alarm to be sent by a channel: `attempts` have failed, the next is `due`.

    Of one that was given up, `due` is the time of its last attempt.
    """

    n: int
    alarm: int
    channel: str
    state: str
    attempts: int
    due: float
    error: str


def raise_alarm(
    connection: Connection, topic: str, level: str, document: Mapping[str, Any], now: float
) -> int | None:
    """Raise an alarm; its number if it is a new one, None if it adds to one that is known."""
    table, known = tables.alarm, _find_known(connection, topic, now)
    text = json.dumps(document, allow_nan=False)
    if known is not None and not (known.level == WARNING and level == ALARM):
        values = {"last": now, "count": known.count + 1, "ended": None}
        connection.execute(update(table).where(table.c.n == known.n).values(**values))
        return None
    if known is not None:
        end_alarm(connection, topic, now)
    done = connection.execute(
        insert(table).values(
            topic=topic, level=level, began=now, last=now, count=1, document=text
        )
    )
    key = done.inserted_primary_key
    return None if key is None else int(key[0])


def end_alarm(connection: Connection, topic: str, now: float) -> None:
    """Note that what an alarm is about is over."""
    table = tables.alarm
    is_open = (table.c.topic == topic) & table.c.ended.is_(None)
    connection.execute(update(table).where(is_open).values(ended=now))


def acknowledge(connection: Connection, n: int, who: str, now: float) -> bool:
    """Note that somebody has seen an alarm and those that joined it; False where it is none."""
    table = tables.alarm
    numbers = [n, *(one.n for one in list_joined(connection, n))]
    values = {"acknowledged": now, "acknowledged_by": who}
    done = connection.execute(update(table).where(table.c.n.in_(numbers)).values(**values))
    return bool(done.rowcount)


def list_alarms(connection: Connection, *, most: int, since: float = 0.0) -> list[Alarm]:
    """The alarms that are open and those that began last; of both, the newest first."""
    table = tables.alarm
    query = select(table).where((table.c.began >= since) | table.c.ended.is_(None))
    order = (table.c.ended.is_not(None), table.c.n.desc())
    return [_to_alarm(row) for row in connection.execute(query.order_by(*order).limit(most))]


def list_open(connection: Connection) -> list[Alarm]:
    """The alarms that have not ended, the oldest first."""
    table = tables.alarm
    query = select(table).where(table.c.ended.is_(None)).order_by(table.c.n)
    return [_to_alarm(row) for row in connection.execute(query)]


def list_joined(connection: Connection, n: int) -> list[Alarm]:
    """The open alarms of the same cause as an alarm, which are told with it."""
    return [one for one in list_open(connection) if one.document.get(JOINS) == n]


def find_alarm(connection: Connection, n: int) -> Alarm | None:
    """One alarm by its number."""
    row = connection.execute(select(tables.alarm).where(tables.alarm.c.n == n)).one_or_none()
    return None if row is None else _to_alarm(row)


def add_deliveries(
    connection: Connection, alarm: int, channels: Iterable[str], now: float
) -> None:
    """Let an alarm be sent by channels."""
    rows = [
        {
            "alarm": alarm,
            "channel": channel,
            "state": WAITING,
            "attempts": 0,
            "due": now,
            "error": "",
        }
        for channel in channels
    ]
    if rows:
        connection.execute(insert(tables.delivery), rows)


def list_due(connection: Connection, now: float, channels: Collection[str]) -> list[Delivery]:
    """The deliveries by some channels whose time has come, the oldest first."""
    table = tables.delivery
    query = select(table).where(
        table.c.state == WAITING, table.c.due <= now, table.c.channel.in_(channels)
    )
    return [Delivery(**row._mapping) for row in connection.execute(query.order_by(table.c.n))]


def list_failed(connection: Connection, *, since: float, most: int) -> list[Delivery]:
    """The deliveries that are tried again, or were given up since a time; the newest first."""
    table = tables.delivery
    is_dead = (table.c.state == DEAD) & (table.c.due >= since)
    is_tried = (table.c.state == WAITING) & (table.c.attempts > 0)
    query = select(table).where(is_dead | is_tried).order_by(table.c.n.desc()).limit(most)
    return [Delivery(**row._mapping) for row in connection.execute(query)]


def change_delivery(connection: Connection, n: int, **values: object) -> None:
    """Set columns of a delivery."""
    table = tables.delivery
    connection.execute(update(table).where(table.c.n == n).values(**values))


def _find_known(connection: Connection, topic: str, now: float) -> Alarm | None:
    """The last alarm of a topic that is open, or was a short while ago."""
    table = tables.alarm
    query = select(table).where(table.c.topic == topic).order_by(table.c.n.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    if row is None or (row.ended is not None and row.ended < now - _QUIET_S):
        return None
    return _to_alarm(row)


def _to_alarm(row: Row[Any]) -> Alarm:
    return Alarm(**{**row._mapping, "document": json.loads(row.document)})
