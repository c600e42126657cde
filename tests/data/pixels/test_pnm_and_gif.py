"""PBM, PGM and PPM: as stored in masks, as shown in photographs; GIF: colours of a frame."""

import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import DataError
from maskwright.data.pixels.images import image_size, image_suffixes, open_image, read_image
from maskwright.data.pixels.rawmask import is_lossy, read_raw_as_stored

RNG = np.random.default_rng(3)


def test_the_suffixes_of_phones_and_microscopes_are_read():
    wanted = {".jfif", ".jpe", ".gif", ".ppm", ".pgm", ".pbm", ".pnm"}
    assert wanted <= set(image_suffixes())


@pytest.mark.parametrize(
    ("content", "stored", "shown"),
    [
        (b"P2 3 1 # width, height\n3\n0 1 3", [[0, 1, 3]], [[0, 85, 255]]),
        (b"P5\n# a comment\n3 1\n3\n\0\1\3", [[0, 1, 3]], [[0, 85, 255]]),
        (b"P5 2 1 4095\n\x0f\xff\0\1", [[4095, 1]], [[65535, 16]]),
        (b"P1\n3 1\n101", [[0, 1, 0]], [[0, 255, 0]]),
        (b"P4 3 1\n\xa0", [[0, 1, 0]], [[0, 255, 0]]),
        (b"P6 1 1 255\n\1\2\3", [[[1, 2, 3]]], [[[1, 2, 3]]]),
        (b"P3 1 1 255 1 2 3", [[[1, 2, 3]]], [[[1, 2, 3]]]),
    ],
)
def test_samples_are_as_stored_in_masks_and_spread_in_photographs(
    tmp_path, content, stored, shown
):
    path = tmp_path / "a.pnm"
    path.write_bytes(content)
    assert open_image(path).read_stored().astype(int).tolist() == stored
    image_HWC = read_image(path)
    assert image_HWC.reshape(np.shape(shown)).tolist() == shown
    assert image_size(path) == image_HWC.shape[:2]


@pytest.mark.parametrize(("suffix", "channels"), [("pgm", 0), ("ppm", 3), ("pbm", 0)])
def test_files_that_pillow_writes_are_read_as_pillow_shows_them(tmp_path, suffix, channels):
    shape = (11, 13, channels) if channels else (11, 13)
    image = Image.fromarray(RNG.integers(0, 256, shape, np.uint8))
    image = image.convert("1") if suffix == "pbm" else image
    image.save(tmp_path / f"a.{suffix}")
    shown = np.array(image.convert("L") if suffix == "pbm" else image)
    np.testing.assert_array_equal(read_image(tmp_path / f"a.{suffix}").reshape(shape), shown)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"P5 100 100 255\n\0\0", r"damaged \(2 bytes of samples, expected 10,000\)"),
        (b"P5 90000000 90000000 255\n", "declares 8,100,000,000,000,000 pixels"),
        (b"P5 0 1 255\n", "declares 1 x 0"),
        (b"P2 2 1 9\n1 x", "damaged"),
        (b"P2 2 1 9\n1 10", "a sample of 10 above the declared 9"),
        (b"P5 x", "the header is damaged"),
        (b"P1 2 1\n7/", "damaged"),
    ],
)
def test_a_damaged_file_is_refused_before_memory_is_taken(tmp_path, content, message):
    (tmp_path / "a.pgm").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_image(tmp_path / "a.pgm")


def test_a_gif_photograph_is_its_first_frame(tmp_path):
    frames = [Image.fromarray(np.full((4, 6, 3), value, np.uint8)) for value in (40, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert read_image(tmp_path / "a.gif").tolist() == [[[40] * 3] * 6] * 4


def test_a_gif_mask_gives_colours_whatever_the_order_of_its_palette(tmp_path):
    grey = np.array([[0, 255, 255], [7, 0, 7]], np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.gif")
    kind, raw_HW = read_raw_as_stored(tmp_path / "grey.gif")
    assert (kind, raw_HW.tolist()) == ("index", grey.tolist())
    for colors in ((200, 10, 0, 0, 0, 0), (0, 0, 0, 200, 10, 0)):
        image = Image.fromarray(np.array([[0, 1]], np.uint8))
        image.putpalette(colors)
        image.save(tmp_path / "a.gif")
        kind, raw_HW = read_raw_as_stored(tmp_path / "a.gif")
        first = [0xC80A00, 0] if colors[0] else [0, 0xC80A00]
        assert (kind, raw_HW.tolist()) == ("rgb", [first])
    assert not is_lossy(tmp_path / "a.gif")
