"""References that judge copies, and the counts of each judged copy."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, insert, select

from . import tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An accepted image that judges copies, by its class map of revision `rev`."""

    item_id: int
    kind: str
    rev: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What a copy counts: `kind` is `gold`, `practice` or `consensus`."""

    item_id: int
    kind: str
    person: str
    at: str
    counts: Mapping[str, NDArray[Any]]


def set_reference(connection: Connection, item_id: int, kind: str, rev: int) -> None:
    """Make an image a reference, or with an empty kind, none."""
    table = tables.reference
    connection.execute(delete(table).where(table.c.item_id == item_id))
    if kind:
        connection.execute(insert(table).values(item_id=item_id, kind=kind, rev=rev))


def list_references(connection: Connection) -> list[Reference]:
    """All references, by image."""
    rows = connection.execute(select(tables.reference).order_by(tables.reference.c.item_id))
    return [Reference(**row._mapping) for row in rows]


def set_score(
    connection: Connection,
    item_id: int,
    kind: str,
    person: str,
    counts: Mapping[str, NDArray[Any]],
) -> None:
    """Keep the counts of a copy; a copy that is judged again has the last ones."""
    table = tables.score
    there = (table.c.item_id == item_id) & (table.c.kind == kind)
    connection.execute(delete(table).where(there))
    connection.execute(
        insert(table).values(
            item_id=item_id,
            kind=kind,
            person=person,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            counts=json.dumps({name: array.tolist() for name, array in counts.items()}),
        )
    )


def list_scores(connection: Connection) -> Iterator[Score]:
    """All scores, in the order of their time."""
    table = tables.score
    for row in connection.execute(select(table).order_by(table.c.at, table.c.item_id)):
        counts = {name: np.array(rows) for name, rows in json.loads(row.counts).items()}
        yield Score(**{**row._mapping, "counts": counts})


def remove_judgements(connection: Connection, item_id: int) -> None:
    """Remove what an image counts, and that it judges others."""
    for table in (tables.score, tables.reference):
        connection.execute(delete(table).where(table.c.item_id == item_id))
