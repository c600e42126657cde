"""Image files that ask for more than their picture needs, or hold less than they claim."""

import io
import lzma
import struct
import time
import zlib
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from maskwright.core.errors import DataError
from maskwright.data.pixels.imageref import ImageRef
from maskwright.data.pixels.images import read_image
from maskwright.data.pixels.jpeg import prepare_jpeg
from maskwright.data.pixels.rawmask import read_raw_as_stored
from maskwright.data.pixels.tiff_file import read_pixels

_PNG = b"\x89PNG\r\n\x1a\n"
_DEFLATE, _LZMA, _ZSTD = 8, 34925, 50000


def _refuse(path, reason):
    """Read as a photograph and as a mask: refused soon, in one line."""
    began_s = time.thread_time()
    for read in (read_image, read_raw_as_stored):
        with pytest.raises(DataError, match=reason) as raised:
            read(path)
        assert str(path) in str(raised.value)
    assert time.thread_time() - began_s < 10


def _write_tiff(path, tags, data=b""):
    """A little-endian TIFF whose pixels begin at byte 1000; TIFF 6.0, section 2."""
    entries = [(tag, 3 if value < 1 << 16 else 4, 1, value) for tag, value in tags.items()]
    fields = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    head = b"II*\0" + struct.pack("<IH", 8, len(entries)) + fields + bytes(4)
    path.write_bytes(head + bytes(1000 - len(head)) + data)


def _tags(size, bits, compression, **more):
    names = {"offset": 273, "rows": 278, "bytes": 279, "tile": 322, "tile_h": 323}
    names |= {"tile_offset": 324, "tile_bytes": 325}
    fixed = {256: size, 257: size, 258: bits, 259: compression, 262: 1, 277: 1}
    return fixed | {names[name]: value for name, value in more.items()}


def _chunk(kind, content):
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def _png(size, bits, kind, packed, *, before=b""):
    header = struct.pack(">IIBBBBB", size, size, bits, kind, 0, 0, 0)
    pixels = _chunk(b"IDAT", packed)
    return _PNG + _chunk(b"IHDR", header) + before + pixels + _chunk(b"IEND", b"")


def test_a_tiff_that_declares_millions_of_tiles_is_refused(tmp_path):
    tags = _tags(13000, 16, 1, tile=1, tile_h=1, tile_offset=500, tile_bytes=64)
    _write_tiff(tmp_path / "a.tif", tags)
    _refuse(tmp_path / "a.tif", "1 strips or tiles listed, the page has 169,000,000")


@pytest.mark.parametrize(
    ("compression", "pack"), [(_DEFLATE, zlib.compress), (_LZMA, lzma.compress)]
)
@pytest.mark.parametrize(
    ("megabytes", "reason"), [(16, "unpacks to over 128 bytes"), (192, "need at most 65,696")]
)
def test_a_tiff_strip_that_unpacks_to_more_than_its_pixels_is_refused(
    tmp_path, compression, pack, megabytes, reason
):
    if compression == _LZMA and megabytes > 16:
        reason = "unpacks to over 128 bytes"
    packed = pack(bytes(megabytes << 20))
    tags = _tags(8, 16, compression, offset=1000, rows=8, bytes=len(packed))
    _write_tiff(tmp_path / "a.tif", tags, packed)
    _refuse(tmp_path / "a.tif", reason)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    ("count", "reason"),
    [(3_000_000_000, "strip or tile 0 ends at byte 3,000,001,000"), (7, "7 bytes of pixels")],
)
def test_absurd_byte_counts_of_a_tiff_are_damage(tmp_path, bits, count, reason):
    tags = _tags(8, bits, 1, offset=1000, rows=8, bytes=count)
    _write_tiff(tmp_path / "a.tif", tags, bytes(128))
    _refuse(tmp_path / "a.tif", reason)


def test_compressed_tiffs_of_every_layout_are_still_read(tmp_path):
    image_HWC = np.random.default_rng(0).integers(0, 999, (50, 60, 3)).astype(np.uint16)
    for number, options in enumerate(
        (
            {"compression": "zlib"},
            {"compression": "lzma"},
            {"compression": "zlib", "predictor": True, "rowsperstrip": 7},
            {"compression": "zlib", "tile": (16, 32)},
            {"rowsperstrip": 9},
        )
    ):
        path = tmp_path / f"{number}.tif"
        tifffile.imwrite(path, image_HWC, photometric="rgb", **options)
        np.testing.assert_array_equal(read_image(path), image_HWC)


def test_a_damaged_tiff_of_zstd_is_named_with_and_without_its_package(tmp_path):
    tags = _tags(8, 16, _ZSTD, offset=500, rows=8, bytes=64)
    _write_tiff(tmp_path / "a.tif", tags)
    needed = "ZSTD needs the package imagecodecs; run: pip install 'maskwright.geo.'"
    _refuse(tmp_path / "a.tif", f"{needed}|cut short or damaged")


def test_the_package_of_a_compression_is_named():
    page = SimpleNamespace(compression=SimpleNamespace(name="ZSTD"))

    def decode():
        raise ValueError("<COMPRESSION.ZSTD: 50000> requires the 'imagecodecs' package")

    with pytest.raises(DataError, match=r"ZSTD needs .* pip install 'maskwright\[geo\]'"):
        read_pixels(ImageRef(Path("a.tif")), page, decode)


