import resource
import struct
import zlib
from contextlib import suppress

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from maskwright.core.codec import TRANSPARENT
from maskwright.core.errors import DataError
from maskwright.data.pixels.images import read_image
from maskwright.data.pixels.rawmask import (
    NODATA,
    is_lossy,
    read_raw,
    read_raw_as_stored,
    read_stored_mask,
)


def grey_png(path, rows, depth):
    """A PNG of `depth` bits a pixel, which Pillow does not write below 8."""
    packed = b""
    for row in rows:
        bits = "".join(f"{value:0{depth}b}" for value in row)
        packed += b"\0" + int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(
            -(-len(bits) // 8), "big"
        )
    content = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), depth, 0, 0, 0, 0)
    for kind, part in ((b"IHDR", header), (b"IDAT", zlib.compress(packed)), (b"IEND", b"")):
        content += struct.pack(">I", len(part)) + kind + part
        content += struct.pack(">I", zlib.crc32(kind + part))
    path.write_bytes(content)


def test_a_palette_mask_gives_indices_never_colours(tmp_path):
    image = Image.fromarray(np.array([[0, 1, 15, 255]], np.uint8), "L").convert("P")
    image.putdata([0, 1, 15, 255])
    image.putpalette([value for index in range(256) for value in (index, 99, 255 - index)])
    image.save(tmp_path / "m.png")
    kind, raw = read_raw_as_stored(tmp_path / "m.png")
    assert kind == "index"
    assert raw.tolist() == [[0, 1, 15, 255]]


def test_a_palette_mask_gives_colours_where_the_dataset_says_rgb(tmp_path):
    image = Image.new("P", (2, 1))
    image.putdata([0, 1])
    image.putpalette([0, 0, 0, 128, 64, 128])
    image.save(tmp_path / "m.png")
    assert read_raw(tmp_path / "m.png", "rgb").tolist() == [[0, 0x804080]]


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_a_mask_of_few_bits_gives_the_stored_numbers(tmp_path, depth):
    rows = [[0, 1, (1 << depth) - 1], [1, 0, 1]]
    grey_png(tmp_path / "m.png", rows, depth)
    assert read_raw(tmp_path / "m.png", "index").tolist() == rows


def test_colours_are_packed_with_red_on_top(tmp_path):
    Image.fromarray(np.array([[[128, 64, 32]]], np.uint8)).save(tmp_path / "m.png")
    assert read_raw(tmp_path / "m.png", "rgb").tolist() == [[0x804020]]


def test_opaque_alpha_is_dropped_clear_pixels_have_one_value_and_others_are_refused(tmp_path):
    rgba = np.array([[[1, 2, 3, 255], [4, 5, 6, 255]]], np.uint8)
    Image.fromarray(rgba).save(tmp_path / "m.png")
    assert read_raw(tmp_path / "m.png", "rgb").tolist() == [[0x010203, 0x040506]]
    rgba[0, 1, 3] = 0
    Image.fromarray(rgba).save(tmp_path / "m.png")
    assert read_raw(tmp_path / "m.png", "rgb").tolist() == [[0x010203, TRANSPARENT]]
    rgba[0, 1, 3] = 9
    Image.fromarray(rgba).save(tmp_path / "m.png")
    with pytest.raises(DataError, match=r"m\.png: 1 px of the mask are partly transparent"):
        read_raw(tmp_path / "m.png", "rgb")


def test_16_and_32_bit_numbers_are_kept(tmp_path):
    wide = np.array([[0, 300, 65535]], np.uint16)
    Image.fromarray(wide).save(tmp_path / "m.png")
    assert read_raw(tmp_path / "m.png", "index").tolist() == wide.tolist()
    tifffile.imwrite(tmp_path / "m.tif", np.array([[0, 70_000]], np.int32))
    assert read_raw(tmp_path / "m.tif", "index").tolist() == [[0, 70_000]]


def test_a_mask_of_the_other_kind_is_refused_with_the_line_to_write(tmp_path):
    Image.new("L", (2, 2)).save(tmp_path / "grey.png")
    Image.new("RGB", (2, 2), (9, 0, 0)).save(tmp_path / "rgb.png")
    with pytest.raises(
        DataError, match=r"grey\.png: the mask has one channel, .* 'pixels: rgb'"
    ):
        read_raw(tmp_path / "grey.png", "rgb")
    with pytest.raises(
        DataError, match=r"rgb\.png: the mask has colours, .*codec: \{pixels: rgb"
    ):
        read_raw(tmp_path / "rgb.png", "index")


