"""Files that are none: pipes, devices, sockets, links that loop or lead nowhere."""

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.converted import assert_converts_to
from typer.testing import CliRunner

from maskwright.cli.main import app
from maskwright.core.errors import MaskwrightError

CLASSES = ("class_0", "class_1", "class_2")


def _write_data(root, num=4):
    """Images and masks of three classes; returns the mask of each by its key."""
    masks = {}
    for index in range(num):
        mask = np.zeros((40, 60), np.uint8)
        mask[5:15, 5:30], mask[20:30, 5 + index : 30] = 1, 2
        for folder, name, pixels in (
            ("images", f"{index}.jpg", np.full((40, 60, 3), 9 * index, np.uint8)),
            ("masks", f"{index}.png", mask),
        ):
            (root / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(root / folder / name)
        masks[str(index)] = mask
    return masks


def _run(*args):
    """Exit status, and the message of the refusal or the text that was printed."""
    result = CliRunner().invoke(app, [str(argument) for argument in args])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        assert isinstance(result.exception, MaskwrightError), repr(result.exception)
        return 1, str(result.exception)
    return result.exit_code, result.output


def test_a_link_to_a_folder_that_it_lies_in_is_passed_over(tmp_path):
    masks = _write_data(tmp_path / "d")
    (tmp_path / "d/images/again").symlink_to("..")
    (tmp_path / "d/latest").symlink_to(".")
    assert_converts_to(tmp_path / "d", masks, CLASSES)


def test_links_to_images_elsewhere_are_read(tmp_path):
    masks = _write_data(tmp_path / "store")
    data = tmp_path / "d"
    (data / "masks").mkdir(parents=True)
    (data / "images").symlink_to(tmp_path / "store/images")
    for key in masks:
        (data / f"masks/{key}.png").symlink_to(tmp_path / f"store/masks/{key}.png")
    assert_converts_to(data, masks, CLASSES)


@pytest.mark.parametrize(
    "name", ["images/0.jpg", "masks/0.png", "dataset.yaml", "classes.txt", "splits.json"]
)
def test_no_verb_waits_for_a_pipe_or_a_device(tmp_path, name):
    for kind in ("named pipe", "device", "socket"):
        data = tmp_path / kind.replace(" ", "_")
        _write_data(data)
        path = data / name
        path.unlink(missing_ok=True)
        if kind == "named pipe":
            os.mkfifo(path)
        elif kind == "device":
            path.symlink_to("/dev/zero")
        else:
            here = os.open(data, os.O_RDONLY)
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(f"/proc/self/fd/{here}/{name}")
            os.close(here)
        status, said = _run("check", data)
        assert Path(name).name in said, said
        assert status != 0
        reasons = (f"it is a {kind}, expected a regular file", "a link that leads out of")
        assert any(reason in said for reason in reasons), said


@pytest.mark.parametrize("name", ["classes.txt", "splits.json", "dataset.yaml"])
def test_small_files_beside_the_data_that_cannot_be_read_are_named(tmp_path, name):
    _write_data(tmp_path)
    for target, reason in (
        (name, "it is a link that leads to itself"),
        ("nowhere", "no such file"),
    ):
        (tmp_path / name).unlink(missing_ok=True)
        (tmp_path / name).symlink_to(target)
        status, said = _run("check", tmp_path)
        assert status != 0
        assert f"{name}: cannot be read: {reason}" in said
    (tmp_path / name).unlink()
    (tmp_path / name).write_bytes(b"\xff\xfe0 a")
    status, said = _run("check", tmp_path)
    assert status != 0
    assert f"{name}: " in said


_AS_NOBODY = """
import os
from pathlib import Path
from typer.testing import CliRunner
from maskwright.cli.main import app

def check():
    result = CliRunner().invoke(app, ["check", "d"])
    return result, result.output + str(result.exception)

check()  # imports what it needs while this user may read it
if os.getuid() == 0:
    os.seteuid(65534)
for name in ("masks/0.png", "images/1.jpg", "classes.txt", "splits.json"):
    Path("d/dataset.yaml").unlink(missing_ok=True)
    path = Path("d") / name
    mode = path.stat().st_mode
    path.chmod(0)
    result, said = check()
    path.chmod(mode)
    print(name, result.exit_code, type(result.exception).__name__, "permission denied" in said)
"""


@pytest.fixture
def open_folder():
    """A folder that every user may list, as are those above it; `tmp_path` is not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


def test_files_that_this_user_may_not_read_are_named_in_one_line(open_folder):
    data = open_folder / "d"
    _write_data(data)
    assert _run("split", data)[0] == 0
    (data / "dataset.yaml").unlink()
    (data / "classes.txt").write_text("0 a\n1 b\n2 c\n")
    if os.getuid() == 0:
        for path in (data, *data.rglob("*")):
            os.chown(path, 65534, 65534)
    command = [sys.executable, "-c", _AS_NOBODY]
    done = subprocess.run(command, cwd=open_folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert len(lines) == 4
    for name, status, error, is_named in lines:
        assert status in ("1", "3"), name
        assert error in ("DataError", "ConfigError", "SystemExit"), name
        assert is_named == "True", name
