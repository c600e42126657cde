"""The store in SQLite and PostgreSQL: backed up, restored, upgraded, and what it refuses."""

import json
import sqlite3
import zipfile

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from typer.testing import CliRunner

from maskwright.cli.main import app
from maskwright.core.errors import ConfigError, DataError, OutputError
from maskwright.store.backup import back_up, restore, upgrade
from maskwright.store.database import Database, read_meta, write_meta
from maskwright.store.items import add_blobs, add_items, list_items, read_blobs
from maskwright.store.place import (
    find_default_store,
    find_place,
    make_default_store,
    name_place,
)
from maskwright.store.records import Record, add_records, list_records
from maskwright.store.tables import metadata
from maskwright.store.upgrades import VERSION

OLD = """
CREATE TABLE meta (name VARCHAR(64) NOT NULL PRIMARY KEY, value TEXT NOT NULL);
INSERT INTO meta VALUES ('version', '1'), ('classes', 'kept');
CREATE TABLE item (
  id INTEGER NOT NULL PRIMARY KEY, key TEXT NOT NULL UNIQUE, split TEXT NOT NULL,
  group_key TEXT NOT NULL, state VARCHAR(16) NOT NULL, height INTEGER, width INTEGER,
  rev INTEGER NOT NULL, lease_client VARCHAR(64), lease_session VARCHAR(64), lease_until FLOAT);
INSERT INTO item VALUES (1, 'a', 'train', 'g', 'new', NULL, NULL, 0, NULL, NULL, NULL);
CREATE TABLE session (sha VARCHAR(64) NOT NULL PRIMARY KEY, expires FLOAT NOT NULL);
"""
"""A store of version 1, as the studio first wrote it."""


def _record(key):
    return Record(
        at=5.5,
        model="m",
        version="1",
        bundle="b",
        source="s",
        key=key,
        seconds=0.1,
        engine_s=0.1,
        num_px=4,
        uncertainty=0.25,
        families={"classes": {"road": 1.0}},
        levels={"red": [0.5] * 2},
        figures={"road width": None, "car area": 2.5},
        lot="L7",
        score=[[1, 2], [3, 4]],
    )


def _fill(place):
    database = Database.open(place)
    with database.write() as connection:
        add_items(connection, [("ä b", "train", "g"), ("c", "val", "g")])
        add_blobs(connection, {"0" * 64: bytes(range(256))})
        add_records(connection, [_record("1"), _record("2")])
        write_meta(connection, "classes", "two")
    return database


def _read(database):
    with database.read() as connection:
        return (
            list(list_items(connection)),
            list_records(connection),
            read_blobs(connection, ["0" * 64]),
            read_meta(connection, "classes"),
        )


def test_a_backup_restores_all_also_into_the_other_database(store_place, tmp_path):
    database = _fill(store_place)
    done = back_up(store_place, tmp_path / "a.zip")
    assert (done.version, done.rows["item"], done.rows["record"]) == (VERSION, 2, 2)
    other = tmp_path / "other.sqlite"
    assert restore(tmp_path / "a.zip", other).rows == done.rows
    copy = Database.open(other)
    assert _read(copy) == _read(database)
    with copy.write() as connection:
        add_records(connection, [_record("3")])
    assert [r.n for r in _read(copy)[1]] == [1, 2, 3]
    copy.close()
    database.close()
    with pytest.raises(OutputError, match="is a store already; name another"):
        restore(tmp_path / "a.zip", other)
    with pytest.raises(OutputError, match=r"a\.zip: is there already"):
        back_up(store_place, tmp_path / "a.zip")


def test_a_file_moves_to_postgresql_and_numbers_go_on(postgres, tmp_path):
    database = _fill(tmp_path / "a.sqlite")
    back_up(tmp_path / "a.sqlite", tmp_path / "a.zip")
    url = postgres.make_url()
    restore(tmp_path / "a.zip", url)
    moved = Database.open(url)
    assert _read(moved) == _read(database)
    with moved.write() as connection:
        add_records(connection, [_record("3")])
        add_items(connection, [("d", "val", "g")])
    assert [r.n for r in _read(moved)[1]] == [1, 2, 3]
    moved.close()
    database.close()


