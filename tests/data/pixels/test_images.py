import io
import struct
import zlib
from contextlib import suppress

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from maskwright.core.errors import DataError
from maskwright.data.pixels.images import image_size, open_image, read_image

RNG = np.random.default_rng(0)
PHOTO = RNG.integers(0, 256, (6, 9, 3), np.uint8)


def png_bytes(array):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def huge_png(width=60_000, height=60_000):
    """A PNG of under 200 bytes that declares a picture of many gigabytes."""

    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["png", "webp", "tif"])
def test_every_exif_orientation_is_shown_as_a_viewer_shows_it(tmp_path, orientation, ending):
    path = tmp_path / f"a.{ending}"
    image = Image.fromarray(PHOTO)
    exif = image.getexif()
    exif[274] = orientation
    image.save(path, exif=exif, **({"lossless": True} if ending == "webp" else {}))
    expected = np.array(ImageOps.exif_transpose(Image.open(path)))
    np.testing.assert_array_equal(read_image(path), expected)
    assert image_size(path) == expected.shape[:2]


def test_a_photograph_turned_by_a_quarter_has_its_left_column_on_top(tmp_path):
    path = tmp_path / "a.png"
    image = Image.fromarray(np.array([[1, 2], [3, 4], [5, 6]], np.uint8))
    exif = image.getexif()
    exif[274] = 6
    image.save(path, exif=exif)
    assert read_image(path)[..., 0].tolist() == [[5, 3, 1], [6, 4, 2]]
    assert image_size(path) == (2, 3)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.webp"])
def test_colours_come_back_as_saved(tmp_path, name):
    path = tmp_path / name
    Image.fromarray(PHOTO).save(path, **({"lossless": True} if name == "a.webp" else {}))
    image = read_image(path)
    np.testing.assert_array_equal(image, PHOTO)
    assert image.flags.writeable


@pytest.mark.parametrize(
    ("mode", "channels"), [("L", 1), ("1", 1), ("P", 3), ("LA", 3), ("RGBA", 3), ("RGB", 3)]
)
def test_every_mode_of_png_gives_whole_channels(tmp_path, mode, channels):
    path = tmp_path / "a.png"
    Image.fromarray(PHOTO).convert("RGB").convert("L" if mode == "LA" else mode).convert(
        mode
    ).save(path)
    image = read_image(path)
    assert image.shape == (6, 9, channels)
    assert image.dtype == np.uint8


def test_a_cmyk_jpeg_is_read_as_rgb(tmp_path):
    path = tmp_path / "a.jpg"
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(path)
    red, green, blue = read_image(path)[4, 4].tolist()
    assert red > 200
    assert max(green, blue) < 80


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png_of_16_bits_keeps_all_of_them(tmp_path, channels):
    path = tmp_path / "a.png"
    pixels = RNG.integers(0, 1 << 16, (5, 7, channels), np.uint16)
    to_bgr = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]
    cv2.imwrite(str(path), pixels[..., to_bgr])
    np.testing.assert_array_equal(read_image(path), pixels[..., :3])


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("channels", [2, 3, 5, 8])
def test_tiff_of_any_channels_and_16_bits_is_read_whole(tmp_path, channels, planar):
    path = tmp_path / "a.tif"
    pixels = RNG.integers(0, 1 << 16, (5, 7, channels), np.uint16)
    stored = pixels if planar == "contig" else np.moveaxis(pixels, -1, 0)
    tifffile.imwrite(path, stored, photometric="minisblack", planarconfig=planar)
    np.testing.assert_array_equal(read_image(path), pixels)
    assert image_size(path) == (5, 7)


def test_a_compressed_tiff_of_8_bits_is_read(tmp_path):
    path = tmp_path / "a.tif"
    Image.fromarray(PHOTO).save(path, compression="tiff_lzw")
    np.testing.assert_array_equal(read_image(path), PHOTO)


@pytest.mark.parametrize("shape", [(3, 8, 9), (8, 9, 5)])
def test_tiff_pages_are_channels_and_rows_are_not(tmp_path, shape):
    path = tmp_path / "a.tif"
    pixels = RNG.integers(0, 1 << 16, shape, np.uint16)
    tifffile.imwrite(path, pixels, photometric="minisblack")
    expected = pixels if shape[2] == 5 else np.moveaxis(pixels, 0, -1)
    np.testing.assert_array_equal(read_image(path), expected)
    assert image_size(path) == (8, 9)


def test_a_volume_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    volume = np.zeros((3, 5, 7), np.uint16)
    tifffile.imwrite(path, volume, photometric="minisblack", metadata={"axes": "ZYX"})
    with pytest.raises(DataError, match=r"a\.tif: holds 1 image, .* axes ZYX .* save each"):
        read_image(path)


