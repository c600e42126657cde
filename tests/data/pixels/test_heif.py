"""HEIC: colours, transparency, orientation, and what damaged files say."""

import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import DataError
from maskwright.data.pixels.images import image_size, open_image, read_image

pillow_heif = pytest.importorskip("pillow_heif")


@pytest.fixture
def picture():
    """20 x 30 px of which each quarter has a colour of its own."""
    picture_HW3 = np.zeros((20, 30, 3), np.uint8)
    picture_HW3[:10, :15], picture_HW3[:10, 15:] = (200, 30, 40), (20, 180, 60)
    picture_HW3[10:, :15] = (30, 40, 220)
    return picture_HW3


def save(path, picture, **options):
    pillow_heif.from_pillow(Image.fromarray(picture)).save(path, quality=95, **options)


def test_colours_come_back_nearly_as_they_were(picture, tmp_path):
    save(tmp_path / "a.heic", picture)
    read_HW3 = read_image(tmp_path / "a.heic")
    assert np.abs(read_HW3.astype(int) - picture)[2:8, 2:13].max() < 8


def test_a_photograph_on_its_side_is_upright_once(picture, tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    save(tmp_path / "a.heic", picture, exif=exif.tobytes())
    upright_HW3 = np.rot90(picture, -1)
    read_HW3 = read_image(tmp_path / "a.heic")
    assert image_size(tmp_path / "a.heic") == read_HW3.shape[:2] == (30, 20)
    assert np.abs(read_HW3.astype(int) - upright_HW3)[2:13, 2:8].max() < 8


def test_transparency_is_no_channel_and_grey_is_one(picture, tmp_path):
    alpha_HW = np.zeros((20, 30), np.uint8)
    alpha_HW[:, 15:] = 255
    save(tmp_path / "a.heif", np.dstack([picture, alpha_HW]))
    save(tmp_path / "b.heif", picture[..., 0])
    assert read_image(tmp_path / "a.heif").shape == (20, 30, 3)
    opened = open_image(tmp_path / "a.heif")  # its alpha is packed with loss
    np.testing.assert_array_equal(opened.read_valid(), opened.read_stored()[..., 3] > 0)
    assert read_image(tmp_path / "b.heif").shape == (20, 30, 1)


def test_a_file_that_is_cut_short_is_named(picture, tmp_path):
    save(tmp_path / "a.heic", picture)
    whole = (tmp_path / "a.heic").read_bytes()
    (tmp_path / "a.heic").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"a\.heic: the image is cut short or damaged"):
        read_image(tmp_path / "a.heic")
