"""The judge: what a Bundle is compared with, and with which families of numbers."""

import re
from dataclasses import replace

import numpy as np
import pytest

from maskwright.core.errors import OutputError
from maskwright.core.observation import format_observations
from maskwright.serving.watch import judge as judging
from maskwright.serving.watch.judge import Judge, name_baseline, name_drift, to_observation
from maskwright.store.alarms import acknowledge, raise_alarm
from maskwright.store.database import Database, write_meta
from maskwright.store.records import RecordFilter, add_records, count_records

from .records import BUNDLE, make_stream


def test_a_reference_grows_until_it_has_the_groups_that_are_needed(tmp_path, monkeypatch):
    monkeypatch.setattr(judging, "FIRST_REFERENCE", 100)
    database = Database.open(tmp_path / "a.sqlite")
    rows = list(make_stream(1e9, np.random.default_rng(1)))
    judge = Judge(database)
    sizes = []
    for part in (rows[:90], rows[90:200], rows[200:]):
        with database.write() as connection:
            add_records(connection, part)
        judge.look()
        (judged,) = judge.list_judged()
        with database.read() as connection:
            marked = count_records(connection, RecordFilter(reference=True))
        sizes.append((judged.num_reference, marked))
        state = judged.statuses[""].state if judged.statuses else None
    assert sizes[:2] == [(90, 0), (150, 150)]
    assert sizes[2][0] == sizes[2][1] in (225, 338)
    assert state != "learning"
    database.close()


def test_a_bug_in_the_judgement_is_logged_and_said_and_the_rest_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(judging, "FIRST_REFERENCE", 100)
    database, log = Database.open(tmp_path / "a.sqlite"), []
    rows = list(make_stream(1e9, np.random.default_rng(1)))
    with database.write() as connection:
        add_records(connection, rows)
    judge = Judge(database, log=log.append)
    with monkeypatch.context() as broken:
        broken.setattr(judging, "Monitor", None)
        judge.look()
    (judged,) = judge.list_judged()
    assert judged.problem == "images are not judged: internal error, see the log of the server"
    assert [(line["event"], line["bundle"]) for line in log] == [("judge", BUNDLE)]
    assert "NoneType" in log[0]["error"]
    judge.look()
    (judged,) = judge.list_judged()
    assert (judged.problem, judged.statuses[""].state) == ("", "alarm")
    database.close()


def _judge_in_parts(database, parts):
    """The judged Bundle after each part of its rows."""
    judge = Judge(database)
    for part in parts:
        with database.write() as connection:
            add_records(connection, part)
        judge.look()
        (judged,) = judge.list_judged()
        yield judge, judged


def _write_baseline(database, rows):
    with database.write() as connection:
        text = format_observations(to_observation(row, row.families) for row in rows)
        write_meta(connection, name_baseline(BUNDLE), text)


