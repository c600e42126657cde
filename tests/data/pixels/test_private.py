"""Copies of photographs: the same pixels and orientation, and nothing about people."""

import numpy as np
import pytest
from PIL import Image

from maskwright.data.pixels.imageref import ImageRef
from maskwright.data.pixels.images import open_image
from maskwright.data.pixels.private import copy_pixels

OWNER = b"Jane Owner"


def write_photo(path, orientation):
    exif = Image.Exif()
    exif[0x0112], exif[0x013B] = orientation, OWNER.decode()
    exif.get_ifd(0x8825).update({1: "N", 2: (50.0, 1.0, 2.0)})
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    options = {
        ".jpg": {"comment": OWNER, "xmp": OWNER, "progressive": True},
        ".png": {},
        ".webp": {"lossless": True, "xmp": OWNER},
    }
    profile = b"profile of colours"
    image = Image.fromarray(pixels)
    image.save(path, exif=exif, icc_profile=profile, **options[path.suffix])
    return profile


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_copy_keeps_pixels_orientation_and_profile_alone(tmp_path, suffix, orientation):
    first, copy = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    profile = write_photo(first, orientation)
    assert OWNER in first.read_bytes()
    copy_pixels(ImageRef(first), copy)
    assert OWNER not in copy.read_bytes()
    np.testing.assert_array_equal(open_image(copy).read(), open_image(first).read())
    assert open_image(copy).orientation == orientation
    with Image.open(copy) as image:
        assert set(image.getexif()) <= {0x0112}
        assert not image.getexif().get_ifd(0x8825)
        assert image.info["icc_profile"] == profile


def test_other_files_are_copied_as_they_are(tmp_path):
    Image.fromarray(np.zeros((2, 3), np.uint8)).save(tmp_path / "a.tif", description="kept")
    copy_pixels(ImageRef(tmp_path / "a.tif"), tmp_path / "b.tif")
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()
