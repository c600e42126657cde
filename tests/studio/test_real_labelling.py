"""Ten real images are labelled by pointer and keys, from new to accepted, and trained on."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.studio.driving import STATE, open_page, press, read_item
from tests.studio.hand import WINDOW_PX, correct

from maskwright.core.labels import IGNORE
from maskwright.data.dataset import open_dataset

SHARED = Path(__file__).parents[3] / "shared/data"
CRACKS = ("1_num_3191", "5_num_249786", "2_num_116527", "3_num_339854", "4_num_342190")
IMAGES = {
    "cwfid": ("010", "015", "021", "044", "054"),
    "magnetic_tile": tuple(f"crack_exp{name}" for name in CRACKS),
}
LEAST_IOU = {"cwfid": 0.9, "magnetic_tile": 0.8}
"""Of each class that is there: cracks are lines that are some pixels wide."""


def _copy_images(dataset, keys, folder):
    folder.mkdir()
    for key in keys:
        (image,) = dataset.root.glob(f"images/*/{key}.*")
        shutil.copyfile(image, folder / image.name)


def _take_steps(browser, number):
    for state in ("submitted", "accepted"):
        press(browser, "Enter", modifiers=2)
        browser.wait_for(
            f"{STATE} === 'state {state}' || document.body.dataset.ready != {number}"
        )
    assert read_item(browser, number)["state"] == "accepted"


def _run(*words):
    command = [sys.executable, "-m", "maskwright", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _score(truth, painted, num_classes):
    """IoU of each class over all images."""
    counts = np.zeros((2, num_classes))
    for key in painted.keys:
        one_HW = painted.labels(painted.keys.index(key))
        other_HW = truth.labels(truth.keys.index(key))
        assert not (one_HW == IGNORE).any()
        for value in range(num_classes):
            one, other = one_HW == value, other_HW == value
            counts[:, value] += (one & other).sum(), (one | other).sum()
    return counts[0] / np.where(counts[1] > 0, counts[1], np.nan)


@pytest.mark.real
@pytest.mark.parametrize("name", IMAGES)
def test_real_images_are_labelled_by_hand_accepted_checked_and_trained_on(
    browser, start_studio, tmp_path, name
):
    truth, folder = open_dataset(SHARED / name), tmp_path / name
    _copy_images(truth, IMAGES[name], folder)
    studio = start_studio(folder, "--classes", ",".join(truth.spec.names))
    open_page(browser, studio.link, width_px=WINDOW_PX[0], height_px=WINDOW_PX[1])
    for _ in IMAGES[name]:
        browser.wait_for("document.body.dataset.ready > 0")
        number = int(browser.value("document.body.dataset.ready"))
        truth_HW = truth.labels(truth.keys.index(read_item(browser, number)["key"]))
        correct(browser, truth_HW, np.full_like(truth_HW, IGNORE))
        _take_steps(browser, number)
    studio.kill()
    iou_C = _score(truth, open_dataset(folder / "studio"), len(truth.spec))

    assert np.nanmin(iou_C) > LEAST_IOU[name], iou_C
    _run("check", folder / "studio")
    _run("train", folder / "studio", "-o", tmp_path / "run", "--steps", 4, "--batch", 2)
    assert (tmp_path / "run/bundle/bundle.json").is_file()
