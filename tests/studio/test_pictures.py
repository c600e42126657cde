"""What the page shows of images that are no photographs of 8 bits."""

import cv2
import numpy as np
import pytest
from PIL import Image

from maskwright.studio.errors import StudioError
from maskwright.studio.pictures import Pictures
from maskwright.studio.project import open_project


def _read_picture(folder):
    with open_project(folder) as project:
        (key,) = project.data.dataset.keys
        pictures = Pictures(project)
        content, kind = pictures.read_tile(key, 0, 0, 0)
        assert kind == "image/png"
        shown = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        assert (shown == pictures.read_picture(key)).all()
        return shown


@pytest.fixture
def write_dataset(tmp_path):
    def write(image_name, more=""):
        for kind in ("images", "masks"):
            (tmp_path / kind / "train").mkdir(parents=True)
        labels = np.arange(48 * 64, dtype=np.uint8).reshape(48, 64) % 2
        Image.fromarray(labels).save(tmp_path / "masks/train/a.png")
        text = f"format: mask_folder\nclasses:\n- {{name: field}}\n- {{name: wood}}\n{more}"
        (tmp_path / "dataset.yaml").write_text(text)
        return tmp_path, tmp_path / "images/train" / image_name

    return write


def test_an_image_of_16_bits_is_shown_between_its_percentiles(write_dataset):
    folder, path = write_dataset("a.png")
    values_HW = np.linspace(20_000, 21_000, 48 * 64).reshape(48, 64).astype(np.uint16)
    values_HW[0, 0] = 65_535  # one hot pixel makes nothing dark
    cv2.imwrite(str(path), values_HW)
    shown = _read_picture(folder)
    low, high = np.percentile(values_HW, (1, 99))
    expected = np.rint((values_HW.astype(np.float64) - low).clip(0) / (high - low) * 255)
    assert np.abs(shown[..., 0].astype(int) - expected.clip(0, 255)).max() <= 1
    assert shown[..., 0].min() == 0
    assert shown[..., 0].max() == 255


def test_of_named_bands_red_green_and_blue_are_shown(write_dataset):
    tifffile = pytest.importorskip("tifffile")
    names = "[B02, B03, B04, B08, NDVI]"
    folder, path = write_dataset("a.tif", f"bands: {names}\n")
    bands_HW5 = np.zeros((48, 64, 5), np.uint16)
    bands_HW5[:, 32:, 0] = 3000  # blue on the right
    bands_HW5[:24, :, 2] = 3000  # red above
    bands_HW5[..., 3] = 9000  # near infrared is not shown
    tifffile.imwrite(path, bands_HW5, planarconfig="contig", photometric="minisblack")
    shown = _read_picture(folder)
    corners = [shown[y, x].tolist() for y in (2, 40) for x in (2, 60)]
    assert corners == [[255, 0, 0], [255, 0, 255], [0, 0, 0], [0, 0, 255]]


def test_coarse_levels_of_a_jpeg_are_there_before_the_picture_is_decoded(write_dataset):
    folder, path = write_dataset("a.jpg")
    y_H, x_W = np.arange(1500)[:, None], np.arange(2101)
    picture_HW3 = np.stack([y_H // 8 + 0 * x_W, x_W // 10 + 0 * y_H, (y_H + x_W) // 20], axis=2)
    Image.fromarray(picture_HW3.astype(np.uint8)).save(path, quality=95)
    mask = np.zeros((1500, 2101), np.uint8)
    Image.fromarray(mask).save(folder / "masks/train/a.png")
    with open_project(folder) as project:
        pictures = Pictures(project)
        pictures.prepare = lambda key: None
        shown, _ = pictures.read_tile("a", 3, 0, 0)
        assert not pictures._kept
        with pytest.raises(StudioError, match="no level 4 of its picture"):
            pictures.read_tile("a", 4, 0, 0)
        pictures.read_picture("a")
        whole, _ = pictures.read_tile("a", 3, 0, 0)
    early_HW3, late_HW3 = (
        cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR).astype(int)
        for content in (shown, whole)
    )
    assert early_HW3.shape == late_HW3.shape == (188, 263, 3)
    assert np.abs(early_HW3 - late_HW3).mean() < 2


def test_the_size_of_a_picture_is_told_before_its_labels_are_read(page, project):
    told = page.ask("GET", "/api/items/1/picture").json()
    assert told == {"id": 1, "size_HW": [300, 520], "levels": 2}
    with project.store.read() as connection:
        assert project.find_item(connection, 1).size_HW is None
