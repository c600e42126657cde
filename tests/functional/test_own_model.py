"""A network of the user's own, from the command line to a Bundle that holds no code."""

import hashlib
import json
import re
import shlex
import shutil

import pytest

pytestmark = pytest.mark.slow

SETTINGS = "--set schedule.epochs=1 --set data.crop_px='[64, 64]' --set optim.ema_decay=0"
MYNET = """
from pathlib import Path

from torch import nn

Path(__file__).with_suffix(".ran").touch()


def build(in_channels, num_classes):
    return nn.Sequential(
        nn.Conv2d(in_channels, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, num_classes, 1)
    )
"""


@pytest.fixture(scope="module")
def home(run_maskwright, tmp_path_factory):
    """Folder with `code/mynet.py`, `made` (data), and `run`, trained from that file."""
    from maskwright.data.synth.streets import write_street_scenes

    home = tmp_path_factory.mktemp("own")
    write_street_scenes(home / "made", num_images=8, size_HW=(64, 96), seed=0)
    (home / "code").mkdir()
    (home / "code/mynet.py").write_text(MYNET)
    command = f"train made -o run --set model.arch=code/mynet.py:build {SETTINGS}"
    done = run_maskwright(*shlex.split(command), cwd=home)
    assert done.returncode == 0, done.stdout + done.stderr
    (home / "code").rename(home / "moved")
    return home


def test_the_run_keeps_the_file_and_the_bundle_its_hash_and_no_code(home):
    assert (home / "run/mynet.py").read_text() == MYNET
    card = json.loads((home / "run/bundle/bundle.json").read_text())["card"]
    code = card["provenance"]["code"]
    assert (code["file"], code["function"], len(code["sha256"])) == ("mynet.py", "build", 64)
    assert card["arch"]["name"] == f"mynet.py:build#{code['sha256'][:12]}"
    assert not list((home / "run/bundle").rglob("*.py"))
    assert (home / "run/bundle/model.onnx").is_file()


def test_the_run_is_evaluated_without_running_the_code(run_maskwright, home):
    (home / "run/mynet.ran").unlink(missing_ok=True)
    done = run_maskwright("evaluate", "run", "made", "--split", "test", "-o", "rep", cwd=home)
    assert done.returncode == 0, done.stderr
    assert not (home / "run/mynet.ran").exists()


def test_resuming_runs_the_copy_and_refuses_one_that_changed(run_maskwright, home):
    (home / "run/mynet.ran").unlink(missing_ok=True)
    done = run_maskwright("train", "made", "-o", "run", "--resume", cwd=home)
    assert done.returncode == 0, done.stderr
    assert (home / "run/mynet.ran").exists()
    (home / "run/mynet.py").write_text(MYNET + "\n")
    done = run_maskwright("train", "made", "-o", "run", "--resume", cwd=home)
    assert done.returncode == 1
    assert "mynet.py has changed" in done.stderr
    (home / "run/mynet.py").write_text(MYNET)


def test_a_run_from_elsewhere_runs_its_code_only_with_trust(run_maskwright, home, tmp_path):
    evil = MYNET + "# from elsewhere\n"
    shutil.copytree(home / "run", tmp_path / "run", symlinks=True)
    (tmp_path / "run/mynet.py").write_text(evil)
    (tmp_path / "run/mynet.ran").unlink(missing_ok=True)
    sha256 = hashlib.sha256(evil.encode()).hexdigest()
    for name in ("recipe.yaml", "run.json", "checkpoints/*/card.json"):
        for path in (tmp_path / "run").glob(name):
            path.write_text(re.sub("#[0-9a-f]{12}", f"#{sha256[:12]}", path.read_text()))
    command = ("train", home / "made", "-o", tmp_path / "run", "--resume")
    done = run_maskwright(*command)
    assert done.returncode == 1
    assert f"read it, then trust it with --trust {sha256}" in done.stderr
    assert not (tmp_path / "run/mynet.ran").exists()
    assert run_maskwright(*command, "--trust", "0" * 64).returncode == 1
    done = run_maskwright(*command, "--trust", sha256)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run/mynet.ran").exists()


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("./nowhere.py:build", "no file"),
        ("moved/mynet.py:make", "has no function make; it has build"),
    ],
)
def test_a_file_or_function_that_is_not_there_is_refused(
    run_maskwright, home, reference, message
):
    command = ("train", "made", "-o", "none", "--set", f"model.arch={reference}")
    done = run_maskwright(*command, cwd=home)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (home / "none").exists()


def test_plan_names_the_file_so_that_train_finds_it_from_any_folder(run_maskwright, home):
    command = "plan made -o deep/recipe.yaml --set model.arch=moved/mynet.py:build"
    (home / "deep").mkdir()
    done = run_maskwright(*shlex.split(command), cwd=home)
    assert done.returncode == 0, done.stderr
    text = (home / "deep/recipe.yaml").read_text()
    assert f"arch: {(home / 'moved/mynet.py').resolve()}:build#" in text
    assert "encoder: own" in text
