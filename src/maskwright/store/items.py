"""Items: the images of a store, their states, leases, and the tiles of their class maps."""

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, delete, insert, select, update

from . import tables

TileKey = tuple[int, int]
"""Column and row of a tile."""

TileIndex = dict[TileKey, str]
"""The hash of each tile."""

NEW = "new"
POOL = "pool"
"""The kind of an image of which copies are labelled, and not the image itself."""

ERASED = "erased"
"""The state of an image whose class map and history were removed."""

_FIND = select(tables.item).where(tables.item.c.id == bindparam("item_id"))
"""As the statements below, built once: to build one takes longer than to run it."""

_CHANGE = update(tables.item).where(tables.item.c.id == bindparam("item_id"))
_LIST_TILES = (
    select(tables.tile.c.column, tables.tile.c.row, tables.tile.c.sha)
    .where(tables.tile.c.item_id == bindparam("item_id"))
    .order_by(tables.tile.c.row, tables.tile.c.column)
)
_REMOVE_TILE = delete(tables.tile).where(
    tables.tile.c.item_id == bindparam("at_item"),
    tables.tile.c.column == bindparam("at_column"),
    tables.tile.c.row == bindparam("at_row"),
)
_ADD_TILE, _ADD_BLOB = insert(tables.tile), insert(tables.blob)
_ARE_NAMED = tables.blob.c.sha.in_(bindparam("shas", expanding=True))
_READ_BLOBS = select(tables.blob.c.sha, tables.blob.c.content).where(_ARE_NAMED)
_LIST_BLOBS = select(tables.blob.c.sha).where(_ARE_NAMED)

_MOST_NAMES = 500
"""Names in one query; SQLite takes some thousand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One image of a store, or a copy of one; `size_HW` is None until it was opened.

    `key` is that of the image in the dataset, also for copies. `lease_client` may paint it
    until `lease_until`, in seconds since 1970.
    """

    id: int
    key: str
    split: str
    group: str
    state: str
    rev: int
    size_HW: tuple[int, int] | None
    lease_client: str | None
    lease_session: str | None
    lease_until: float
    lease_person: str | None
    annotator: str | None
    reviewer: str | None
    priority: float
    reason: str
    kind: str | None
    source_id: int | None
    source_rev: int | None


def add_items(
    connection: Connection, items: Iterable[tuple[str, str, str]], *, kind: str | None = None
) -> None:
    """Add images as (key, split, group), which have no class map yet."""
    rows = [
        {"key": key, "split": split, "group_key": group, "state": NEW, "rev": 0, "kind": kind}
        for key, split, group in items
    ]
    if rows:
        connection.execute(insert(tables.item), rows)


def add_copy(
    connection: Connection, source: Item, kind: str, annotator: str, *, source_rev: int
) -> int:
    """Add a copy of an image for one annotator; its number."""
    values = {
        "key": f"{source.key}#{secrets.token_hex(8)}",
        "image_key": source.key,
        "split": source.split,
        "group_key": source.group,
        "state": NEW,
        "rev": 0,
        "annotator": annotator,
        "kind": kind,
        "source_id": source.id,
        "source_rev": source_rev,
    }
    query = insert(tables.item).values(**values).returning(tables.item.c.id)
    return int(connection.execute(query).scalar_one())


def list_copies(connection: Connection, source_id: int, kind: str) -> list[Item]:
    """The copies of one kind of an image, in the order in which they were added."""
    table = tables.item
    query = select(table).where(table.c.source_id == source_id, table.c.kind == kind)
    return [_to_item(row) for row in connection.execute(query.order_by(table.c.id))]


def list_items(connection: Connection) -> Iterator[Item]:
    """All images, in the order in which they were added."""
    yield from map(_to_item, connection.execute(select(tables.item).order_by(tables.item.c.id)))


def find_item(connection: Connection, item_id: int) -> Item | None:
    """One image by its number."""
    row = connection.execute(_FIND, {"item_id": item_id}).one_or_none()
    return None if row is None else _to_item(row)