def test_a_store_of_version_1_is_copied_and_then_is_one_of_today(tmp_path):
    file = tmp_path / "old.sqlite"
    with sqlite3.connect(file) as connection:
        connection.executescript(OLD)
    connection.close()
    database = Database.open(file)
    with database.read() as connection:
        assert [item.key for item in list_items(connection)] == ["a"]
        assert read_meta(connection, "version") == str(VERSION)
        assert read_meta(connection, "classes") == "kept"
    database.close()
    with sqlite3.connect(tmp_path / "old.sqlite.v1") as connection:
        assert connection.execute("SELECT value FROM meta").fetchone() == ("1",)
    connection.close()
    engine = create_engine(find_place(file))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_records_of_version_3_stay_and_have_no_histograms(tmp_path):
    file = tmp_path / "old.sqlite"
    _fill(file).close()
    with sqlite3.connect(file) as connection:
        for column in ("lot", "levels", "figures"):
            connection.execute(f"ALTER TABLE record DROP COLUMN {column}")
        connection.execute("UPDATE meta SET value = '3' WHERE name = 'version'")
    connection.close()
    database = Database.open(file)
    with database.read() as connection:
        first, second = list_records(connection)
    assert (first.key, second.key, first.families) == ("1", "2", {"classes": {"road": 1.0}})
    assert (first.lot, first.levels, first.figures) == ("", {}, {})
    database.close()
    assert (tmp_path / "old.sqlite.v3").exists()


def test_postgresql_is_upgraded_only_by_the_verb_which_backs_it_up(postgres, tmp_path):
    url = postgres.make_url()
    engine = create_engine(find_place(url))
    with engine.begin() as connection:
        for statement in filter(str.strip, OLD.split(";")):
            connection.exec_driver_sql(statement)
    engine.dispose()
    with pytest.raises(
        OutputError, match="a store of version 1, this maskwright needs"
    ) as told:
        Database.open(url)
    assert "secret" not in str(told.value)
    assert upgrade(url, tmp_path / "before.zip") == 1
    with zipfile.ZipFile(tmp_path / "before.zip") as archive:
        assert json.loads(archive.read("store.json"))["version"] == 1
        assert json.loads(archive.read("item.ndjson"))["key"] == "a"
    database = Database.open(url)
    with database.read() as connection:
        assert [item.key for item in list_items(connection)] == ["a"]
    database.close()
    with pytest.raises(DataError, match=f"has version {VERSION} already"):
        upgrade(url, tmp_path / "again.zip")
    with pytest.raises(DataError, match="of a store of version 1, this maskwright restores"):
        restore(tmp_path / "before.zip", tmp_path / "x.sqlite")


def test_a_newer_store_is_refused(store_place):
    database = Database.open(store_place)
    with database.write() as connection:
        write_meta(connection, "version", str(VERSION + 1))
    database.close()
    with pytest.raises(OutputError, match="update maskwright") as told:
        Database.open(store_place)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mysql://x/y", "mysql:// is not supported; use a path, sqlite:///path or postgresql"),
        ("postgresql+pg8000://u:secret@host", "the URL names no database"),
        ("://", "not a URL"),
    ],
)
def test_another_database_is_refused_without_its_password(text, message):
    with pytest.raises(ConfigError, match=message) as told:
        find_place(text)
    assert "secret" not in str(told.value)


def test_a_database_that_is_gone_is_an_error_without_the_password():
    with pytest.raises(OutputError, match="see that the database runs") as told:
        Database.open("postgresql+pg8000://watch:secret@127.0.0.1:9/rows")
    assert "secret" not in str(told.value)
    assert name_place(find_place("a/b.sqlite")) == "a/b.sqlite"


@pytest.mark.parametrize("content", [b"no zip", b""])
def test_a_file_that_is_no_backup_is_refused_and_makes_no_store(content, tmp_path):
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.zip: not a backup of a store"):
        restore(tmp_path / "a.zip", tmp_path / "b.sqlite")
    assert not (tmp_path / "b.sqlite").exists()


def test_the_verb(tmp_path):
    _fill(tmp_path / "a.sqlite").close()

    def run(*words):
        return CliRunner().invoke(app, ["store", *map(str, words)])

    file, other = tmp_path / "a.zip", tmp_path / "b.sqlite"
    done = run("backup", file, "--store", tmp_path / "a.sqlite", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["rows"]["record"] == 2
    assert run("restore", file, "--store", other).exit_code == 0
    assert run("upgrade", tmp_path / "c.zip", "--store", other).exit_code == 1
    wrong = run("bakup", file)
    assert "no action named 'bakup'; did you mean 'backup'?" in str(wrong.exception)
    for action in ("backup", "upgrade"):
        absent = run(action, tmp_path / "d.zip", "--store", tmp_path / "no.sqlite")
        assert "no.sqlite: there is no store" in str(absent.exception)
    assert not (tmp_path / "d.zip").exists()
    assert not (tmp_path / "no.sqlite").exists()


def test_the_folder_of_the_default_store_is_made_for_who_writes(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "new" / "state"))
    assert not find_default_store().parent.exists()
    Database.open(make_default_store()).close()
    assert (tmp_path / "new/state/maskwright/service.sqlite").is_file()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    (tmp_path / "file").touch()
    with pytest.raises(
        OutputError, match=r"service\.sqlite: .*Not a directory; name .* --store"
    ):
        make_default_store()
