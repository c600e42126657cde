"""Accuracy of images whose truth has come."""

import json
import re

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from maskwright.cli.main import app
from maskwright.core.confusion import Confusion
from maskwright.core.scores import iou, mean_iou
from maskwright.serving.watch.accuracy import measure_accuracy, read_losses
from maskwright.serving.watch.alarmfile import AlarmFile
from maskwright.serving.watch.alarmist import Alarmist
from maskwright.serving.watch.retention import forget_old
from maskwright.serving.watch.view import View
from maskwright.store.alarms import list_alarms
from maskwright.store.database import Database
from maskwright.store.records import add_records, list_records

from .records import BUNDLE, make_record

VIEW = View(length="1h", end=3600.0, bundle=BUNDLE)


def _scored(rng, num):
    for n in range(num):
        counts = rng.integers(0, 50, (2, 2)) + 100 * np.eye(2, dtype=int)
        yield make_record(n, at=3600.0 * n / num, score=counts.tolist())


def test_the_scores_are_those_of_the_summed_counts():
    records = list(_scored(np.random.default_rng(0), 60))
    found = measure_accuracy(records, VIEW, 60)
    total = Confusion(np.array([record.score for record in records]).sum(0))
    assert found.mean == mean_iou(total)
    np.testing.assert_array_equal(found.iou_C, iou(total))
    assert found.mean_N[3] == mean_iou(Confusion(np.array(records[3].score)))
    low, high = found.mean_interval
    assert low < found.mean < high < low + 0.1


def test_one_group_has_no_interval_and_no_truth_no_accuracy():
    (record,) = _scored(np.random.default_rng(0), 1)
    found = measure_accuracy([record], VIEW, 60)
    assert np.isnan(found.mean_interval).all()
    assert np.isfinite(found.mean_N).sum() == 1
    assert measure_accuracy([], VIEW, 60) is None


def test_a_class_that_is_nowhere_is_left_out_of_the_mean():
    records = [make_record(60 * n, score=[[90, 0], [0, 0]]) for n in range(3)]
    found = measure_accuracy(records, VIEW, 60)
    assert (found.mean, found.mean_interval) == (1, (1, 1))
    np.testing.assert_array_equal(found.interval_2C, [[1, np.nan], [1, np.nan]])
    assert found.iou_C.tolist() == [1.0, pytest.approx(np.nan, nan_ok=True)]


def _write_map(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(values, np.uint8)).save(path)


def test_truth_of_a_folder_scores_the_kept_class_maps(tmp_path):
    store, kept, folder = tmp_path / "a.sqlite", tmp_path / "kept", tmp_path / "truth"
    database = Database.open(store)
    with database.write() as connection:
        keys = ("a", "line/b", "gone")
        rows = [make_record(n, key=key, image=f"0.5-{n}-ab.png") for n, key in enumerate(keys)]
        add_records(connection, rows)
    _write_map(kept / "0.5-0-ab.map.png", [[0, 0, 1, 255]])
    _write_map(kept / "0.5-1-ab.map.png", [[0, 1, 1, 1]])
    _write_map(folder / "a.png", [[0, 1, 1, 1]])
    _write_map(folder / "line" / "b.png", [[255, 1, 1, 0]])
    _write_map(folder / "gone.png", [[0]])
    command = ["watch", "--truth", folder, "--store", store, "--keep-in", kept]
    done = CliRunner().invoke(app, [*map(str, command), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"added": ["a", "line/b"], "missing": ["gone"]}
    assert "no class map is kept of gone; --keep 100%" in done.stderr
    with database.read() as connection:
        scores = {record.key: record.score for record in list_records(connection)}
    assert scores == {"a": [[1, 0], [1, 1]], "line/b": [[0, 1], [0, 2]], "gone": None}
    _write_map(folder / "a.png", [[0, 1]])
    wrong = CliRunner().invoke(app, [*map(str, command)])
    assert wrong.exit_code == 1
    assert "a.png: is (1, 2) (H, W), its prediction is (1, 4)" in str(wrong.exception)
    empty = CliRunner().invoke(
        app, ["watch", "--truth", str(tmp_path / "none"), *map(str, command[3:])]
    )
    assert "no KEY.png with the truth of an image is here" in str(empty.exception)
    database.close()


def _list_alarms(database):
    with database.read() as connection:
        return list_alarms(connection, most=50)


def test_a_loss_that_has_risen_by_truth_is_an_alarm_and_the_usual_loss_is_none(database):
    rng = np.random.default_rng(0)

    def draw(n, wrong):
        share = float(np.clip(wrong + 0.02 * rng.normal(), 0, 1))
        bad = round(1000 * share)
        return make_record(n, score=[[1000 - bad, bad], [bad, 1000 - bad]])

    alarmist = Alarmist(database, AlarmFile())
    with database.write() as connection:
        add_records(connection, [draw(n, 0.1) for n in range(200)])
    alarmist.check_truth()
    assert _list_alarms(database) == []
    with database.write() as connection:
        add_records(connection, [draw(n, 0.5) for n in range(200)])
    for _ in range(2):
        alarmist.check_truth()
    (alarm,) = _list_alarms(database)
    assert (alarm.level, alarm.document["title"]) == ("alarm", "parts is less accurate")
    assert re.fullmatch(
        r"mean IoU by truth 0\.4\d\d, of the first 100 images with truth 0\.8\d\d",
        alarm.document["text"],
    )
    with database.read() as connection:
        known = {r.key: r.score[0][0] for r in list_records(connection)[-100:]}
    shown = [known[one["key"]] for one in alarm.document["examples"]]
    assert shown == sorted(known.values())[:3]


def test_losses_outlive_the_rows_of_their_images(database):
    alarmist = Alarmist(database, AlarmFile())
    good, bad = [[900, 100], [100, 900]], [[500, 500], [500, 500]]
    with database.write() as connection:
        add_records(connection, [make_record(n, at=n, score=good) for n in range(150)])
        add_records(connection, [make_record(n, at=1e6 + n, score=bad) for n in range(20)])
        before = read_losses(connection, BUNDLE)
        for now in (100.0, 200.0, 300.0):
            forget_old(connection, now, 10.0)
        assert len(list_records(connection)) == 20
        assert read_losses(connection, BUNDLE) == before
        add_records(connection, [make_record(n, at=1e6 + n, score=bad) for n in range(180)])
    assert before[149:151] == pytest.approx([1 - 9 / 11, 2 / 3], abs=1e-6)
    alarmist.check_truth()
    (alarm,) = _list_alarms(database)
    assert "of the first 100 images with truth 0.818" in alarm.document["text"]
