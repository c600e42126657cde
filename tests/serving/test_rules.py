import json
import logging

import pytest
from typer.testing import CliRunner

from maskwright.cli.main import app
from maskwright.store.database import Database
from maskwright.store.records import list_records

RULES = """
rules:
  - fail: road > 20 %
    name: little road
  - fail: car area > 2000 mm2
  - fail: tree < 50 %
    roi: right
zones:
  right: {share: [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]}
"""


@pytest.fixture
def rules(tmp_path):
    (tmp_path / "rules.yaml").write_text(RULES)
    return tmp_path / "rules.yaml"


SITES = """
sites:
  line: {mm_per_px: 1}
  line/near:
    mm_per_px: 0.5
    zones:
      right: {share: [[0, 0], [1, 0], [1, 1], [0, 1]]}
"""


def test_zones_and_scale_are_those_of_the_source_and_rows_have_the_figures(
    start_server, painted, rules, stripes, png, tmp_path
):
    (tmp_path / "sites.yaml").write_text(SITES)
    rules.write_text(f"{RULES}figures: [car largest region cm2]")
    options = ("--rules", rules, "--sites", tmp_path / "sites.yaml")
    server = start_server(
        f"m={painted.root}", *options, "--mm-per-px", "2", "--store", tmp_path / "a.sqlite"
    )
    found = {}
    for source in ("", "line/far", "line/near"):
        answer = server.ask(
            "POST", "/v1/predict?format=verdict", png(stripes), X_Source=source
        ).json
        found[source] = [one["value"] for one in answer["rules"]["verdicts"]]
    assert found == {"": [25, 2400, 50], "line/far": [25, 600, 50], "line/near": [25, 150, 25]}
    server.stop()
    database = Database.open(tmp_path / "a.sqlite")
    with database.read() as connection:
        rows = {row.source: row.figures for row in list_records(connection)}
    database.close()
    assert rows["line/far"] == pytest.approx(
        {
            "road %": 25,
            "car area mm2": 600,
            "tree % in right": 50,
            "car largest region cm2": 6,
        }
    )
    assert rows["line/near"]["tree % in right"] == 25


def test_class_maps_are_judged_as_measure_judges_them(
    start_server, painted, rules, stripes, png, tmp_path
):
    server = start_server(f"m={painted.root}", "--rules", f"m={rules}", "--mm-per-px", "1")
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.png").write_bytes(png(stripes))
    for words in (
        ["predict", str(painted.root), str(tmp_path / "images"), "-o", str(tmp_path / "out")],
        [
            *("measure", str(tmp_path / "out/classes"), "-o", str(tmp_path / "measured")),
            *("--rules", str(rules), "--mm-per-px", "1"),
        ],
    ):
        ended = CliRunner().invoke(app, words)
        assert ended.exit_code in (0, 3), ended.output
    peer = json.loads((tmp_path / "measured/measurements.json").read_text())["verdicts"]
    found = server.predict(png(stripes), format="verdict").json["rules"]
    assert not found["passed"]
    assert [v["passed"] for v in found["verdicts"]] == [False, True, True]
    assert [v["value"] for v in found["verdicts"]] == [25.0, 600.0, 50.0]
    assert [one | {"key": "a"} for one in found["verdicts"]] == peer
    assert server.predict(png(stripes)).json["rules"] == found
    assert server.predict(png(stripes), "image/png").status == 200


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("rules: [{fail: rad > 1 %}]", [], "rad"),
        ("rules: [{fail: road > 1 %, for: 5s}]", [], "for and clear need the times of a"),
        ("rules: [{fail: road gained > 1 %}]", [], "compares two dates"),
        ("rules: [{fail: road > 1 %}]", ["--rules", "other=x"], "no model of --rules named"),
        (
            "rules: [{fail: road > 1 %}]",
            ["--sites", "none.yaml"],
            "none.yaml: cannot be read: no such file",
        ),
        ("rules: [{fail: road > 1 %}]", ["--mm-per-px", "0"], "--mm-per-px 0: give a number"),
    ],
)
def test_rules_that_cannot_be_judged_are_refused(painted, rules, content, options, message):
    rules.write_text(content)
    words = ["serve", f"m={painted.root}", "--rules", str(rules), "--port", "0", *options]
    ended = CliRunner().invoke(app, [*words, "--store", "none"])
    assert message in str(ended.exception), ended.output


def test_the_log_handlers_of_the_program_are_not_closed(painted, rules):
    class Handler(logging.Handler):
        is_closed = False

        def close(self):
            self.is_closed = True
            super().close()

    handler = Handler()
    rules.write_text("rules: [{fail: rad > 1 %}]")
    words = ["serve", f"m={painted.root}", "--rules", str(rules), "--port", "0"]
    CliRunner().invoke(app, [*words, "--store", "none"])
    assert not handler.is_closed
