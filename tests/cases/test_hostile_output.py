"""Names that a spreadsheet or a terminal would run, and outputs that cannot be written."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from typer.testing import CliRunner

from maskwright.cli.main import app

NAME = "=HYPERLINK(1)"


def _write_maps(folder):
    folder.mkdir(parents=True)
    Image.fromarray(np.eye(8, dtype=np.uint8)).save(folder / "=cmd.png")
    spec = folder.parent / "dataset.yaml"
    spec.write_text(f'classes: [{{name: "{NAME}"}}, {{name: "+b"}}]\n')
    return folder, spec


def _run(*args):
    result = CliRunner().invoke(app, [str(argument) for argument in args])
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.output


def test_no_cell_of_a_table_is_a_formula_and_compare_reads_the_names_back(tmp_path):
    maps, spec = _write_maps(tmp_path / "d/masks")
    rules = tmp_path / "rules.yaml"
    rules.write_text(f"rules:\n- {{fail: '{NAME} > 90 %', name: '@rule'}}\n")
    measured = ("measure", maps, "--spec", spec, "-o", tmp_path / "m", "--regions", "all")
    _run(*measured, "--rules", rules, "--gap", f"{NAME},+b", "--before", maps)
    _run("score", maps, maps, "--spec", spec, "-o", tmp_path / "a")
    tables = [*(tmp_path / "m").glob("*.csv"), tmp_path / "a/images.csv"]
    assert {path.name for path in tables} >= {"coverage.csv", "regions.csv", "rules.csv"}
    for path in tables:
        for row in csv.reader(path.read_text().splitlines()):
            for cell in row:
                assert not cell.startswith(("=", "@", "+")), (path.name, cell)
    _run("compare", tmp_path / "a", tmp_path / "a", "-o", tmp_path / "c")


def test_an_output_that_cannot_be_written_is_one_line(tmp_path):
    maps, _ = _write_maps(tmp_path / "d/masks")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "maskwright", "check", str(maps.parent)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