def change_item(connection: Connection, item_id: int, **values: object) -> None:
    """Set columns of one image."""
    connection.execute(_CHANGE, {"item_id": item_id, **values})


def expire_leases(connection: Connection) -> None:
    """End the time of all leases; their pages keep them until others take them."""
    connection.execute(update(tables.item).values(lease_until=0.0))


def end_leases(connection: Connection, *, person: str = "", session: str = "") -> None:
    """Give back the leases of all pages of a person, or of one browser."""
    table = tables.item
    holder = table.c.lease_person == person if person else table.c.lease_session == session
    connection.execute(update(table).where(holder).values(lease_client=None, lease_until=0.0))


def list_tiles(connection: Connection, item_id: int) -> TileIndex:
    """The hashes of all tiles of one image."""
    rows = connection.execute(_LIST_TILES, {"item_id": item_id})
    return {(column, row): sha for column, row, sha in rows}


def set_tiles(connection: Connection, item_id: int, tiles: TileIndex) -> None:
    """Set the hashes of some tiles, whose blobs are there."""
    if not tiles:
        return
    places = [{"at_item": item_id, "at_column": c, "at_row": r} for c, r in tiles]
    connection.execute(_REMOVE_TILE, places)
    rows = [
        {"item_id": item_id, "column": column, "row": row, "sha": sha}
        for (column, row), sha in tiles.items()
    ]
    connection.execute(_ADD_TILE, rows)


def remove_tiles(connection: Connection, item_id: int) -> None:
    """Remove the class map of one image."""
    connection.execute(delete(tables.tile).where(tables.tile.c.item_id == item_id))


def remove_blobs(connection: Connection, shas: Sequence[str]) -> None:
    """Remove the pixels of tiles that no image has."""
    table = tables.blob
    for start in range(0, len(shas), _MOST_NAMES):
        part = shas[start : start + _MOST_NAMES]
        connection.execute(delete(table).where(table.c.sha.in_(part)))


def add_blobs(connection: Connection, blobs: Mapping[str, bytes]) -> None:
    """Add compressed tiles by their hash; those that are there stay."""
    there = {row.sha for row in _select_blobs(connection, _LIST_BLOBS, list(blobs))}
    rows = [{"sha": s, "content": content} for s, content in blobs.items() if s not in there]
    if rows:
        connection.execute(_ADD_BLOB, rows)


def read_blobs(connection: Connection, shas: Sequence[str]) -> dict[str, bytes]:
    """Compressed tiles by their hash; those that are not there are left out."""
    return {row.sha: row.content for row in _select_blobs(connection, _READ_BLOBS, shas)}


def _select_blobs(
    connection: Connection, query: Select[Any], shas: Sequence[str]
) -> Iterator[Row[Any]]:
    for start in range(0, len(shas), _MOST_NAMES):
        part = shas[start : start + _MOST_NAMES]
        yield from connection.execute(query, {"shas": part})


def list_blobs(connection: Connection) -> Iterator[tuple[str, bytes]]:
    """All compressed tiles with their hashes."""
    table = tables.blob
    rows = connection.execution_options(yield_per=256).execute(
        select(table.c.sha, table.c.content)
    )
    yield from ((row.sha, row.content) for row in rows)


def _to_item(row: Row[Any]) -> Item:
    return Item(
        id=row.id,
        key=row.image_key or row.key,
        split=row.split,
        group=row.group_key,
        state=row.state,
        rev=row.rev,
        size_HW=None if row.height is None else (row.height, row.width),
        lease_client=row.lease_client,
        lease_session=row.lease_session,
        lease_until=row.lease_until or 0.0,
        lease_person=row.lease_person,
        annotator=row.annotator,
        reviewer=row.reviewer,
        priority=row.priority or 0.0,
        reason=row.reason or "",
        kind=row.kind,
        source_id=row.source_id,
        source_rev=row.source_rev,
    )
