"""Comments: what people say about an image, in threads that are open or resolved."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from . import tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """One comment. `at_xy` is in pixels of the image, None for the image as a whole.

    `thread` is the first comment that this one answers; None for a first one, which alone can
    be resolved. `rev` is the revision that the author saw.
    """

    id: int
    item_id: int
    thread: int | None
    rev: int
    at_xy: tuple[float, float] | None
    text: str
    author: str
    at: str
    resolved_by: str | None


def add_comment(
    connection: Connection,
    item_id: int,
    text: str,
    author: str,
    *,
    rev: int,
    thread: int | None = None,
    at_xy: tuple[float, float] | None = None,
) -> Comment:
    """Add a comment to an image, or to a thread."""
    x, y = at_xy or (None, None)
    values = {
        "item_id": item_id,
        "thread": thread,
        "rev": rev,
        "x": x,
        "y": y,
        "text": text,
        "author": author,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    query = insert(tables.comment).values(**values).returning(tables.comment)
    return _to_comment(connection.execute(query).one())


def find_comment(connection: Connection, comment_id: int) -> Comment | None:
    """One comment by its number."""
    query = select(tables.comment).where(tables.comment.c.id == comment_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _to_comment(row)


def list_comments(connection: Connection, item_id: int) -> Iterator[Comment]:
    """The comments of one image, oldest first."""
    table = tables.comment
    query = select(table).where(table.c.item_id == item_id).order_by(table.c.id)
    yield from map(_to_comment, connection.execute(query))


def resolve_comment(connection: Connection, comment_id: int, person: str | None) -> Comment:
    """Close a thread; with None, open it again."""
    table = tables.comment
    query = update(table).where(table.c.id == comment_id).values(resolved_by=person)
    return _to_comment(connection.execute(query.returning(table)).one())


def remove_comments(connection: Connection, item_id: int) -> None:
    """Remove all comments on an image."""
    connection.execute(delete(tables.comment).where(tables.comment.c.item_id == item_id))


def count_open(connection: Connection) -> dict[int, int]:
    """The number of open threads of each image that has some."""
    table = tables.comment
    is_open = table.c.thread.is_(None) & table.c.resolved_by.is_(None)
    query = select(table.c.item_id, func.count().label("number"))
    query = query.where(is_open).group_by(table.c.item_id)
    return {row.item_id: row.number for row in connection.execute(query)}


def _to_comment(row: Row[Any]) -> Comment:
    values = dict(row._mapping)
    x, y = values.pop("x"), values.pop("y")
    return Comment(**values, at_xy=None if x is None else (x, y))
