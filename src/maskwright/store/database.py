"""Database: open it, read from it, and write to it in transactions, one writer at a time.

SQLite writes ahead (WAL) and syncs each commit to the disk (`synchronous=FULL`), so that what
was acknowledged survives the end of the process and of the machine.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, insert, select, update
from sqlalchemy.engine import URL
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import QueuePool

from ..core.errors import OutputError
from . import tables

__all__ = ["Connection", "Database", "read_meta", "write_meta"]

VERSION = 2
"""Of the tables; a store of a newer version is refused."""

_WRITES = "writes"
_WAIT_S = 30.0


class Database:
    """The database of one studio or of the jobs of one server, in one file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._engine = _create_engine(file)
        self._writer = threading.Lock()

    @classmethod
    def open(cls, file: Path) -> "Database":
        """Open the database, or make an empty one.

        Raises:
            OutputError: It cannot be opened or written, or a newer version made it.
        """
        database = cls(file)
        with database.write() as connection:
            tables.meta.create(connection, checkfirst=True)
            version = int(read_meta(connection, "version") or VERSION)
            if version > VERSION:
                raise OutputError(
                    f"{file}: a store of version {version}, this maskwright reads up to "
                    f"{VERSION}; update maskwright"
                )
            if version < VERSION:
                _add_users(connection)
            tables.metadata.create_all(connection)
            write_meta(connection, "version", str(VERSION))
        return database

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Read one state of the database; writes of others do not show in the block."""
        with self._explain(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Write in one transaction: all of it is durable when the block ends, or nothing.

        Raises:
            OutputError: The disk is full, or the file cannot be written.
        """
        with self._explain(), self._writer:
            connecting = self._engine.connect().execution_options(**{_WRITES: True})
            with connecting as connection, connection.begin():
                yield connection

    def close(self) -> None:
        """Close all connections; SQLite then moves what was written ahead into the file."""
        self._engine.dispose()

    @contextmanager
    def _explain(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, DatabaseError) as error:
            raise OutputError(
                f"{self.file}: {error.orig}; nothing of this was saved: make room on the disk "
                f"or give back the right to write, and do it again"
            ) from error


def read_meta(connection: Connection, name: str) -> str | None:
    """A value of the whole store; None where it has none of this name."""
    found = connection.execute(select(tables.meta.c.value).where(tables.meta.c.name == name))
    value: str | None = found.scalar_one_or_none()
    return value


def write_meta(connection: Connection, name: str, value: str) -> None:
    """Set a value of the whole store."""
    table = tables.meta
    if read_meta(connection, name) is None:
        connection.execute(insert(table).values(name=name, value=value))
    else:
        connection.execute(update(table).where(table.c.name == name).values(value=value))


def _add_users(connection: Connection) -> None:
    """From version 1 to 2; its sessions end, which a new link makes again."""
    connection.exec_driver_sql("ALTER TABLE item ADD COLUMN annotator VARCHAR(64)")
    tables.session.drop(connection)


def _create_engine(file: Path) -> Engine:
    url = URL.create("sqlite", database=str(file))
    settings = {"check_same_thread": False, "timeout": _WAIT_S}
    engine = create_engine(url, connect_args=settings, poolclass=QueuePool)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions begin below, not in the driver
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
