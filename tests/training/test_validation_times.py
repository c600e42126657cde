"""The time of a validation image is that of the mean area, reading and counting included."""

import cv2
import numpy as np
import pytest

from maskwright.data.dataset import open_dataset
from maskwright.training import validate
from maskwright.training.machine import Machine
from maskwright.training.recipe import Recipe, override

CPU = Machine("cpu", "CPU", 2, 8 << 30)
SMALL = override(
    Recipe(),
    {"model.arch": "fpn", "model.encoder": "mobilenet_v2", "model.encoder_weights": "none"},
)


def write_dataset(folder, sizes):
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for index, (height, width) in enumerate(sizes):
        image_HWC = np.full((height, width, 3), index, np.uint8)
        cv2.imwrite(str(folder / "images" / f"{index:02}.png"), image_HWC)
        cv2.imwrite(str(folder / "masks" / f"{index:02}.png"), image_HWC[..., 0] % 2)
    return open_dataset(folder)


def measure(monkeypatch, data, seconds, **limit):
    """The measured time where an image takes `seconds(area_px)`."""
    now_s = [0.0]

    def count(predictor, dataset, index):
        height, width = dataset.size_HW(index)
        now_s[0] += seconds(height * width)

    monkeypatch.setattr(validate, "_count_image", count)
    monkeypatch.setattr(validate.time, "perf_counter", lambda: now_s[0])
    return validate.measure_image_seconds(SMALL, data, CPU, **limit)


def test_seconds_are_those_of_the_mean_area_and_not_of_the_median(tmp_path, monkeypatch):
    data = write_dataset(tmp_path, [(10, 20)] * 6 + [(60, 80)] * 2)
    assert measure(monkeypatch, data, lambda area_px: area_px / 100) == pytest.approx(13.5)


def test_the_first_image_does_not_count_and_the_second_is_always_measured(
    tmp_path, monkeypatch
):
    data = write_dataset(tmp_path, [(10, 20)] * 8)
    seconds = iter([90.0, 7.0, 5.0])
    measured_s = measure(monkeypatch, data, lambda area_px: next(seconds), limit_s=1.0)
    assert measured_s == pytest.approx(7.0)


def test_an_image_is_read_predicted_and_counted(tmp_path):
    data = write_dataset(tmp_path, [(32, 32)] * 2)
    assert 0 < validate.measure_image_seconds(SMALL, data, CPU) < 60
