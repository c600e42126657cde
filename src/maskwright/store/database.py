"""Database: open it, read from it, and write to it in transactions, one writer at a time.

SQLite writes ahead (WAL) and syncs each commit to the disk (`synchronous=FULL`), so that what
was acknowledged survives the end of the process and of the machine. In PostgreSQL, writers take
turns by an advisory lock.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from ..core.atomic import explain_write_errors
from ..core.errors import MissingDependencyError, OutputError
from . import tables
from .place import SQLITE, find_place, name_place
from .upgrades import VERSION, upgrade_tables

__all__ = ["Connection", "Database", "read_meta", "write_meta"]

_WRITES = "writes"
_WAIT_S = 30.0
_LOCK = 0x6D61736B
"""Of the writers of PostgreSQL; "mask"."""


class Database:
    """The database of one studio, of the jobs of one server, or of what servers observe.

    `name` is what messages call it.
    """

    def __init__(self, url: URL) -> None:
        self.url = url
        self.name = name_place(url)
        self._engine = _create_engine(url)
        self._writer = threading.Lock()
        self._file: tuple[int, int] | None = None

    @classmethod
    def open(cls, where: Path | str, *, is_shared: bool = False) -> "Database":
        """Open the database at a path or a URL, or make an empty one.

        One that `is_shared` with a running process is not upgraded.

        Raises:
            ConfigError: As `find_place`.
            OutputError: It cannot be opened or written, or another version made it.
        """
        database = cls(find_place(where))
        try:
            database.prepare(database.refuse_upgrade if is_shared else database.upgrade_copied)
        except BaseException:
            database.close()
            raise
        return database

    def prepare(self, upgrade: Callable[[Connection, int], None]) -> None:
        """Make the tables that are missing, and let `upgrade` change those of before.

        Raises:
            OutputError: A newer version made the store, or it cannot be written.
        """
        with self.write() as connection:
            tables.meta.create(connection, checkfirst=True)
            version = int(read_meta(connection, "version") or VERSION)
            if version > VERSION:
                raise OutputError(
                    f"{self.name}: a store of version {version}, this maskwright reads up "
                    f"to {VERSION}; update maskwright"
                )
            if version < VERSION:
                upgrade(connection, version)
            tables.metadata.create_all(connection)
            write_meta(connection, "version", str(VERSION))

    def upgrade_copied(self, connection: Connection, version: int) -> None:
        """Upgrade a file after a copy of it was made; a database only by the verb that does.

        Raises:
            OutputError: A database of PostgreSQL, or the copy cannot be written.
        """
        if self.url.drivername != SQLITE:
            raise OutputError(
                f"{self.name}: a store of version {version}, this maskwright needs {VERSION}; "
                f"back it up and upgrade it: maskwright store upgrade before.zip --store URL"
            )
        file = Path(self.name)
        copy_file(file, file.with_name(f"{file.name}.v{version}"))
        upgrade_tables(connection, version)

    def refuse_upgrade(self, _connection: Connection, version: int) -> None:
        """Refuse a store of an earlier version.

        Raises:
            OutputError: Always.
        """
        raise OutputError(
            f"{self.name}: a store of version {version}, which an earlier maskwright has open; "
            f"end that one first"
        )

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
            self._require_file()
            connecting = self._engine.connect().execution_options(**{_WRITES: True})
            with connecting as connection, connection.begin():
                yield connection

    def close(self) -> None:
        """Close all connections; SQLite then moves what was written ahead into the file."""
        self._engine.dispose()

    def _require_file(self) -> None:
        """Require the file of SQLite to be that which is open.

        One that was removed takes what is written, and loses it with the process.

        Raises:
            OutputError: It is not there, or another file is in its place.
        """
        if self.url.drivername != SQLITE:
            return
        try:
            found = Path(self.name).stat()
        except FileNotFoundError:
            found = None
        if self._file is None:
            self._file = found and (found.st_dev, found.st_ino)
        elif found is None or (found.st_dev, found.st_ino) != self._file:
            what = "was moved or removed" if found is None else "was replaced by another file"
            raise OutputError(
                f"{self.name}: {what} while it is in use; nothing of this was saved: put the "
                f"file back, and do it again"
            )

    @contextmanager
    def _explain(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise OutputError(
                f"{self.name}: {error.orig}; nothing of this was saved: "
                f"{self._find_fix(str(error.orig))}, and do it again"
            ) from error

    def _find_fix(self, fault: str) -> str:
        if self.url.drivername != SQLITE:
            return "see that the database runs and lets this user write"
        if "locked" in fault:
            return "end the other program that writes to this file"
        return "make room on the disk or give back the right to write"


def read_meta(connection: Connection, name: str) -> str | None:
    """A value of the whole store; None where it has none of this name."""
    found = connection.execute(select(tables.meta.c.value).where(tables.meta.c.name == name))
    value: str | None = found.scalar_one_or_none()
    return value


def write_meta(connection: Connection, name: str, value: str) -> None:
    """Set a value of the whole store."""
    tables.set_row(connection, tables.meta, {"name": name}, {"value": value})


def copy_file(file: Path, to: Path) -> None:
    """Copy one state of a store in a file of SQLite, also while others write to it.

    Raises:
        OutputError: The copy cannot be written.
    """
    part = to.with_name(f"{to.name}.part")
    try:
        with explain_write_errors(to):
            part.unlink(missing_ok=True)
            with (
                closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as old,
                closing(sqlite3.connect(part)) as new,
            ):
                old.backup(new)
            part.replace(to)
    except sqlite3.Error as error:
        raise OutputError(f"{to}: {error}; nothing was written") from error
    finally:
        part.unlink(missing_ok=True)


def _create_engine(url: URL) -> Engine:
    return _open_sqlite(url) if url.drivername == SQLITE else _open_postgres(url)


def _open_sqlite(url: URL) -> Engine:
    settings = {"check_same_thread": False, "timeout": _WAIT_S}
    engine = create_engine(url, connect_args=settings, poolclass=QueuePool)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions begin below, not in the driver
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if _writes(connection) else "BEGIN")

    return engine


def _open_postgres(url: URL) -> Engine:
    try:
        engine = create_engine(url, pool_pre_ping=True, connect_args={"timeout": _WAIT_S})
    except ModuleNotFoundError as error:
        raise MissingDependencyError("pg8000", "postgres") from error

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if _writes(connection):
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        else:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")

    return engine


def _writes(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get(_WRITES, False))
