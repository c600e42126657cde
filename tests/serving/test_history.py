"""A replay of what a server has written: the rows of its store."""

import json
import time

import numpy as np
import pytest
from typer.testing import CliRunner

from maskwright.cli.main import app
from maskwright.core.errors import DataError
from maskwright.serving.watch.history import read_history
from maskwright.store.records import add_records

from .records import make_record, make_stream


def _replay(place, *more):
    command = ["watch", "--replay", place, "--replays", "1", *more]
    return CliRunner().invoke(app, [*map(str, command)])


def test_the_rows_of_a_store_are_replayed_at_their_own_pace(database, store_place):
    with pytest.raises(DataError, match="has no row of an image; name a server's store"):
        read_history(database)
    rows = list(make_stream(time.time(), np.random.default_rng(0)))[:500]
    with database.write() as connection:
        add_records(connection, [make_record(0, bundle="a" * 16), *rows])
    log, per_day = read_history(database)
    assert (len(log), set(log.sources)) == (500, {"hall/camera-0", "hall/camera-1"})
    assert [*log.names] == ["image", "classes", "confidence", "shapes"]
    assert log.values["classes"][7, 0] == rows[7].families["classes"]["road"]
    # 500 of 700 images that come in five hours
    assert per_day == pytest.approx(700 * 24 / 5, rel=0.01)
    done = _replay(store_place, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["num_images"] == 500
    assert found["groups_per_day"] == pytest.approx(per_day / found["group_size"])
    found = json.loads(_replay(store_place, "--json", "--per-day", 80).stdout)
    assert found["groups_per_day"] == 80 / found["group_size"]


def test_a_store_of_too_few_rows_is_refused_before_anything_is_measured(database, store_place):
    with database.write() as connection:
        add_records(connection, [make_record(n) for n in range(90)])
    done = _replay(store_place)
    assert "half of the log is 5 of the 30 groups that a reference needs" in str(done.exception)
    assert done.output == ""
