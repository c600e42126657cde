"""Pixels without data are IGNORE for every stage, whatever marks them in the file."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image

from maskwright.core.decision import Decision
from maskwright.core.inputspec import InputSpec
from maskwright.core.labels import IGNORE
from maskwright.core.logits import Logits
from maskwright.data.check.audit import audit
from maskwright.data.dataset import open_dataset

EMPTY_HW = np.zeros((40, 60), np.bool_)
EMPTY_HW[:10, :20] = True


def write_floats(path):
    pixels = np.random.default_rng(0).random((40, 60), np.float32)
    tifffile.imwrite(path.with_suffix(".tif"), np.where(EMPTY_HW, np.float32(np.nan), pixels))


def write_nodata(path):
    pixels = np.random.default_rng(0).integers(1, 999, (40, 60)).astype(np.uint16)
    pixels[EMPTY_HW] = 0
    tifffile.imwrite(path.with_suffix(".tif"), pixels, extratags=[(42113, 2, 1, "0", True)])


def write_alpha(path):
    pixels = np.random.default_rng(0).integers(0, 99, (40, 60, 3)).astype(np.uint8)
    alpha_HW = np.where(EMPTY_HW, 0, 255).astype(np.uint8)
    Image.fromarray(np.dstack([pixels, alpha_HW])).save(path.with_suffix(".png"))


@pytest.fixture(params=[write_floats, write_nodata, write_alpha], ids=lambda f: f.__name__)
def folder(request, tmp_path):
    for split in ("train", "val"):
        for part in ("images", "masks"):
            (tmp_path / part / split).mkdir(parents=True)
        request.param(tmp_path / f"images/{split}/a{split}")
        mask_HW = np.zeros((40, 60), np.uint8)
        mask_HW[:, 30:] = 1
        Image.fromarray(mask_HW).save(tmp_path / f"masks/{split}/a{split}.png")
    (tmp_path / "dataset.yaml").write_text("classes: [{name: field}, {name: wood}]\n")
    return tmp_path


def test_labels_are_ignored_and_samples_say_where(folder):
    dataset = open_dataset(folder)
    sample = dataset[0]
    np.testing.assert_array_equal(sample.valid_HW, ~EMPTY_HW)
    np.testing.assert_array_equal(sample.labels_HW == IGNORE, EMPTY_HW)
    np.testing.assert_array_equal(dataset.labels(0), sample.labels_HW)
    np.testing.assert_array_equal(dataset.data(0).valid_HW, ~EMPTY_HW)


def test_check_counts_them_and_says_the_share(folder):
    found = audit(folder).to_json()
    assert found["ignored_pixels"] == 2 * EMPTY_HW.sum()
    assert [c["pixels"] for c in found["classes"]] == [2 * (1200 - 200), 2 * 1200]
    (finding,) = (f for f in found["findings"] if f["code"] == "no-data")
    assert "8.33 % of the pixels" in str(finding)


def make_spec(max_value, channels=1):
    return InputSpec(
        channels=channels,
        mean=(0.5,) * channels,
        std=(0.25,) * channels,
        max_value=max_value,
    )


def test_a_network_sees_its_neutral_value_there():
    image_HWC = np.full((2, 2, 1), 9, np.uint8)
    valid_HW = np.array([[True, False], [True, True]])
    prepared_HWC = make_spec(255).prepare(image_HWC, valid_HW, where="a")
    assert prepared_HWC[..., 0].tolist() == [[9, 128], [9, 9]]
    assert image_HWC.max() == 9


def test_a_decision_leaves_them_out():
    ones_HW = np.ones((2, 2), np.float32)
    decision = Decision(
        labels_HW=np.ones((2, 2), np.uint8),
        confidence_HW=ones_HW,
        best_HW=ones_HW,
        temperature=1.0,
        logits=Logits.of_image(np.stack([0 * ones_HW, ones_HW]), ones_HW.shape),
    )
    valid_HW = np.array([[False, True], [True, True]])
    left = replace(decision).leave_out(valid_HW)
    assert left.labels_HW.tolist() == [[255, 1], [1, 1]]
    assert left.confidence_HW.tolist() == [[0, 1], [1, 1]]