@pytest.mark.parametrize(("bits", "kind"), [(16, 2), (8, 0), (8, 2), (16, 0)])
def test_a_png_with_more_pixels_than_its_picture_is_refused(tmp_path, bits, kind):
    path = tmp_path / "a.png"
    path.write_bytes(_png(8, bits, kind, zlib.compress(bytes(100 << 20))))
    _refuse(path, "the picture needs at most")
    packed = zlib.compress(np.random.default_rng(0).bytes(60_000)) + bytes(20_000)
    path.write_bytes(_png(64, bits, kind, zlib.compress(bytes(1 << 16)) + packed))
    path.write_bytes(_png(200, bits, kind, zlib.compress(bytes(80 << 20))))
    _refuse(path, "its pixels unpack to more than|the picture needs at most")


def test_a_png_whose_pixels_cannot_be_in_its_few_bytes_is_refused(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(_png(30_000, 8, 6, zlib.compress(bytes(1000))))
    _refuse(path, r"bytes of pixels cannot hold 3,600,030,000")


def test_a_palette_png_without_a_palette_is_refused(tmp_path):
    path = tmp_path / "a.png"
    rows = zlib.compress(bytes(8 * 9))
    path.write_bytes(_png(8, 8, 3, rows))
    _refuse(path, "a palette picture without a palette")
    path.write_bytes(_png(8, 8, 3, rows, before=_chunk(b"PLTE", bytes(6))))
    assert read_raw_as_stored(path)[1].shape == (8, 8)


def test_a_file_of_16_bits_with_much_behind_its_last_chunk_takes_no_memory_for_it(tmp_path):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.full((4, 4, 3), 300, np.uint16))
    with path.open("r+b") as file:
        file.truncate(8 << 30)
    assert (read_image(path) == 300).all()


def _photograph(size, seed):
    rng = np.random.default_rng(seed)
    steps = rng.integers(-9, 10, (size, size, 3)).cumsum(axis=1)
    return Image.fromarray(steps.clip(-128, 127).astype(np.int8).view(np.uint8))


def _jpeg(image, **options):
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def test_a_progressive_jpeg_of_thousands_of_scans_is_refused(tmp_path):
    head, *scans = _jpeg(_photograph(64, 0), progressive=True).split(b"\xff\xda")
    first, last = scans[0], scans[-1].removesuffix(b"\xff\xd9")
    for many, reason in (
        ([first] * 2000 + scans[1:], "over 100 scans"),
        (scans[:-1] + [last] * 2000, "a scan refines bits that no scan before it gave"),
    ):
        content = b"\xff\xda".join([head, *many])
        (tmp_path / "a.jpg").write_bytes(content.removesuffix(b"\xff\xd9") + b"\xff\xd9")
        _refuse(tmp_path / "a.jpg", reason)


@settings(max_examples=60)
@given(
    size=st.integers(1, 80),
    seed=st.integers(0, 99),
    quality=st.integers(5, 100),
    grey=st.booleans(),
    progressive=st.booleans(),
    subsampling=st.integers(0, 2),
    restart=st.sampled_from((0, 1, 3)),
)
def test_every_whole_jpeg_is_read_as_before(
    size, seed, quality, grey, progressive, subsampling, restart
):
    image = _photograph(size, seed).convert("L" if grey else "RGB")
    options = {"restart_marker_blocks": restart} if restart else {}
    if not grey:
        options["subsampling"] = subsampling
    whole = _jpeg(image, quality=quality, progressive=progressive, **options)
    prepared = prepare_jpeg(whole + b"trailing", ImageRef("a.jpg"))
    expected = np.array(Image.open(io.BytesIO(whole)))
    for content in filter(None, (prepared.content, prepared.padded)):
        np.testing.assert_array_equal(np.array(Image.open(io.BytesIO(content))), expected)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("options", [{}, {"restart_marker_blocks": 4}])
def test_a_jpeg_whose_data_are_cut_out_is_damaged_although_it_has_its_end(
    tmp_path, progressive, share, options
):
    whole = _jpeg(_photograph(160, 1), progressive=progressive, **options)
    scan = whole.index(b"\xff\xda") + 14
    cut = whole[: scan + int((len(whole) - scan) * share)].rstrip(b"\xff")
    (tmp_path / "a.jpg").write_bytes(cut + b"\xff\xd9")
    _refuse(tmp_path / "a.jpg", "the image is cut short or damaged")
    middle = whole[:scan] + whole[len(whole) - int((len(whole) - scan) * share) :]
    (tmp_path / "a.jpg").write_bytes(middle)
    _refuse(tmp_path / "a.jpg", "the image is cut short or damaged")


def test_a_jpeg_that_declares_more_pixels_than_its_bytes_can_hold_is_refused(tmp_path):
    whole = bytearray(_jpeg(Image.new("L", (8, 8))))
    frame = whole.index(b"\xff\xc0")
    whole[frame + 5 : frame + 9] = struct.pack(">HH", 16_000, 16_000)
    (tmp_path / "a.jpg").write_bytes(whole)
    _refuse(tmp_path / "a.jpg", r"bytes cannot hold 256,000,000 pixels")