def test_the_baseline_of_a_bundle_is_the_reference_until_there_are_first_images(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(judging, "FIRST_REFERENCE", 400)
    database = Database.open(tmp_path / "a.sqlite")
    known, rows = (list(make_stream(1e9, np.random.default_rng(k)))[:500] for k in (1, 2))
    _write_baseline(database, known)
    found = []
    for judge, judged in _judge_in_parts(database, (rows[:90], rows[90:300], rows[300:])):
        status = judged.statuses.get("")
        found.append((judged.has_baseline, judged.num_judged, status and status.state))
        judge.save()
    assert found[0] == (False, 0, None)
    assert found[1] == (True, 300, "ok")
    assert status.num_reference == 400 // status.group_size
    assert found[2][::2] == (False, "ok")
    assert list(judged.statuses) == ["", "hall/camera-0", "hall/camera-1"]
    database.close()


def test_a_baseline_of_too_few_groups_says_so_and_first_images_are_awaited(tmp_path):
    database = Database.open(tmp_path / "a.sqlite")
    known, rows = (list(make_stream(1e9, np.random.default_rng(k)))[:120] for k in (1, 2))
    _write_baseline(database, known)
    _, (_, judged) = _judge_in_parts(database, (rows[:50], rows[50:]))
    assert (judged.monitor, judged.num_reference) == (None, 120)
    assert re.fullmatch(
        r"its 120 validation images make \d+ groups of the 30 that a baseline needs, as \d+ "
        r"that follow each other are alike",
        judged.baseline,
    )
    database.close()


@pytest.mark.parametrize("of", ["rows", "baseline"])
def test_families_that_rows_or_baseline_have_alone_are_not_compared(tmp_path, of):
    database = Database.open(tmp_path / "a.sqlite")
    streams = [list(make_stream(1e9, np.random.default_rng(k)))[:300] for k in (1, 2)]
    with_encoder = [
        replace(record, families={**record.families, "encoder": {"feature 1": 0.5}})
        for record in streams[of == "rows"]
    ]
    streams[of == "rows"] = with_encoder
    known, rows = streams
    _write_baseline(database, known)
    ((_, judged),) = _judge_in_parts(database, (rows,))
    assert (judged.problem, judged.statuses[""].state) == ("", "ok")
    assert set(judged.monitor.names) == {"image", "classes", "confidence", "shapes"}
    database.close()


@pytest.mark.parametrize("has_baseline", [True, False])
def test_a_family_that_later_images_lack_is_left_out_from_then_on(
    tmp_path, monkeypatch, has_baseline
):
    """A graph of int8 gives no features of the encoder, that of fp32 before it did."""
    monkeypatch.setattr(judging, "FIRST_REFERENCE", 400)
    database = Database.open(tmp_path / "a.sqlite")
    known, rows = (
        [
            replace(record, families={**record.families, "encoder": {"feature 1": k / 7}})
            for record in list(make_stream(1e9, np.random.default_rng(k)))[:500]
        ]
        for k in (1, 2)
    )
    if has_baseline:
        _write_baseline(database, known)
    num = 200 if has_baseline else 430
    later = [replace(r, families={**r.families, "encoder": {}}) for r in rows[num : num + 40]]
    looks = _judge_in_parts(database, (rows[:num], later, rows[num + 40 :]))
    (_, judged) = next(looks)
    assert "encoder" in judged.monitor.names
    for _, judged in looks:
        assert judged.problem == ""
    assert set(judged.monitor.names) == {"image", "classes", "confidence", "shapes"}
    assert judged.statuses[""].num_groups > 0
    database.close()


def test_a_report_that_could_not_be_written_is_made_again(tmp_path):
    database = Database.open(tmp_path / "a.sqlite")
    known, rows = (list(make_stream(1e9, np.random.default_rng(k)))[:300] for k in (1, 2))
    _write_baseline(database, known)
    reported = []

    def report(judged, before):
        reported.append((dict(before), dict(judged.statuses)))
        if len(reported) == 1:
            raise OutputError("the disk is full")

    with database.write() as connection:
        add_records(connection, rows)
    judge = Judge(database, report)
    with pytest.raises(OutputError):
        judge.look()
    for _ in range(2):
        judge.look()
    (first, found), *others = reported
    assert found[""].state == "ok"
    assert (first, others) == ({}, [({}, found), (found, found)])
    database.close()


def test_first_images_unlike_the_baseline_are_a_reference_when_that_is_acknowledged(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(judging, "FIRST_REFERENCE", 400)
    database = Database.open(tmp_path / "a.sqlite")
    known, rows = (list(make_stream(1e9, np.random.default_rng(k)))[:500] for k in (1, 2))
    dark = [
        replace(r, families=r.families | {"confidence": {"mean": 0.5 + 0.01 * (r.n % 3)}})
        for r in rows
    ]
    _write_baseline(database, known)
    ((judge, judged),) = _judge_in_parts(database, [dark])
    assert judged.has_baseline
    assert judged.statuses[""].state == "alarm"
    judge.save()
    again = Judge(database)
    again.look()
    assert again.list_judged()[0].statuses == judged.statuses
    with database.write() as connection:
        number = raise_alarm(connection, name_drift(BUNDLE, ""), "alarm", {}, 1e9)
        acknowledge(connection, number, "ann", 1e9)
    judge.look()
    assert not judged.has_baseline
    assert judged.statuses[""].state == "ok"
    database.close()
