"""`maskwright video`, from the command line to the folder of results."""

import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from maskwright.cli.main import app
from maskwright.core.errors import ConfigError


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


def test_events_are_written_and_end_with_status_3(tmp_path, bundle, write_video, moving_square):
    video = write_video(tmp_path / "a.mkv", moving_square(12, size_HW=(48, 40)))
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "zones: {right: {share: [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]}}\n"
        "rules: [{name: inside, fail: road > 1 %, roi: right, for: 0.2s}]\n"
    )
    words = (bundle, video, "--write", "coverage", "--rules", rules, "--json")
    done = run(*words, "-o", tmp_path / "out")
    assert done.exit_code == 3, done.output
    assert json.loads(done.stdout)["events"] == 1
    lines = (tmp_path / "out" / "events.ndjson").read_text().splitlines()
    # the square reaches column 20 in frame 7: x of 14 to 21
    assert [(json.loads(k)["state"], json.loads(k)["start_s"]) for k in lines] == [
        ("began", 0.7),
        ("open", 0.7),
    ]
    assert (tmp_path / "out" / "events" / "0001.jpg").exists()
    rules.write_text("rules: [{fail: road > 50 %}]")
    assert run(*words, "-o", tmp_path / "kept").exit_code == 0


def test_a_webhook_is_only_an_address_of_the_web(tmp_path, bundle):
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules: [{fail: road > 50 %}]")
    words = (bundle, tmp_path, "-o", tmp_path / "out", "--webhook", "ftp://a.b/c")
    with pytest.raises(ConfigError, match="--webhook: only with --rules or --baseline"):
        CliRunner().invoke(app, ["video", *map(str, words)], catch_exceptions=False)
    with pytest.raises(ConfigError, match="begins with https:// or http://"):
        CliRunner().invoke(
            app, ["video", *map(str, words), "--rules", str(rules)], catch_exceptions=False
        )


def test_a_baseline_is_learned_and_what_was_left_is_an_event(
    tmp_path, bundle, write_video, moving_square
):
    normal = np.full((40, 40, 50, 3), 2, np.uint8)
    normal[:, :20] = 1
    left = normal.copy()
    left[10:, 8:16, 20:30] = 3
    for name, frames in (("normal", normal), ("left", left)):
        write_video(tmp_path / f"{name}.mkv", frames, fps=1)
    baseline = tmp_path / "camera.npz"
    done = CliRunner().invoke(
        app, ["baseline", str(bundle), str(tmp_path / "normal.mkv"), "-o", str(baseline)]
    )
    assert done.exit_code == 0, done.output
    assert "night: 40 frames, 39 s" in done.output
    words = (bundle, tmp_path / "left.mkv", "--write", "coverage", "-o", tmp_path / "out")
    done = run(*words, "--baseline", baseline, "--stay", "5s", "--json")
    assert done.exit_code == 3, done.output
    with (tmp_path / "out" / "events.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["name"] == "car, usually road"
    assert [row[k] for k in ("left", "top", "width", "height")] == ["20", "8", "10", "8"]
    assert (row["start_s"], row["raised_s"], row["end_s"]) == ("10.0", "15.0", "")
    again = CliRunner().invoke(
        app, ["baseline", str(bundle), str(tmp_path / "normal.mkv"), "-o", str(baseline)]
    )
    assert "exists already; add --overwrite" in str(again.exception)
