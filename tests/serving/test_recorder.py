"""Rows reach the store, whatever happens, or are counted as dropped."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from maskwright.core.errors import OutputError
from maskwright.monitoring.window import Window
from maskwright.serving.watch import recorder as recording
from maskwright.serving.watch.keeper import MAP, VIEW, Keeper, KeepOptions, KeptFiles
from maskwright.serving.watch.recorder import OTHERS, Failure, Recorder
from maskwright.serving.watch.retention import forget_old
from maskwright.store.database import Database
from maskwright.store.records import (
    RecordFilter,
    add_records,
    find_records,
    list_records,
    read_records,
)
from maskwright.store.windows import HOUR_S, MINUTE_S, Span, list_windows

from .records import BUNDLE, make_record


@pytest.fixture
def start(database):
    """A function: a recorder that runs, by default on the database of this test."""
    started = []

    def start(where=database, keeper=None):
        recorder = Recorder(where, started.append, keeper)
        recorder.start()
        return recorder

    return start


def _read(database):
    with database.read() as connection:
        return list_records(connection)


def _sum(database):
    with database.read() as connection:
        return {s: Window.from_json(d, where="x") for s, d in list_windows(connection)}


def test_rows_and_their_windows_are_written(database, start):
    recorder = start()
    for n in (1, 2, 61):
        recorder.add(make_record(n))
    recorder.add(Failure(3.0, "parts", BUNDLE, "camera-1"))
    recorder.stop()
    assert [r.key for r in _read(database)] == ["key-1", "key-2", "key-61"]
    assert _read(database)[0].families["classes"] == {"road": 0.75, "car": 0.25}
    windows = _sum(database)
    first = Span(0.0, MINUTE_S, "parts", BUNDLE, "camera-1")
    assert (windows[first].num, windows[first].failed) == (2, 1)
    assert windows[first].average("classes") == {"road": 0.75, "car": 0.25}
    assert (recorder.num_written, recorder.num_dropped) == (4, 0)


def test_the_recorder_rests_only_where_no_row_is_waiting(database, start, monkeypatch):
    rested = []
    monkeypatch.setattr(recording, "_MOST_ROWS", 10)
    recorder = Recorder(database, lambda line: None)
    monkeypatch.setattr(recording, "time", SimpleNamespace(sleep=rested.append))
    for n in range(25):
        recorder.add(make_record(n))
    recorder.add_end()
    recorder.start()
    recorder.stop()
    assert recorder.num_written == 25
    assert rested == []


def test_two_servers_write_to_one_store_and_no_count_is_lost(database, start, store_place):
    other = Database.open(store_place)
    recorders = [start(), start(other)]
    threads = [
        threading.Thread(target=lambda r=r: [r.add(make_record(n % 50)) for n in range(200)])
        for r in recorders
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for recorder in recorders:
        recorder.stop()
    other.close()
    assert sum(window.num for window in _sum(database).values()) == 400
    assert len(_read(database)) == 400


class _BrokenStore:
    """A store whose disk is full until it is told otherwise."""

    def __init__(self, inner):
        self.inner, self.is_full = inner, True

    def write(self):
        if self.is_full:
            raise OutputError("store.sqlite: disk is full")
        return self.inner.write()


def test_requests_never_wait_for_a_full_disk_and_dropped_rows_are_counted(
    database, monkeypatch
):
    monkeypatch.setattr(recording, "_MOST_WAITING", 10)
    monkeypatch.setattr(recording, "_PAUSE_S", 0.01)
    store, log = _BrokenStore(database), []
    recorder = Recorder(store, log.append)
    for n in range(25):  # before the thread runs: the queue takes ten
        recorder.add(make_record(n))
    assert recorder.num_dropped == 15
    recorder.start()
    while not log:
        time.sleep(0.005)
    store.is_full = False
    recorder.stop()
    assert [r.key for r in _read(database)] == [f"key-{n}" for n in range(10)]
    told = {"event": "records", "error": "store.sqlite: disk is full"}
    assert told | {"waiting": 10, "dropped": 15} in log
    assert {"event": "records", "dropped": 15, "error": "the store is too slow"} in log


def test_rows_wait_for_a_database_that_another_holds(database, start, store_place):
    other, recorder = Database.open(store_place), start()
    with other.write():
        for n in range(3):
            recorder.add(make_record(n))
        time.sleep(0.1)
        assert _read(database) == []
    other.close()
    recorder.stop()
    assert len(_read(database)) == 3
    assert recorder.num_dropped == 0


def test_rows_that_the_end_finds_unwritten_are_counted(database):
    store = _BrokenStore(database)
    recorder = Recorder(store, lambda line: None)
    recorder.add(make_record(1))
    recorder.add_end()
    recorder.start()
    recorder.stop()
    assert (recorder.num_written, recorder.num_dropped) == (0, 1)


def test_sources_without_end_become_one(database, start, monkeypatch):
    monkeypatch.setattr(recording, "_MOST_SOURCES", 2)
    recorder = start()
    for n in range(4):
        recorder.add(make_record(n, source=f"camera-{n}"))
    recorder.stop()
    assert [r.source for r in _read(database)] == ["camera-0", "camera-1", OTHERS, OTHERS]


def test_minutes_become_hours_and_rows_end_but_not_the_reference(database):
    day = 86_400.0
    now = 40 * day
    with database.write() as connection:
        kept = make_record(1, at=5 * day, is_reference=True, image="a.png")
        old = make_record(2, at=6 * day, image="b.png")
        add_records(connection, [kept, old, make_record(3, at=39.9 * day)])
        minutes = [make_record(0, at=5 * day + 60 * n) for n in range(90)]
        recording.add_to_windows(connection, recording.sum_by_minute([*minutes, kept]))
        recording.add_to_windows(connection, recording.sum_by_minute([make_record(3, at=now)]))
        before = sum(w.num for w in recording.sum_by_minute([*minutes, kept]).values())
        assert forget_old(connection, now, 30 * day) == ["b.png"]
    assert [r.key for r in _read(database)] == ["key-1", "key-3"]
    windows = _sum(database)
    assert [span.length for span in windows] == [HOUR_S, HOUR_S, MINUTE_S]
    assert sum(w.num for s, w in windows.items() if s.length == HOUR_S) == before
    with database.write() as connection:
        forget_old(connection, now, 30 * day)
    assert _sum(database) == windows


def _save(keeper, uncertainty, num_bytes=100):
    return keeper.save(uncertainty, 1.0, KeptFiles(b"x" * num_bytes, ".jpg", b"ma", b"v"))


def test_the_least_uncertain_images_leave_where_the_quota_is_full(tmp_path):
    keeper = Keeper(KeepOptions(folder=tmp_path / "kept", share=1.0, quota_bytes=350))
    keeper.open()
    names = [_save(keeper, u)[0] for u in (0.3, 0.1, 0.2)]
    assert [n[:6] for n in names] == ["0.3000", "0.1000", "0.2000"]
    more, left = _save(keeper, 0.4)
    assert left == [names[1]]
    assert _save(keeper, 0.15) == ("", [])  # less uncertain than all that are there
    assert keeper.num_bytes <= 350
    there = sorted(p.name for p in keeper.folder.iterdir())
    assert there == sorted(
        part
        for name in (names[0], names[2], more)
        for part in (name, name[:-4] + MAP, name[:-4] + VIEW)
    )
    again = Keeper(KeepOptions(folder=tmp_path / "kept", share=1.0, quota_bytes=350))
    again.open()
    assert again.num_bytes == keeper.num_bytes


def test_about_the_share_that_is_asked_for_is_kept_and_it_is_the_uncertain_one(tmp_path):
    keeper = Keeper(KeepOptions(folder=tmp_path, share=0.1, quota_bytes=1 << 20))
    kept, drawn = [], np.random.default_rng(0).random(3000).tolist()
    for uncertainty in drawn:
        kept += [uncertainty] if uncertainty >= keeper.above else []
        keeper.note(uncertainty)
    assert 0.07 < len(kept) / len(drawn) < 0.14
    assert np.mean(kept) > 0.9


def test_a_record_is_found_by_its_key(database):
    with database.write() as connection:
        add_records(connection, [make_record(1), make_record(2, key="key-1"), make_record(3)])
    with database.read() as connection:
        assert [r.at for r in find_records(connection, "key-1")] == [2.0, 1.0]
        assert find_records(connection, "key-9") == []


def test_records_that_are_read_in_pages_are_those_of_the_list(database):
    with database.write() as connection:
        rows = (make_record(n, source=f"camera-{n % 2}") for n in range(1203))
        add_records(connection, rows)
    with database.read() as connection:
        assert [*read_records(connection)] == list_records(connection)
        one = RecordFilter(scope="camera-1")
        assert [r.at for r in read_records(connection, one)] == [*range(1, 1203, 2)]