def test_complex_numbers_are_refused(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((5, 7), np.complex64))
    with pytest.raises(DataError, match=r"a\.tif: pixels are complex64, expected integers or"):
        read_image(path)


def test_fractions_and_values_below_0_are_floats_in_their_own_unit(tmp_path):
    path = tmp_path / "a.tif"
    for kind in (np.float32, np.int16):
        tifffile.imwrite(path, np.array([[-1000, 0, 7]], kind))
        image = read_image(path)
        assert image.dtype == np.float32
        assert image[0, :, 0].tolist() == [-1000, 0, 7]


@pytest.mark.parametrize(("mode", "suffix"), [("RGBA", "png"), ("LA", "png"), ("RGBA", "webp")])
def test_pixels_of_alpha_0_hold_no_data(tmp_path, mode, suffix):
    image = Image.fromarray(PHOTO).convert(mode)
    alpha_HW = np.arange(54, dtype=np.uint8).reshape(6, 9) // 18  # 0, 1 and 2
    image.putalpha(Image.fromarray(alpha_HW))
    image.save(tmp_path / f"a.{suffix}", lossless=True)
    opened = open_image(tmp_path / f"a.{suffix}")
    assert opened.may_lack_data
    np.testing.assert_array_equal(opened.read_valid(), alpha_HW > 0)
    np.testing.assert_array_equal(
        opened.read_data(np.s_[1:4, 2:]).valid_HW, alpha_HW[1:4, 2:] > 0
    )


def test_a_photograph_without_alpha_holds_data_everywhere(tmp_path):
    Image.fromarray(PHOTO).save(tmp_path / "a.png")
    opened = open_image(tmp_path / "a.png")
    assert not opened.may_lack_data
    assert opened.read_data().valid_HW is None


@pytest.mark.parametrize("read", [read_image, image_size])
def test_a_huge_image_in_a_small_file_is_refused_without_making_room_for_it(tmp_path, read):
    path = tmp_path / "a.png"
    path.write_bytes(huge_png())
    assert path.stat().st_size < 200
    with pytest.raises(
        DataError,
        match=r"a\.png: declares 3,600,000,000 pixels in a file of \d+ bytes; at most",
    ):
        read(path)


def test_a_huge_tiff_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((5, 7), np.uint16))
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        places = [file.pages[0].tags[code].valueoffset for code in (256, 257)]
    for place in places:
        content[place : place + 2] = struct.pack("<H", 60_000)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.tif: declares 3,600,000,000 pixels"):
        read_image(path)


@pytest.mark.parametrize("read", [read_image, image_size])
def test_an_empty_file_is_named_empty(tmp_path, read):
    path = tmp_path / "a.png"
    path.touch()
    with pytest.raises(
        DataError, match=r"a\.png: the file is empty \(0 bytes\); copy it again"
    ):
        read(path)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_jpeg_cut_short_is_refused(tmp_path, share):
    path = tmp_path / "a.jpg"
    Image.fromarray(RNG.integers(0, 256, (64, 64, 3), np.uint8)).save(path, quality=95)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(
        DataError, match=r"a\.jpg: the image is cut short or damaged .* copy it"
    ):
        read_image(path)


def test_what_is_not_an_image_is_refused(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("hello, I am a letter")
    with pytest.raises(DataError, match=r"a\.png: no image in a format that is read here"):
        read_image(path)
    with pytest.raises(DataError, match=r"b\.png: cannot be read: no such file"):
        read_image(tmp_path / "b.png")


def test_a_video_is_refused_with_the_verb_that_reads_it(tmp_path):
    path = tmp_path / "a.MP4"
    path.write_bytes(b"\0\0\0\x20ftypisom")
    with pytest.raises(
        DataError, match=r"a\.MP4: a video, not an image; give it to `maskwright video`"
    ):
        read_image(path)
    with pytest.raises(DataError, match="it is a folder, expected a regular file"):
        read_image(tmp_path)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kind=st.sampled_from(["PNG", "JPEG", "BMP", "WEBP", "TIFF", "TIFF16"]),
    place=st.floats(0, 1),
    junk=st.binary(max_size=12),
    cut=st.booleans(),
)
def test_damage_is_a_data_error_or_an_image_never_a_crash(tmp_path, kind, place, junk, cut):
    buffer = io.BytesIO()
    if kind == "TIFF16":
        tifffile.imwrite(buffer, PHOTO.astype(np.uint16))
    else:
        Image.fromarray(PHOTO).save(buffer, kind)
    content = buffer.getvalue()
    at = int(place * len(content))
    rest = b"" if cut else content[at + len(junk) :]
    path = tmp_path / "a.bin"
    path.write_bytes(content[:at] + junk + rest)
    for read in (read_image, image_size):
        with suppress(DataError):
            read(path)
