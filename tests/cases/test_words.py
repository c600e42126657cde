"""Words of messages: both files of a mismatch, the cause first, the archive, not its copy."""

import re
import shutil

import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import ConfigError, DataError
from maskwright.core.progress import silent
from maskwright.data.check.audit import audit
from maskwright.data.dataset import open_dataset, open_unpacked
from maskwright.training.data import TrainingData
from maskwright.training.options import TrainOptions
from maskwright.training.run import plan, train


@pytest.fixture
def data(tmp_path):
    """Four photographs, the first one turned by EXIF, and masks of the stored size."""
    root = tmp_path / "data"
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    mask = np.zeros((20, 30), np.uint8)
    mask[5:15, 5:15] = 1
    for index in range(4):
        exif = Image.Exif()
        exif[0x0112] = 6 if index == 0 else 1
        Image.new("RGB", (30, 20), (index, 0, 0)).save(root / f"images/{index}.jpg", exif=exif)
        Image.fromarray(mask).save(root / f"masks/{index}.png")
    return root


def test_a_size_mismatch_names_both_files_and_the_turn_by_exif(data):
    dataset = open_dataset(data)
    with pytest.raises(DataError) as refusal:
        dataset[dataset.keys.index("0")]
    assert str(refusal.value) == (
        f"{data / 'masks/0.png'}: mask is 20 x 30, its image {data / 'images/0.jpg'} is 30 x "
        f"20 (H x W), which EXIF turns by a quarter: the mask fits the image as it is stored; "
        f"save the mask at the size of the image as a viewer shows it (EXIF applied)"
    )


def test_what_empties_the_table_of_classes_stands_before_it(data):
    (data / "classes.txt").write_text("0 back\n1 thing\n")
    open_dataset(data)
    for index in range(4):
        (data / f"masks/{index}.png").write_bytes(b"")
    text = audit(data).to_text()
    assert text.index("masks that cannot be read") < text.index("class ")
    assert text.count("masks that cannot be read") == 1


def test_a_precise_fix_is_not_contradicted_by_a_general_one(data):
    (data / "masks/1.png").write_bytes(b"")
    text = audit(data).to_text()
    assert "the file is empty (0 bytes); copy it again or remove it" in text
    assert "fix: do what the line of each file says" in text
    assert "copy them again" not in text


def test_messages_on_an_archive_name_the_archive_alone(data, tmp_path):
    (data / "masks/1.png").unlink()
    archive = shutil.make_archive(str(tmp_path / "set"), "zip", data)
    named = rf"{archive}/images/1\.jpg has no mask"
    with pytest.raises(DataError, match=named), open_unpacked(archive):
        pass
    for found in (audit(archive), audit(data)):
        shown = found.to_text()
        assert "maskwright." not in shown
    shutil.copy(data / "masks/0.png", data / "masks/1.png")
    Image.fromarray(np.full((20, 30), 77, np.uint8)).save(data / "masks/2.png")
    Image.fromarray(np.full((20, 30), 255, np.uint8)).save(data / "masks/3.png")
    archive = shutil.make_archive(str(tmp_path / "set"), "zip", data)
    text = audit(archive).to_text()
    assert "maskwright." not in text
    assert str(archive) in text


def test_one_image_is_not_called_one_images(data, tmp_path):
    (data / "splits.json").unlink(missing_ok=True)
    for index in range(1, 4):
        (data / f"masks/{index}.png").unlink()
        (data / f"images/{index}.jpg").unlink()
    with pytest.raises(DataError, match=r"1 image and no split for data\.val_split"):
        TrainingData.read(data, {}, silent)


def test_a_budget_that_is_too_short_says_what_is_needed_and_leaves_no_folder(data, tmp_path):
    for folder in ("images", "masks"):
        for path in (data / folder).iterdir():
            Image.open(path).resize((128, 96), Image.Resampling.NEAREST).save(path)
    settings = {
        "model.encoder_weights": "none",
        "model.config": {"pyramid_channels": 8, "decoder_channels": 32},
        "data.crop_px": [64, 64],
        "data.batch_size": 2,
        "optim.precision": "fp32",
    }
    options = TrainOptions(settings=settings, budget_s=10)
    for start in (
        lambda: train(data, tmp_path / "run", options),
        lambda: plan(data, settings=settings, budget_s=10),
    ):
        with pytest.raises(ConfigError) as refusal:
            start()
        found = re.fullmatch(
            r"--budget 10s is too short: at least (\d+) s are needed, (\d+) s to read the data "
            r"and to finish, (\d+) s for 10 steps and a validation, and a tenth to measure; "
            r"give --budget (\d+)s or more(?:\. Other programs .*)?",
            str(refusal.value),
        )
        assert found
        needed, reserved, shortest, given = map(int, found.groups())
        assert reserved >= 10
        assert needed == given
        assert 0 <= needed - (reserved + shortest) / 0.9 <= 0.1 * needed + 8
    assert not (tmp_path / "run").exists()
