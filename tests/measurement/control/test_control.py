"""Control charts: limits and rules of the handbook, and the verb on a table of measure."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from maskwright.cli.main import app
from maskwright.core.errors import ConfigError, DataError, UnknownNameError
from maskwright.measurement.control.chart import ControlChart, Signal
from maskwright.measurement.control.series import parse_where, read_series

# mean 10, mean moving range 1.128: standard deviation 1
CALM = [10 + 0.564 * (-1) ** k for k in range(20)]


def signals(*more):
    return ControlChart.from_values([*CALM, *more], num_baseline=20).signals


def test_limits_come_from_the_mean_moving_range_of_the_baseline():
    chart = ControlChart.from_values([*CALM, 50.0], num_baseline=20)
    assert chart.center == pytest.approx(10)
    assert chart.sigma == pytest.approx(1)
    assert chart.limits == pytest.approx((7, 13))  # mean +- 2.66 moving ranges
    assert chart.range_limit == pytest.approx(3.267 * 1.128)
    assert chart.ranges_N[-1] == pytest.approx(50 - CALM[-1])


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ((10, 10), ()),
        ((13.01,), (Signal(20, 1),)),
        ((12.1, 9.5, 12.1), (Signal(22, 2),)),
        ((12.1, 9.5, 7.9), ()),  # on two sides
        ((11.1, 11.1, 9.9, 11.1, 11.1), (Signal(24, 3),)),
        ((10.4, *(10.1,) * 7), (Signal(27, 4),)),
        ((9.9, 9.9, 9.9, 9.9, 9.9, 9.9, 9.9), (Signal(26, 4),)),  # the last calm one is below
        ((12.9, 9.0), (Signal(21, 5),)),
    ],
)
def test_the_rules_by_hand(more, expected):
    assert signals(*more) == expected


def test_independent_values_break_the_four_rules_once_in_92():
    # Champ and Woodall 1987: run length 91.75 of rules 1 to 4, with known limits
    rng = np.random.default_rng(0)
    lengths = []
    for _ in range(120):
        values = [*CALM, *(10 + rng.normal(size=700))]
        chart = ControlChart.from_values(values, num_baseline=20)
        lengths.append(
            next(s.index for s in chart.signals if s.rule < 5 and s.index >= 27) - 26
        )
    assert np.mean(lengths) == pytest.approx(91.75, rel=0.2)


def test_too_few_values_are_refused():
    with pytest.raises(DataError, match="limits from 3 of 3 values; they need 20"):
        ControlChart.from_values([1, 2, 3])
    with pytest.raises(DataError, match="1 values are not finite"):
        ControlChart.from_values([*CALM, float("nan")])


def write_table(path, *, jump=0.0):
    rows = ["image,roi,class,percent"]
    for lot in ("a", "b"):
        for k in range(24):
            crack = 1 + 0.1 * (-1) ** k + (jump if lot == "b" and k == 23 else 0)
            rows += [f"lot-{lot}/{k:02},whole,crack,{crack}", f"lot-{lot}/{k:02},whole,ok,50"]
    path.write_text("\n".join(rows) + "\n")
    return str(path)


def test_the_verb_charts_each_lot_and_says_what_is_out_of_control(tmp_path):
    table, page = write_table(tmp_path / "coverage.csv", jump=2), tmp_path / "chart.html"
    words = ("chart", table, "--figure", "percent", "--where", "class=crack")
    more = ("--each", r"lot-\w", "--first", "20", "-o", str(page))
    done = CliRunner().invoke(app, [*words, *more])
    assert done.exit_code == 3, done.output
    assert "lot-a: 24 values, mean 1, limits" in done.output
    assert "lot-b/23: 2.9, beyond three standard deviations" in done.output
    assert page.read_text().count("<svg") == 8  # two lots, values and ranges, wide and narrow
    assert page.read_text().count("<circle") == 4
    again = CliRunner().invoke(app, [*words, *more, "--json", "--overwrite"])
    found = json.loads(again.stdout)
    assert found["lot-a"]["signals"] == []
    assert {one["rule"] for one in found["lot-b"]["signals"]} == {1, 5}
    calm = write_table(tmp_path / "calm.csv")
    assert (
        CliRunner().invoke(app, ["chart", calm, *words[2:], *more, "--overwrite"]).exit_code
        == 0
    )
    assert "exists; replace it" in str(CliRunner().invoke(app, [*words, *more]).exception)


def test_a_group_of_too_few_values_is_left_out_and_named(tmp_path):
    table = Path(write_table(tmp_path / "coverage.csv"))
    with table.open("a") as file:
        file.write("lot-c/00,whole,crack,1\nother,whole,crack,1\n")
    words = ["chart", str(table), "--figure", "percent", "--where", "class=crack"]
    words += ["-o", str(tmp_path / "chart.html"), "--overwrite", "--each"]
    done = CliRunner().invoke(app, [*words, r"lot-\w|other"])
    assert done.exit_code == 0, done.output
    assert "left out: lot-c: limits from 1 of 1 values; they need 20 or more" in done.output
    assert "lot-b: 24 values" in done.output
    none = CliRunner().invoke(app, [*words, "image"])
    assert "lot-a/00: limits from 1 of 1 values" in str(none.exception)


def test_what_a_table_lacks_is_named(tmp_path):
    table = tmp_path / "coverage.csv"
    write_table(table)
    with pytest.raises(UnknownNameError, match="percent"):
        read_series(table, "percnt")
    with pytest.raises(DataError, match="line 3: lot-a/00 has several rows; choose one with"):
        read_series(table, "percent")
    with pytest.raises(DataError, match="no row with a value of percent class=sky"):
        read_series(table, "percent", where={"class": "sky"})
    with pytest.raises(DataError, match="line 2: roi is 'whole', expected a number"):
        read_series(table, "roi")
    with pytest.raises(ConfigError, match=r"--each 'line': matches nothing in lot-a/00"):
        read_series(table, "percent", where={"class": "ok"}, by="line")
    with pytest.raises(ConfigError, match=r"--each '\[': neither a column \(image"):
        read_series(table, "percent", by="[")
    with pytest.raises(ConfigError, match="write COLUMN=VALUE"):
        parse_where(["crack"])
    by_class = read_series(table, "percent", by="class")
    assert list(by_class) == ["crack", "ok"]
    assert by_class["ok"].values == (50.0,) * 48
