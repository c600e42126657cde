"""No path of a dataset.yaml leads out of its folder, unless `--allow-outside` says so."""

import shutil

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from maskwright.cli.main import app
from maskwright.core.errors import ConfigError
from maskwright.core.progress import silent
from maskwright.data.dataset import open_dataset
from maskwright.training.data import TrainingData

CLASSES = "classes: [{name: a}, {name: b}]\n"
SECRET = "secret-word"


@pytest.fixture
def data(tmp_path):
    """A dataset in `d`, and beside it the same images and a file that is not to be shown."""
    for folder in ("images", "masks"):
        (tmp_path / "d" / folder).mkdir(parents=True)
    for index in range(3):
        Image.fromarray(np.full((8, 8, 3), index, np.uint8)).save(
            tmp_path / f"d/images/{index}.png"
        )
        Image.fromarray(np.eye(8, dtype=np.uint8)).save(tmp_path / f"d/masks/{index}.png")
    shutil.copytree(tmp_path / "d", tmp_path / "out")
    (tmp_path / "out/secret.yaml").write_text(f"{SECRET}: [1\n")
    (tmp_path / "out/names.txt").write_text(f"0 {SECRET}\n1 b\n")
    return tmp_path / "d"


def _run(*args):
    result = CliRunner().invoke(app, [str(argument) for argument in args])
    return result.exit_code, result.output + str(result.exception or "")


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("mapping: /etc/passwd", "mapping"),
        ("mapping: ../out/secret.yaml", "mapping"),
        ("mapping: x/../../out/secret.yaml", "mapping"),
        ("images: ../out/images", "images"),
        ("masks: ../out/masks", "masks"),
        ("annotators: [masks, ../out/masks]", "annotators"),
        ("root: ../out", "root"),
        ("root: /", "root"),
        ("images: C:/photos", "images"),
        ("masks: link", "masks"),
    ],
)
def test_a_path_that_leads_out_is_refused_and_the_option_is_named(data, line, key):
    (data / "link").symlink_to("../out/masks")
    (data / "dataset.yaml").write_text(f"{CLASSES}{line}\n")
    with pytest.raises(ConfigError, match=f"{key!r} is .*allow it with --allow-outside"):
        open_dataset(data)


def test_every_verb_that_opens_a_dataset_refuses_it(data):
    (data / "dataset.yaml").write_text(f"{CLASSES}mapping: ../out/secret.yaml\n")
    home = data.parent
    for verb in (
        ("check", data),
        ("split", data),
        ("convert", data, home / "o", "--to", "coco"),
        ("diff", data, data, "-o", home / "diff"),
    ):
        status, said = _run(*verb)
        assert status != 0, verb
        assert "allow it with --allow-outside" in said, (verb, said)
        assert SECRET not in said
    with pytest.raises(ConfigError, match="--allow-outside"):
        TrainingData.read(data, {}, silent)


def test_the_option_allows_it(data):
    (data / "dataset.yaml").write_text(f"{CLASSES}images: ../out/images\n")
    assert len(open_dataset(data, allow_outside=True)) == 3
    status, said = _run("check", data, "--allow-outside")
    assert status == 0, said


@pytest.mark.parametrize("name", ["classes.txt", "splits.json", "dataset.yaml"])
def test_a_list_that_is_a_link_out_of_the_folder_is_not_read(data, name):
    (data / name).symlink_to("../out/names.txt")
    status, said = _run("check", data)
    assert status != 0
    assert f"{name}: a link that leads out of" in said
    assert SECRET not in said


def test_a_link_inside_the_folder_and_images_that_are_links_are_read(data):
    (data / "lists").mkdir()
    (data / "lists/names.txt").write_text("0 sky\n1 road\n")
    (data / "classes.txt").symlink_to("lists/names.txt")
    shutil.rmtree(data / "images")
    (data / "images").symlink_to("../out/images")
    assert open_dataset(data).spec.names == ("sky", "road")


def test_a_file_that_is_named_is_shown_in_a_short_excerpt_alone(data):
    (data / "list.yaml").write_text("\n".join(f"user{i}: {SECRET}" for i in range(500)))
    (data / "dataset.yaml").write_text(f"{CLASSES}mapping: list.yaml\n")
    with pytest.raises(ConfigError, match=r"list\.yaml") as raised:
        open_dataset(data)
    assert len(str(raised.value)) < 400
