"""open_image: one reader per open, windows, and readers as parts."""

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from maskwright.core.errors import DataError
from maskwright.data.entries.walk import image_files
from maskwright.data.pixels import images
from maskwright.data.pixels.imageref import ImageRef
from maskwright.data.pixels.images import find_reader, open_image
from maskwright.data.pixels.rawmask import read_raw
from maskwright.data.pixels.tiff_window import read_tiff_window

RNG = np.random.default_rng(5)
PHOTO = RNG.integers(0, 256, (37, 53, 3), np.uint8)


@pytest.fixture
def num_found(monkeypatch):
    """Counts how often the reader of a file is looked for."""
    files = []

    def counting(file):
        files.append(file)
        return find_reader(file)

    monkeypatch.setattr(images, "find_reader", counting)
    return files


def test_a_file_is_classified_once_per_open(tmp_path, num_found):
    Image.fromarray(PHOTO).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", PHOTO, photometric="rgb")
    for name in ("a.png", "a.tif"):
        num_found.clear()
        image = open_image(tmp_path / name)
        assert image.size_HW == (37, 53)
        assert (image.num_pages, image.orientation, image.spacing_mm_HW) == (1, 1, None)
        assert image.placement is None
        np.testing.assert_array_equal(image.read(), PHOTO)
        np.testing.assert_array_equal(image.read_stored(), PHOTO)
        assert len(num_found) == 1


def test_reading_a_mask_classifies_its_file_once(tmp_path, num_found):
    Image.fromarray(PHOTO[..., 0]).save(tmp_path / "a.png")
    read_raw(tmp_path / "a.png", "index")
    assert num_found == [tmp_path / "a.png"]


def test_the_content_decides_where_the_name_says_another_format(tmp_path):
    tifffile.imwrite(tmp_path / "a.png", PHOTO.astype(np.uint16), photometric="rgb")
    assert open_image(tmp_path / "a.png").read().dtype == np.uint16


WRITTEN = {
    "strips": ({"rowsperstrip": 8}, np.uint8),
    "tiles": ({"tile": (16, 32)}, np.uint16),
    "packed": ({"tile": (16, 16), "compression": "zlib", "predictor": True}, np.uint16),
    "big": ({"tile": (16, 16), "byteorder": ">", "bigtiff": True}, np.uint16),
    "planes": ({"planarconfig": "separate"}, np.uint16),
}


def test_listing_a_folder_opens_only_files_that_may_hold_pages(tmp_path, num_found):
    for name in ("a.png", "b.jpg", "c.tif"):
        Image.fromarray(PHOTO).save(tmp_path / name)
    assert list(image_files(tmp_path)) == [
        ImageRef(tmp_path / name) for name in ("a.png", "b.jpg", "c.tif")
    ]
    assert num_found == [tmp_path / "c.tif"]


@settings(max_examples=12, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("how", WRITTEN)
def test_a_window_is_the_same_part_of_the_whole_image(tmp_path_factory, how, data):
    path = tmp_path_factory.mktemp("w") / "a.tif"
    options, dtype = WRITTEN[how]
    pixels = PHOTO.astype(dtype) * (257 if dtype == np.uint16 else 1)
    stored = np.moveaxis(pixels, -1, 0) if how == "planes" else pixels
    tifffile.imwrite(path, stored, photometric="rgb", **options)
    top, left = data.draw(st.integers(0, 36)), data.draw(st.integers(0, 52))
    window = np.s_[top : data.draw(st.integers(top + 1, 40)), left:]
    np.testing.assert_array_equal(open_image(path).read(window), pixels[window])
    by_tiles = read_tiff_window(ImageRef(path), window)
    np.testing.assert_array_equal(by_tiles, pixels[window])


def test_a_window_decodes_no_tile_that_it_does_not_touch(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PHOTO[..., 0], tile=(16, 16), compression="zlib")
    with tifffile.TiffFile(path) as file:
        last = file.pages[0].dataoffsets[-1]
    content = bytearray(path.read_bytes())
    content[last : last + 4] = b"junk"
    path.write_bytes(content)
    np.testing.assert_array_equal(
        open_image(path).read(np.s_[0:16, 0:16])[..., 0], PHOTO[:16, :16, 0]
    )
    with pytest.raises(DataError, match=r"a\.tif: the image is cut short or damaged"):
        open_image(path).read()


@pytest.mark.parametrize("name", ["a.png", "a.webp", "wide.png"])
def test_other_readers_cut_a_window_out_of_the_turned_image(tmp_path, name):
    path = tmp_path / name
    if name == "wide.png":
        cv2.imwrite(str(path), PHOTO.astype(np.uint16) * 257)
    else:
        image = Image.fromarray(PHOTO)
        exif = image.getexif()
        exif[274] = 6
        image.save(path, exif=exif, lossless=True)
    whole = open_image(path).read()
    part = open_image(path).read(np.s_[3:9, 2:30])
    assert part.flags.writeable
    np.testing.assert_array_equal(part, whole[3:9, 2:30])


@pytest.mark.parametrize("window", [np.s_[5:5, 0:3], np.s_[::2, 3:], np.s_[-9:-2, :]])
def test_windows_are_slices_as_numpy_takes_them(tmp_path, window):
    tifffile.imwrite(tmp_path / "a.tif", PHOTO, photometric="rgb")
    np.testing.assert_array_equal(open_image(tmp_path / "a.tif").read(window), PHOTO[window])
