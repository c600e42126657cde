"""Back a store up into one file, and restore it, into SQLite or PostgreSQL.

The file is a ZIP: store.json has the version of the tables and the rows of each, and
<table>.ndjson one row per line; bytes are {"base64": ...}.
"""

import base64
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, MetaData, Table, func, insert, inspect, select, text

from ..core.atomic import new_file
from ..core.errors import DataError, OutputError
from ..core.typed import MALFORMED
from ..core.versioned import Document, Schema
from . import tables
from .database import Database, read_meta
from .place import SQLITE, find_place
from .upgrades import VERSION, upgrade_tables

SCHEMA = Schema(kind="backup of a store", version=1)
_HEAD = "store.json"
_AT_ONCE = 500
_PACKED = zipfile.ZIP_DEFLATED


@dataclass(frozen=True, slots=True)
class Backup:
    """A written or restored backup: the version of the tables, and how many rows each has."""

    version: int
    rows: Mapping[str, int]


def back_up(where: Path | str, file: Path, *, overwrite: bool = False) -> Backup:
    """Write one state of a store of any version to a file, also while it is in use.

    Raises:
        DataError: There is no store.
        OutputError: The file is there already, or cannot be written.
    """
    if file.exists() and not overwrite:
        raise OutputError(f"{file}: is there already; name another file, or use --overwrite")
    database = _open_known(where)
    try:
        with database.read() as connection:
            version = _read_version(database, connection)
            found = MetaData()
            found.reflect(connection)
            with new_file(file) as stream, zipfile.ZipFile(stream, "w", _PACKED) as archive:
                rows = {t.name: _write(connection, t, archive) for t in found.sorted_tables}
                head = SCHEMA.stamp({"version": version, "tables": rows})
                archive.writestr(_HEAD, json.dumps(head))
    finally:
        database.close()
    return Backup(version, rows)


def restore(file: Path, where: Path | str) -> Backup:
    """Make a store of a backup.

    Raises:
        DataError: Not a backup, or one of another version of the tables.
        OutputError: There is a store already, or it cannot be written.
    """
    database = _open_as_it_is(where)
    try:
        with zipfile.ZipFile(file) as archive:
            head = SCHEMA.read(json.loads(archive.read(_HEAD)), where=str(file))
            if head["version"] != VERSION:
                raise DataError(
                    f"{file}: of a store of version {head['version']}, this maskwright "
                    f"restores {VERSION}; restore it with the maskwright that made it"
                )
            with database.write() as connection:
                if inspect(connection).get_table_names():
                    raise OutputError(f"{database.name}: is a store already; name another")
                tables.metadata.create_all(connection)
                for table in tables.metadata.sorted_tables:
                    if table.name in head["tables"]:
                        _read(connection, table, archive)
                if database.url.drivername != SQLITE:
                    _advance_numbers(connection)
    except (*MALFORMED, zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{file}: not a backup of a store ({error!r})") from error
    finally:
        database.close()
    return Backup(VERSION, head["tables"])


def upgrade(where: Path | str, file: Path) -> int:
    """Back a store up into a file, and make it one of today; returns the version it had.

    Raises:
        DataError: There is no store, or it needs no upgrade.
        OutputError: As `back_up`, and where a newer maskwright made it.
    """
    database = _open_known(where)
    try:
        with database.read() as connection:
            version = _read_version(database, connection)
        if version == VERSION:
            raise DataError(f"{database.name}: has version {VERSION} already")
        back_up(where, file)
        database.prepare(upgrade_tables)
    finally:
        database.close()
    return version


def _open_as_it_is(where: Path | str) -> Database:
    """A store that is not made where there is none, and not upgraded."""
    return Database(find_place(where))


def _open_known(where: Path | str) -> Database:
    """A store as it is; a file of SQLite that is not there is refused, and not made."""
    database = _open_as_it_is(where)
    if database.url.drivername == SQLITE and not Path(database.name).is_file():
        raise DataError(f"{database.name}: there is no store")
    return database


def _read_version(database: Database, connection: Connection) -> int:
    if not inspect(connection).has_table(tables.meta.name):
        raise DataError(f"{database.name}: there is no store")
    return int(read_meta(connection, "version") or 0)


def _write(connection: Connection, table: Table, archive: zipfile.ZipFile) -> int:
    num = 0
    query = select(table).order_by(*table.primary_key.columns)
    rows = connection.execution_options(yield_per=_AT_ONCE).execute(query)
    with archive.open(f"{table.name}.ndjson", "w", force_zip64=True) as stream:
        for row in rows:
            values = {key: _pack(value) for key, value in row._mapping.items()}
            stream.write(json.dumps(values).encode() + b"\n")
            num += 1
    return num


def _read(connection: Connection, table: Table, archive: zipfile.ZipFile) -> None:
    with archive.open(f"{table.name}.ndjson") as stream:
        rows = map(_unpack, stream)
        while some := list(islice(rows, _AT_ONCE)):
            connection.execute(insert(table), some)


def _pack(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return {"base64": base64.b64encode(value).decode()}
    return value


def _unpack(line: bytes) -> Document:
    return {
        key: base64.b64decode(value["base64"]) if isinstance(value, dict) else value
        for key, value in json.loads(line).items()
    }


def _advance_numbers(connection: Connection) -> None:
    """Let PostgreSQL give numbers above those that were restored."""
    for table, column in _list_numbered():
        last = connection.execute(select(func.max(table.c[column]))).scalar_one()
        if last is not None:
            query = text("SELECT setval(pg_get_serial_sequence(:table, :column), :last)")
            connection.execute(query, {"table": table.name, "column": column, "last": last})


def _list_numbered() -> Iterator[tuple[Table, str]]:
    for table in tables.metadata.sorted_tables:
        if table.autoincrement_column is not None:
            yield table, table.autoincrement_column.name
