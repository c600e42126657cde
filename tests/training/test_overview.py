import json
import math

import numpy as np
import pytest
from typer.testing import CliRunner

from maskwright.cli.main import app
from maskwright.core.confusion import Confusion
from maskwright.core.errors import DataError
from maskwright.core.labels import LabelSpec
from maskwright.core.report import Estimate, Provenance, Report
from maskwright.training.overview import find_differing_keys, summarize_runs
from maskwright.training.recipe import Recipe, override, to_yaml

NAMES = ("road", "car", "unicorn")


def write_run(folder, settings, scores=(), miou=None):
    """The files of a run; with `miou` it has ended."""
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(to_yaml(override(Recipe(), settings), {}))
    rows = [
        f"{n + 1},{10 * n + 10},0.5,0.001,{s},{60 * n + 60:.1f}" for n, s in enumerate(scores)
    ]
    (folder / "log.csv").write_text(
        "\n".join(["epoch,step,loss,lr,val_miou,seconds", *rows]) + "\n"
    )
    if miou is None:
        return
    report = Report(
        labels=LabelSpec.from_names(NAMES),
        confusion=Confusion(np.diag([3, 2, 0])),
        provenance=Provenance(),
        scores={"miou": Estimate(miou, miou - 0.1, miou + 0.1)},
        classes=({"iou": Estimate(0.9)}, {"iou": Estimate(0.3)}, {"iou": Estimate(math.nan)}),
    )
    (folder / "report").mkdir()
    (folder / "report/report.json").write_text(json.dumps(report.to_json()))


@pytest.fixture
def home(tmp_path):
    write_run(tmp_path / "runs/a", {"optim.lr": 0.001}, ("0.2", "", "0.4"), 0.42)
    write_run(tmp_path / "runs/b", {"optim.lr": 0.002}, ("0.3", "0.6"), 0.61)
    write_run(tmp_path / "runs/deep/c", {"optim.lr": 0.001, "model.arch": "fpn"}, ("0.7", ""))
    return tmp_path / "runs"


def test_runs_are_found_and_the_best_finished_one_comes_first(home):
    runs = summarize_runs([home])
    assert [run.path.name for run in runs] == ["b", "a", "c"]
    assert [run.state for run in runs] == ["finished", "finished", "not finished"]
    a = runs[1]
    assert (a.epochs, a.steps, a.seconds, a.best_miou) == (3, 30, 180.0, 0.4)
    assert summarize_runs([home / "a", home])[1].path == home / "a"


def test_only_what_differs_between_recipes_is_listed(home):
    runs = summarize_runs([home])
    assert find_differing_keys(runs) == ["model.arch", "optim.lr"]
    assert find_differing_keys(runs[:1]) == []


def test_a_run_that_cannot_be_read_says_why_and_hides_no_other(home):
    (home / "a/recipe.yaml").write_text("optim: {lrx: 1}\n")
    (home / "b/report/report.json").write_text("{")
    runs = {run.path.name: run for run in summarize_runs([home])}
    assert "lrx: no such key" in runs["a"].state
    assert "report.json" in runs["b"].state
    assert runs["c"].state == "not finished"


def test_folders_without_a_run_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"nowhere: no such folder; give a folder that"):
        summarize_runs([tmp_path / "nowhere"])
    (tmp_path / "recipe.yaml").write_text(to_yaml(Recipe(), {}))  # of `plan`
    with pytest.raises(DataError, match="holds no run"):
        summarize_runs([tmp_path])


def test_a_run_beside_the_recipe_of_its_plan_is_found(home):
    (home / "recipe.yaml").write_text(to_yaml(Recipe(), {}))
    assert len(summarize_runs([home])) == 3


def test_the_verb_prints_a_table_and_the_differences(home):
    done = CliRunner().invoke(app, ["runs", str(home)], terminal_width=200)
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert " ".join(lines[1].split()[1:]) == "61.0 % 51.0 to 71.0 car 30.0 % 2 20 2.0"
    assert lines[3].endswith("not finished")
    assert f"  {home / 'b'}: model.arch=unet, optim.lr=0.002" in lines
    document = json.loads(CliRunner().invoke(app, ["runs", str(home), "--json"]).stdout)
    assert document["runs"][0]["iou"] == {"road": 0.9, "car": 0.3, "unicorn": None}
    assert document["runs"][2]["recipe"] == {"model.arch": "fpn", "optim.lr": 0.001}
