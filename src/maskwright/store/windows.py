"""Windows: sums of records over minutes, which become hours when they are old."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, delete, select

from ..core.versioned import Document
from . import tables

MINUTE_S, HOUR_S = 60, 3600


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """The time of a window, from `start` in seconds since 1970 on, and whose images it sums."""

    start: float
    length: int
    model: str
    bundle: str
    source: str


Documents = Mapping[Span, Mapping[str, Any]]


def read_windows(connection: Connection, spans: Iterable[Span]) -> dict[Span, Document]:
    """The windows of these spans that are there."""
    table = tables.window.c
    found = {}
    for span in spans:
        match = [table[name] == value for name, value in asdict(span).items()]
        row = connection.execute(select(table.document).where(*match)).one_or_none()
        if row is not None:
            found[span] = json.loads(row.document)
    return found


def write_windows(connection: Connection, windows: Documents) -> None:
    """Set the windows of some spans."""
    for span, document in windows.items():
        text = json.dumps(document, allow_nan=False, separators=(",", ":"))
        tables.set_row(connection, tables.window, asdict(span), {"document": text})


def list_windows(
    connection: Connection,
    *,
    since: float = 0.0,
    until: float | None = None,
    length: int | None = None,
) -> Iterator[tuple[Span, Document]]:
    """The windows that begin in a time, in order; of one length, where given."""
    table = tables.window.c
    query = select(tables.window).where(table.start >= since).order_by(table.start)
    if until is not None:
        query = query.where(table.start < until)
    if length is not None:
        query = query.where(table.length == length)
    for row in connection.execute(query):
        values = dict(row._mapping)
        document = json.loads(values.pop("document"))
        yield Span(**values), document


def remove_windows(connection: Connection, *, before: float, length: int) -> None:
    """Remove the windows of one length that begin before a time."""
    table = tables.window
    connection.execute(delete(table).where(table.c.start < before, table.c.length == length))
