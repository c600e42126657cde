import subprocess
import sys

import numpy as np
import pytest
from tests.studio_pages import make_page

from maskwright.data.dataset import open_dataset
from maskwright.studio.accepted import restore_accepted
from maskwright.studio.project import open_project
from maskwright.studio.verify import verify


def _run(*words):
    command = [sys.executable, "-m", "maskwright", "studio", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def accepted(photos):
    """A folder with one accepted image and one that is only painted."""
    with open_project(photos, classes=["road", "car", "tree"]) as project:
        restore_accepted(project)
        page = make_page(project)
        for number in (1, 2):
            page.lease(number)
            page.draw(0, number, value=2, kind="stroke", radius=400, points=[800, 800])
        page.draw(1, value=0, mode="keep", kind="all")
        page.step("submit", 2)
        page.step("accept", 2)
    return photos


def test_accepted_images_are_exported_in_another_format(accepted, tmp_path):
    done = _run(accepted, "--export", "coco", "-o", tmp_path / "coco")
    assert done.returncode == 0, done.stderr
    dataset, own = open_dataset(tmp_path / "coco"), open_dataset(accepted / "studio")
    assert len(dataset) == len(own) == 1
    assert set(dataset.spec.names) >= {"road", "tree"}
    assert (own.labels(0) == 2).sum() > 7000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--export", "coco"], "--export FORMAT and -o FOLDER are given together"),
        (["--host", "0.0.0.0"], "--host 0.0.0.0 opens the studio to other machines"),
        (["--classes", "a,b"], "has the classes road,car,tree since it was first opened"),
    ],
)
def test_wrong_options_are_refused_in_one_line(accepted, options, message):
    done = _run(accepted, *options, "--no-browser")
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_running_studio_is_backed_up_and_the_copy_is_whole(accepted, photos, tmp_path):
    file = tmp_path / "kept/store.sqlite"
    with open_project(accepted) as project:
        page = make_page(project)
        page.lease(1)
        page.draw(1, 1, value=0, mode="keep", kind="all")
        done = _run(accepted, "--backup", file)
        kept_HW = page.read_map(1)
    assert done.returncode == 0, done.stderr
    assert "there already" in _run(accepted, "--backup", file).stderr
    file.replace(accepted / "studio/studio.sqlite")
    with open_project(accepted) as project:
        assert verify(project).faults == ()
        assert np.array_equal(make_page(project).read_map(1), kept_HW)


def test_a_running_studio_is_exported_verified_and_gets_users(accepted, tmp_path):
    with open_project(accepted) as project:
        done = _run(accepted, "--export", "coco", "-o", tmp_path / "coco")
        assert done.returncode == 0, done.stderr
        one, own = open_dataset(tmp_path / "coco"), open_dataset(accepted / "studio")
        assert one.keys == own.keys
        assert (one.labels(0) == own.labels(0)).all()
        assert "the log is whole" in _run(accepted, "--verify").stdout
        assert _run(accepted, "--add-user", "ann:annotator").returncode == 0
        page = make_page(project)
        assert "log in first" in page.ask("GET", "/api/items").json()["error"]
        refused = _run(accepted, "--import", tmp_path / "coco")
        assert "is writing here; wait until it has ended" in refused.stderr


def test_a_user_is_added_and_a_folder_without_a_studio_has_no_backup(photos, tmp_path):
    added = _run(photos, "--classes", "a", "--add-user", "ann:annotator")
    assert "ann (annotator) logs in with the password" in added.stdout
    empty = _run(tmp_path, "--backup", tmp_path / "b")
    assert "has no studio; start one with" in empty.stderr


def test_nothing_accepted_nothing_exported(photos, tmp_path):
    done = _run(photos, "--classes", "a", "--export", "coco", "-o", tmp_path / "out")
    assert done.returncode == 1
    assert "no image is accepted yet; submit and accept some" in done.stderr
    assert not (tmp_path / "out").exists()
    assert _run(photos, "--verify").returncode == 0
