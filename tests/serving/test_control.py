"""Control charts of what the rules of a server measure: in the dashboard, and by the verb."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from maskwright.cli.main import app
from maskwright.core.errors import UnknownNameError
from maskwright.measurement.control.chart import ControlChart
from maskwright.serving.watch import control
from maskwright.serving.watch.charts import draw_figures
from maskwright.serving.watch.control import read_controls, read_stored_series
from maskwright.serving.watch.recorder import add_to_windows, sum_by_minute
from maskwright.serving.watch.view import View, read_columns
from maskwright.store.database import Database
from maskwright.store.records import add_records

from .records import BUNDLE, make_record

NOW = 999_999_900.0


def _write(folder, num, *, changed=0, every_s=60.0):
    """Widths of two cameras in lots of five; the last ones are larger by four deviations."""
    rng = np.random.default_rng(0)
    rows = [
        make_record(
            n,
            at=NOW - (num - n) * every_s,
            source=f"line-{n % 2}",
            lot=f"L{n // 5}",
            figures={
                "width px": 10 + float(rng.normal()) + 4 * (n >= num - changed),
                "gap px": None if n % 3 else 7.0,
            },
        )
        for n in range(num)
    ]
    database = Database.open(folder / "a.sqlite")
    with database.write() as connection:
        add_records(connection, [*rows[:-1], make_record(num, at=NOW - 1), rows[-1]])
        add_to_windows(connection, sum_by_minute(rows))
    return database, rows


def _read(database, length="6h", scope="", *, by_lot=False):
    view = View(length=length, end=NOW, bundle=BUNDLE, scope=scope)
    with database.read() as connection:
        columns = read_columns(connection, view)
        found = read_controls(connection, view, columns, by_lot=by_lot)
    database.close()
    return {one.figure: one for one in found}


def test_few_images_are_points_whose_limits_are_those_of_the_first_hundred(tmp_path):
    database, rows = _write(tmp_path, 150, changed=6)
    found = _read(database, "1h")["width px"]
    values = [row.figures["width px"] for row in rows]
    peer = ControlChart.from_values(values, num_baseline=100)
    assert found.chart.limits == peer.limits
    assert found.values_N.tolist() == values[-60:]
    assert found.names == [row.key for row in rows[-60:]]
    assert set(range(55, 60)) <= set(found.signals)
    assert not set(found.signals) & set(range(40))
    assert found.signals == {
        index: [signal.rule for signal in peer.signals if signal.index == index + 90]
        for index in range(60)
        if any(signal.index == index + 90 for signal in peer.signals)
    }


def test_a_scope_has_its_own_images_and_what_is_not_known_is_no_point(tmp_path):
    database, _ = _write(tmp_path, 150)
    found = _read(database, scope="line-1")
    assert len(found["width px"].values_N) == 75
    assert found["gap px"].values_N.tolist() == [7.0] * 25
    page = draw_figures(list(found.values()))
    assert page.count("<svg") == 4
    assert "in control; a point is an image; below: moving ranges" in page


def test_many_images_are_means_of_columns(tmp_path):
    database, rows = _write(tmp_path, 1200, changed=60, every_s=15)
    found = _read(database)["width px"]
    first = [row.figures["width px"] for row in rows[:20]]
    assert found.points == "a point is the mean of 5 minutes"
    assert found.values_N[0] == pytest.approx(np.mean(first))
    assert (len(found.values_N), found.chart.num_baseline) == (60, 50)
    assert set(found.signals) >= {57, 58, 59}
    assert min(found.signals) > 40


def test_a_column_of_more_images_than_limits_come_from_has_none(tmp_path, monkeypatch):
    monkeypatch.setattr(control, "_MOST_BASELINE", 100)
    database, _ = _write(tmp_path, 300, every_s=0.1)
    found = _read(database, "24h")["width px"]
    assert (len(found.values_N), found.chart) == (1, None)
    assert found.points == "a point is the mean of 15 minutes"


def test_a_point_may_be_a_lot_and_few_lots_have_no_limits(tmp_path):
    database, rows = _write(tmp_path, 150, changed=5)
    found = _read(database, by_lot=True)["width px"]
    last = [row.figures["width px"] for row in rows[-5:]]
    assert (found.names[-1], found.values_N[-1]) == ("L29", pytest.approx(np.mean(last)))
    assert (len(found.values_N), found.chart.num_baseline) == (30, 25)
    assert 29 in found.signals
    (tmp_path / "few").mkdir()
    few = _read(_write(tmp_path / "few", 40)[0], by_lot=True)["width px"]
    assert few.chart is None
    assert "8 of the 20 values that limits need" in draw_figures([few])


def test_rows_of_a_store_are_grouped_as_those_of_a_table(tmp_path):
    database, rows = _write(tmp_path, 40)
    with database.read() as connection:
        by_source = read_stored_series(connection, "width px", by="source")
        by_lot = read_stored_series(
            connection, "width px", by="lot", where={"source": "line-1"}
        )
        by_key = read_stored_series(connection, "width px", by=r"(\d)$")
        with pytest.raises(UnknownNameError, match="no figure named 'wdth px'; did you mean"):
            read_stored_series(connection, "wdth px")
        with pytest.raises(UnknownNameError, match="no column named 'camera'"):
            read_stored_series(connection, "width px", where={"camera": "x"})
    database.close()
    assert by_source["line-1"].values == tuple(row.figures["width px"] for row in rows[1::2])
    assert by_lot["L0"].keys == ("key-1", "key-3")
    assert len(by_key) == 10


def test_the_verb_reads_a_store(tmp_path):
    _write(tmp_path, 150, changed=3)[0].close()
    words = [
        *("chart", str(tmp_path / "a.sqlite"), "--figure", "width px", "--each", "source"),
        *("--first", "50", "-o", str(tmp_path / "c.html"), "--json"),
    ]
    ended = CliRunner().invoke(app, words)
    assert ended.exit_code == 3, ended.output
    document = json.loads(ended.stdout)
    assert list(document) == ["line-0", "line-1"]
    assert "key-149" in [signal["image"] for signal in document["line-1"]["signals"]]
    assert str(tmp_path / "a.sqlite") in (tmp_path / "c.html").read_text()
    missing = CliRunner().invoke(app, ["chart", str(tmp_path / "b.csv"), "--figure", "x"])
    assert "b.csv" in str(missing.exception)