def test_greys_in_a_colour_mask_are_numbers_where_the_dataset_says_index(tmp_path):
    Image.new("RGB", (2, 1), (255, 255, 255)).save(tmp_path / "m.png")
    assert read_raw(tmp_path / "m.png", "index").tolist() == [[255, 255]]


def test_whole_numbers_in_floats_are_read_and_others_refused(tmp_path):
    tifffile.imwrite(tmp_path / "m.tif", np.array([[0, 3.0]], np.float32))
    assert read_raw(tmp_path / "m.tif", "index").tolist() == [[0, 3]]
    for value, shown in ((0.5, "0.5"), (np.nan, "NaN"), (3e38, r"3e\+38")):
        tifffile.imwrite(tmp_path / "m.tif", np.array([[0, value]], np.float32))
        with pytest.raises(
            DataError,
            match=rf"m\.tif: 1 mask values of float32 are not whole numbers: {shown} .1 px.",
        ):
            read_raw(tmp_path / "m.tif", "index")


@pytest.mark.parametrize(
    ("value", "dtype", "text", "raw"),
    [
        (-9999, np.int16, "-9999", -9999),
        (np.nan, np.float32, "nan", NODATA),
        (np.finfo(np.float32).min, np.float32, "-3.4028234663852886e+38", NODATA),
        (-9999, np.float32, "-9999.0", -9999),
    ],
)
def test_the_nodata_tag_of_gdal_is_read(tmp_path, value, dtype, text, raw):
    tag = (42113, "s", len(text) + 1, text, True)
    tifffile.imwrite(tmp_path / "m.tif", np.array([[0, value]], dtype), extratags=[tag])
    stored = read_stored_mask(tmp_path / "m.tif")
    assert stored.nodata == raw
    assert stored.raw_HW.tolist() == [[0, raw]]


def test_a_palette_png_without_its_palette_is_refused(tmp_path):
    image = Image.new("P", (2, 2))
    image.putpalette([0, 0, 0, 9, 9, 9])
    image.save(tmp_path / "m.png")
    content = (tmp_path / "m.png").read_bytes()
    place = content.index(b"PLTE") - 4
    length = int.from_bytes(content[place : place + 4], "big") + 12
    (tmp_path / "m.png").write_bytes(content[:place] + content[place + length :])
    for read in (read_raw_as_stored, read_image):
        with pytest.raises(DataError, match=r"m\.png: .*palette.*copy it again or remove it"):
            read(tmp_path / "m.png")


def test_jpeg_is_lossy_and_webp_only_where_it_is(tmp_path):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 9, (32, 32), np.uint8))
    noise.save(tmp_path / "m.jpg")
    noise.save(tmp_path / "lossy.webp", quality=50)
    noise.save(tmp_path / "exact.webp", lossless=True)
    noise.save(tmp_path / "m.png")
    lossy = {name: is_lossy(tmp_path / name) for name in ("m.jpg", "lossy.webp")}
    exact = {name: is_lossy(tmp_path / name) for name in ("exact.webp", "m.png")}
    assert all(lossy.values())
    assert not any(exact.values())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_chunk_of_gigabytes_in_a_small_file_is_never_allocated(dtype, tmp_path):
    if dtype == np.uint8:
        Image.fromarray(np.array([[0, 9]], dtype)).save(tmp_path / "m.png")
    else:
        cv2.imwrite(str(tmp_path / "m.png"), np.full((1, 2, 3), 300, dtype))
    content = bytearray((tmp_path / "m.png").read_bytes())
    place = content.index(b"IDAT")
    content[place - 4] = 0x9A
    (tmp_path / "m.png").write_bytes(content)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with suppress(DataError):
        read_raw(tmp_path / "m.png", "index" if dtype == np.uint8 else "rgb")
    with suppress(DataError):
        read_image(tmp_path / "m.png")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 100_000


def test_what_lies_behind_the_end_of_a_png_is_passed_over(tmp_path):
    cv2.imwrite(str(tmp_path / "m.png"), np.full((1, 2, 3), 300, np.uint16))
    with (tmp_path / "m.png").open("ab") as file:
        file.write(b"more than the image")
    assert (read_image(tmp_path / "m.png") == 300).all()
