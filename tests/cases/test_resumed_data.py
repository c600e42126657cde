"""A resumed run: labels that changed since it began are refused, older runs go on."""

import json

import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import DataError
from maskwright.core.progress import silent
from maskwright.data.dataset import open_dataset
from maskwright.training.data import TrainingData
from maskwright.training.origin import Origin
from maskwright.training.recipe import Recipe
from maskwright.training.start import make_job, require_same_data

YAML = "classes: [{name: back, raw: [0]}, {name: road, raw: [1]}, {name: car, raw: [2]}]\n"


def draw_mask(shift: int) -> Image.Image:
    mask = np.zeros((16, 16), np.uint8)
    mask[2:6, shift : shift + 4] = 1
    mask[9:13, 5:9] = 2
    return Image.fromarray(mask)


@pytest.fixture
def data(tmp_path):
    """Two training images and one for validation."""
    root = tmp_path / "data"
    for index, split in enumerate(("train", "train", "val")):
        for folder, picture in (
            ("images", Image.fromarray(np.full((16, 16, 3), index, np.uint8))),
            ("masks", draw_mask(2)),
        ):
            path = root / folder / split / f"{index}.bmp"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(path)
    (root / "dataset.yaml").write_text(YAML + "codec: {pixels: index, ignored: [255]}\n")
    return root


def resume(run, data):
    """Notes of a start, or of a resumed run, on the data as they are now."""
    run.mkdir(exist_ok=True)
    notes: list[str] = []
    job = make_job(run, Recipe(), TrainingData.read(data, {}, silent), Origin())
    require_same_data(job, notes.append, write=True)
    return notes


def swap_raw_values(data):
    text = (data / "dataset.yaml").read_text()
    swapped = text.replace("raw: [1]", "raw: [9]").replace("raw: [2]", "raw: [1]")
    (data / "dataset.yaml").write_text(swapped.replace("raw: [9]", "raw: [2]"))


def ignore_a_value(data):
    text = (data / "dataset.yaml").read_text()
    (data / "dataset.yaml").write_text(
        text.replace("raw: [2]", "raw: [3]").replace("ignored: [255]", "ignored: [2, 255]")
    )


def edit_a_mask(data):
    path = data / "masks/train/0.bmp"
    size = path.stat().st_size
    draw_mask(3).save(path)
    assert path.stat().st_size == size


def edit_a_validation_mask(data):
    draw_mask(4).save(data / "masks/val/2.bmp")


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (swap_raw_values, "2 training"),
        (ignore_a_value, "2 training"),
        (edit_a_mask, "2 training"),
        (edit_a_validation_mask, "1 validation"),
    ],
)
def test_labels_that_changed_are_refused(tmp_path, data, change, kind):
    assert resume(tmp_path / "run", data) == []
    assert resume(tmp_path / "run", data) == []
    change(data)
    with pytest.raises(
        DataError,
        match=rf"began with {kind} images .* a mask, a class or a raw value was changed",
    ):
        resume(tmp_path / "run", data)


def test_kinds_of_classes_may_change(tmp_path, data):
    resume(tmp_path / "run", data)
    text = (data / "dataset.yaml").read_text()
    (data / "dataset.yaml").write_text(text.replace("name: car,", "name: car, kind: thing,"))
    assert resume(tmp_path / "run", data) == []


def write_old_record(run, data):
    """run.json as version 0.1 wrote it."""
    run.mkdir()
    splits = {split: open_dataset(data).subset(split) for split in ("train", "val")}
    record = {
        split: {"fingerprint": min(images.old_fingerprints), "images": len(images)}
        for split, images in splits.items()
    }
    (run / "run.json").write_text(json.dumps(record))


def test_an_older_run_goes_on_with_a_note_and_is_strict_from_then_on(tmp_path, data):
    run = tmp_path / "run"
    write_old_record(run, data)
    edit_a_mask(data)
    (note,) = resume(run, data)
    assert note.startswith("the run began with an earlier version: that masks and raw values")
    assert resume(run, data) == []
    draw_mask(5).save(data / "masks/train/0.bmp")
    with pytest.raises(DataError, match="a mask, a class or a raw value was changed"):
        resume(run, data)


def test_an_older_run_on_other_files_is_refused_as_before(tmp_path, data):
    run = tmp_path / "run"
    write_old_record(run, data)
    (data / "images/train/0.bmp").unlink()
    (data / "masks/train/0.bmp").unlink()
    with pytest.raises(DataError, match=r"began with 2 training images .* now there are 1"):
        resume(run, data)
