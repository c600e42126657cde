import io
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from maskwright.core.errors import DataError
from maskwright.serving.imagehead import read_head

KINDS = {".png": "PNG", ".jpg": "JPEG", ".tif": "TIFF", ".webp": "WEBP"}


def _encode(kind, height, width, **options):
    file = io.BytesIO()
    Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize("size_HW", [(1, 1), (40, 300), (301, 7)])
def test_the_size_is_that_which_pillow_reads(suffix, size_HW):
    content = _encode(KINDS[suffix], *size_HW)
    assert read_head(content, where="x") == (suffix, size_HW)


@pytest.mark.parametrize(
    "options", [{"lossless": True}, {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"}]
)
def test_lossless_and_extended_webp(options):
    content = _encode("WEBP", 33, 77, **options)
    assert read_head(content, where="x") == (".webp", (33, 77))


def test_progressive_jpeg_with_a_comment_and_big_endian_tiff():
    content = _encode("JPEG", 33, 77, progressive=True, comment=b"\xff" * 999)
    assert read_head(content, where="x").size_HW == (33, 77)
    entries = [(256, 3, 1, 77 << 16), (257, 4, 1, 33)]
    tiff = b"MM\0*" + (8).to_bytes(4, "big") + len(entries).to_bytes(2, "big")
    for tag, kind, count, value in entries:
        tiff += tag.to_bytes(2, "big") + kind.to_bytes(2, "big")
        tiff += count.to_bytes(4, "big") + value.to_bytes(4, "big")
    assert read_head(tiff, where="x") == (".tif", (33, 77))


def test_another_file_is_refused_by_its_first_bytes():
    with pytest.raises(DataError, match=r"a\.gif: expected a PNG, JPEG, TIFF or WebP"):
        read_head(b"GIF89a..", where="a.gif")


@pytest.mark.parametrize("suffix", KINDS)
def test_a_file_that_ends_in_its_head_is_refused(suffix):
    content = _encode(KINDS[suffix], 40, 300)
    with pytest.raises(DataError, match="is cut off before its size"):
        read_head(content[:15], where="x")


def test_an_offset_beyond_all_files_is_refused():
    big_tiff = b"II+\0" + bytes([8, 0, 0, 0]) + b"\xff" * 8
    with pytest.raises(DataError, match="is cut off before its size"):
        read_head(big_tiff, where="x")


@given(st.binary(max_size=200), st.sampled_from([b"\xff\xd8\xff", b"II*\0", b"MM\0+"]))
def test_whatever_follows_a_right_beginning_is_read_or_refused(rest, start):
    with suppress(DataError):
        assert min(read_head(start + rest, where="x").size_HW) > 0


def test_a_jpeg_of_a_million_markers_is_given_up():
    with pytest.raises(DataError, match="is cut off before its size"):
        read_head(b"\xff\xd8" + b"\xff\xd0" * 1_000_000, where="x")
