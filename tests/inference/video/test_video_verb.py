"""`maskwright video`, from the command line to the folder of results."""

import json

import pytest
from typer.testing import CliRunner

from maskwright.cli.main import app


@pytest.fixture(scope="module")
def bundle(painted_bundle, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "bundle"
    painted_bundle(path)
    return path


def run(*words):
    return CliRunner().invoke(app, ["video", *map(str, words)])


def test_a_video_is_labelled(tmp_path, bundle, write_video, moving_square):
    video = write_video(tmp_path / "a.mkv", moving_square(3))
    out = tmp_path / "out"
    done = run(bundle, video, "-o", out, "--write", "classes,coverage", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["frames"] == 3
    assert len(list((out / "classes").glob("*.png"))) == 3


def test_a_truncated_video_ends_with_status_1(tmp_path, bundle, write_video, moving_square):
    whole = write_video(tmp_path / "a.mkv", moving_square(16)).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) * 2 // 3])
    done = run(bundle, tmp_path / "cut.mkv", "-o", tmp_path / "out", "--write", "coverage")
    assert done.exit_code == 1
    assert "the file is truncated" in done.output
    assert (tmp_path / "out" / "coverage.csv").exists()
