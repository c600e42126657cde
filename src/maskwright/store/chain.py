"""Event log whose rows form a hash chain: a row that is changed or removed is found.

The hash of an event is the SHA-256 of the hash of the event before it and of its own values as
JSON. The chain alone does not show that its last rows are gone; the counts of edits of the
items do (`studio/verify.py`).
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from .tables import event

_EMPTY = "{}"
START = "0" * 64
"""The hash before the first event."""

_ADD = insert(event)
_END = select(event.c.n, event.c.sha).order_by(event.c.n.desc()).limit(1)
_FIND_REQUEST = select(event).where(event.c.request_key == bindparam("request_key"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One row: who (`actor`) did what (`verb`) to which item, with all else in `document`.

    `seq` is the number of an edit among those of its item. `request_key` is the name that a
    client gave to its request, so that a repeated one changes nothing.
    """

    n: int
    at: str
    actor: str
    verb: str
    item_id: int | None
    seq: int | None
    request_key: str | None
    document: Mapping[str, Any]
    prev_sha: str
    sha: str


def add_event(
    connection: Connection,
    verb: str,
    document: Mapping[str, object],
    *,
    actor: str,
    item_id: int | None = None,
    seq: int | None = None,
    request_key: str | None = None,
) -> None:
    """Add an event to the end of the log."""
    number, prev_sha = find_end(connection)
    row: dict[str, object] = {
        "n": number + 1,
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "actor": actor,
        "verb": verb,
        "item_id": item_id,
        "seq": seq,
        "request_key": request_key,
        "document": json.dumps(document, sort_keys=True, allow_nan=False),
        "prev_sha": prev_sha,
    }
    connection.execute(_ADD, {**row, "sha": _hash_row(row)})


def find_end(connection: Connection) -> tuple[int, str]:
    """The number and the hash of the last event; 0 and `START` of an empty log."""
    last = connection.execute(_END).one_or_none()
    return (0, START) if last is None else (last.n, last.sha)


def list_events(
    connection: Connection,
    *,
    item_id: int | None = None,
    verb: str | None = None,
    after: int = 0,
) -> Iterator[Event]:
    """The events in their order, of one item or of one verb; `after` counts edits."""
    query = select(event).order_by(event.c.n)
    if item_id is not None:
        query = query.where(event.c.item_id == item_id)
    if verb is not None:
        query = query.where(event.c.verb == verb)
    if after:
        query = query.where(event.c.seq > after)
    yield from map(_to_event, connection.execute(query))


def find_edit(connection: Connection, item_id: int, seq: int) -> Event | None:
    """One edit of an item by its number."""
    query = select(event).where(event.c.item_id == item_id, event.c.seq == seq)
    row = connection.execute(query).one_or_none()
    return None if row is None else _to_event(row)


def find_request(connection: Connection, request_key: str) -> Event | None:
    """The event of a request that came before."""
    row = connection.execute(_FIND_REQUEST, {"request_key": request_key}).one_or_none()
    return None if row is None else _to_event(row)


def find_broken_links(connection: Connection) -> Iterator[str]:
    """One sentence for each event that was changed, and for each gap in the log."""
    number, sha = 0, START
    emptied = _read_emptied(connection)
    for row in connection.execute(select(event).order_by(event.c.n)):
        if row.n != number + 1:
            first, last = number + 1, row.n - 1
            gap = f"event {last}" if first == last else f"events {first} to {last}"
            yield f"{gap} missing from the log"
        elif row.prev_sha != sha:
            yield f"event {row.n}: does not follow event {number}, one of them was changed"
        is_emptied = row.document == _EMPTY and emptied.get(row.n) == row.sha
        values = {k: v for k, v in row._mapping.items() if k != "sha"}
        if row.sha != _hash_row(values) and not is_emptied:
            yield f"event {row.n}: its values are not those that were written"
        number, sha = row.n, row.sha


def empty_events(connection: Connection, item_id: int) -> list[list[object]]:
    """Remove the values of all events of an item; numbers and hashes of what was emptied.

    Whoever does it adds an event `erase` with this list as `emptied`: the hashes of the chain
    stay, and tell that these events, and no others, were there.
    """
    rows = connection.execute(
        select(event.c.n, event.c.sha).where(
            event.c.item_id == item_id, event.c.document != _EMPTY, event.c.verb != "erase"
        )
    ).all()
    connection.execute(
        update(event).where(event.c.n.in_([row.n for row in rows])).values(document=_EMPTY)
    )
    return [[row.n, row.sha] for row in rows]


def _read_emptied(connection: Connection) -> dict[int, str]:
    """The hashes of the events that an event `erase` names, by their number."""
    return {
        number: sha
        for erased in list_events(connection, verb="erase")
        for number, sha in erased.document["emptied"]
    }


def _hash_row(row: Mapping[str, object]) -> str:
    text = json.dumps(dict(sorted(row.items())), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _to_event(row: Row[Any]) -> Event:
    values = dict(row._mapping)
    return Event(**{**values, "document": json.loads(values["document"])})
