"""Pictures of what changed: only of files that still are what was scored."""

import io
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from maskwright.evaluation.compare.compare import compare
from maskwright.evaluation.compare.pictures import BOTH_WRONG_RGB, GAINED_RGB, LOST_RGB
from maskwright.evaluation.extremes import IGNORED_RGB
from maskwright.evaluation.report.page import write_report
from maskwright.evaluation.score import score

NAMES = ("sky", "road", "car")


@pytest.fixture
def scored(tmp_path):
    """A folder with truth, predictions a and b of seven images, and their reports."""
    rng = np.random.default_rng(0)
    for i in range(7):
        truth = np.kron(rng.integers(0, 3, (4, 6)), np.ones((8, 8), int)).astype(np.uint8)
        a, b = truth.copy(), truth.copy()
        a[:8, : 8 * (i % 3)] = 0
        b[8:16, : 8 * i] = 1
        truth[-4:] = 255
        for name, labels in (("truth", truth), ("a", a), ("b", b)):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(labels).save(tmp_path / name / f"{i}.png")
    listed = "".join(f"{i} {name}\n" for i, name in enumerate(NAMES))
    (tmp_path / "truth/classes.txt").write_text(listed)
    for name in "ab":
        report = score(tmp_path / name, tmp_path / "truth")
        write_report(report, tmp_path / f"report_{name}")
    return tmp_path


def opened(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)


def test_the_images_that_changed_are_shown_with_both_predictions(scored):
    comparison = compare(scored / "report_a", scored / "report_b")
    assert comparison.notes == ()
    assert set(comparison.pictures) <= {image.key for image in comparison.images}
    assert len(comparison.pictures) >= 4
    panels = next(iter(comparison.pictures.values()))
    assert tuple(panels) == ("truth", "A", "B", "change")
    key = next(iter(comparison.pictures))
    truth, said = (
        np.asarray(Image.open(scored / name / f"{key}.png")) for name in ("truth", "b")
    )
    shown = np.asarray(Image.open(io.BytesIO(panels["truth"])))
    np.testing.assert_array_equal(shown, truth)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(panels["B"]))), said)


def test_lost_gained_and_wrong_in_both_have_their_colours():
    from maskwright.core import LabelSpec
    from maskwright.evaluation.compare.pictures import _draw_changes

    cells = np.array([[0, 0, 0, 0, 255]], np.uint8)
    a, b = np.array([[0, 0, 1, 1, 1]], np.uint8), np.array([[0, 1, 0, 1, 0]], np.uint8)
    maps = [m.repeat(24, 0).repeat(24, 1) for m in (cells, a, b)]
    shown = _draw_changes(*maps, LabelSpec.from_names(NAMES).palette)
    centres = shown[12, 12::24].tolist()
    assert centres[0] == [160] * 3  # right in both: pale black
    assert centres[2] == list(GAINED_RGB)
    assert centres[3] == list(BOTH_WRONG_RGB)
    assert centres[4] == list(IGNORED_RGB)
    lost = {tuple(pixel) for pixel in shown[8:16, 32:40].reshape(-1, 3).tolist()}
    assert len(lost) == 2  # striped
    assert LOST_RGB in lost


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            lambda home: shutil.rmtree(home / "b"),
            "No pictures: .*b does not exist; run `compare` in the folder",
        ),
        (
            lambda home: (home / "b/6.png").unlink(),
            "No pictures: .*truth: 1 of .* maps have no partner in .*b: 6; ",
        ),
        (
            lambda home: shutil.copy(home / "truth/0.png", home / "b/6.png"),
            "No pictures: '6' has changed since .*report_b was written",
        ),
        (
            lambda home: (home / "truth/classes.txt").write_text("0 a\n1 b\n2 c\n"),
            "No pictures: .*classes.txt lists other classes than .*report_a",
        ),
    ],
)
def test_files_that_are_no_longer_those_are_not_shown(scored, spoil, said):
    spoil(scored)
    comparison = compare(scored / "report_a", scored / "report_b")
    assert comparison.pictures == {}
    assert comparison.images
    assert re.search(said, comparison.notes[-1])
