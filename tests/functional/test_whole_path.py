"""The README's five lines, and then the Bundle where there is no torch."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow


def test_the_five_lines_leave_what_the_readme_promises(walked):
    assert (walked / "report/report.html").is_file()
    scores = json.loads((walked / "report/report.json").read_text())["scores"]
    assert 0 <= scores["miou"] <= 1
    assert (walked / "runs/a/bundle/bundle.json").is_file()
    with (walked / "out/coverage.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len({row["image"] for row in rows}) == len(list((walked / "photos").iterdir()))


def test_a_bundle_predicts_without_torch_what_the_run_predicts_with_it(
    walked, run_plain_python
):
    done = run_plain_python(
        "-m", "maskwright", "predict", "runs/a/bundle", "photos", "-o", "plain", cwd=walked
    )
    assert done.returncode == 0, done.stderr
    maps = sorted((walked / "out").rglob("*.png"))
    assert maps
    same = [
        _equal_share(file, walked / "plain" / file.relative_to(walked / "out")) for file in maps
    ]
    assert min(same) > 0.99


def test_a_run_predicts_by_its_bundle_where_there_is_no_torch(walked, run_plain_python):
    done = run_plain_python(
        "-m", "maskwright", "predict", "runs/a", "photos", "-o", "plain-run", cwd=walked
    )
    assert done.returncode == 0, done.stderr
    assert len(list((walked / "plain-run/classes").glob("*.png"))) == len(
        list((walked / "photos").iterdir())
    )


def test_a_bundle_is_evaluated_without_torch_with_the_same_score(walked, run_plain_python):
    done = run_plain_python(
        *("-m", "maskwright", "evaluate", "runs/a/bundle", "my-data"),
        *("--split", "test", "-o", "plain-report", "--json"),
        cwd=walked,
    )
    assert done.returncode == 0, done.stderr
    plain, torch = (
        json.loads((walked / folder / "report.json").read_text())["scores"]["miou"]
        for folder in ("plain-report", "report")
    )
    assert plain == pytest.approx(torch, abs=0.01)


@pytest.mark.parametrize(
    "command",
    [
        ["train", "my-data", "-o", "runs/b"],
        ["plan", "my-data", "-o", "recipe.yaml"],
        ["predict", "runs/a", "photos", "-o", "out-b", "--engine", "torch"],
        ["demo", "-o", "demo-b"],
    ],
    ids=lambda command: command[0],
)
def test_what_needs_torch_gives_the_pip_command_where_there_is_none(
    walked, run_plain_python, command
):
    done = run_plain_python("-m", "maskwright", *command, cwd=walked)
    assert done.returncode == 1
    assert "pip install 'maskwright[train]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (walked / command[command.index("-o") + 1]).exists()


def _equal_share(one, other):
    a, b = (np.asarray(Image.open(path)) for path in (one, other))
    assert a.shape == b.shape
    return (np.abs(a.astype(int) - b) <= 3).mean()
