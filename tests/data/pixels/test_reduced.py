"""JPEG photographs at an eighth of their size."""

import cv2
import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import DataError
from maskwright.data.pixels.imageref import ImageRef
from maskwright.data.pixels.images import read_image
from maskwright.data.pixels.reduced import read_eighth


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def _draw(rng, size_HW):
    """Soft colours, as those of a photograph."""
    noise_HW3 = rng.integers(0, 256, (*size_HW, 3)).astype(np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise_HW3, (0, 0), 6), None, 0, 255, cv2.NORM_MINMAX)


@pytest.mark.parametrize("size_HW", [(160, 240), (161, 247), (8, 9)])
@pytest.mark.parametrize("is_grey", [False, True])
def test_an_eighth_is_nearly_the_mean_of_each_block(tmp_path, rng, size_HW, is_grey):
    path, picture = tmp_path / "a.jpg", Image.fromarray(_draw(rng, size_HW))
    (picture.convert("L") if is_grey else picture).save(path, quality=95, subsampling=0)
    eighth = read_eighth(ImageRef(path))
    height, width = (-(-size // 8) for size in size_HW)
    whole = read_image(path)[: size_HW[0] // 8 * 8, : size_HW[1] // 8 * 8]
    means = whole.reshape(size_HW[0] // 8, 8, size_HW[1] // 8, 8, -1).mean(axis=(1, 3))
    assert eighth.shape == (height, width, 1 if is_grey else 3)
    inner = eighth[: means.shape[0], : means.shape[1]]
    assert np.abs(inner - means).mean() < 1
    assert np.abs(inner - means).max() < 8


def test_an_eighth_is_upright(tmp_path):
    picture = np.zeros((16, 32, 3), np.uint8)
    picture[:, 8:16] = 200
    exif = Image.Exif()
    exif[274] = 6  # a quarter turn to the right shows it upright
    Image.fromarray(picture).save(tmp_path / "a.jpg", exif=exif)
    eighth = read_eighth(ImageRef(tmp_path / "a.jpg"))
    assert eighth[..., 0].tolist() == [[0, 0], [200, 200], [0, 0], [0, 0]]


def test_other_files_parts_and_channels_have_no_eighth(tmp_path, rng):
    picture = Image.fromarray(_draw(rng, (32, 32)))
    picture.save(tmp_path / "a.png")
    picture.save(tmp_path / "a.jpg")
    picture.convert("CMYK").save(tmp_path / "print.jpg")
    picture.crop((0, 0, 7, 7)).save(tmp_path / "small.jpg")
    others = [
        ImageRef(tmp_path / "a.png"),
        ImageRef(tmp_path / "print.jpg"),
        ImageRef(tmp_path / "small.jpg"),
        ImageRef(tmp_path / "a.jpg", bands=("red",)),
        ImageRef(tmp_path / "a.jpg", window=(0, 8, 0, 8)),
    ]
    assert [read_eighth(ref) for ref in others] == [None] * 5


def test_a_damaged_file_is_named(tmp_path, rng):
    path = tmp_path / "cut.jpg"
    Image.fromarray(_draw(rng, (64, 64))).save(path)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(DataError, match=r"cut\.jpg"):
        read_eighth(ImageRef(path))
