"""Brush strokes: bits that two implementations, one slow and one fast, read and write alike."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from maskwright.core.errors import DataError
from maskwright.data.formats.label_studio.rlepack import pack_mask, unpack_mask
from maskwright.data.shapes.raster import crop_mask

M = np.array(
    [[0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 0, 0], [0, 1, 0, 1, 0, 1], [0, 1, 1, 1, 0, 1]], np.bool_
)
PACKED = [0, 0, 0, 96, 57, 27, 254, 27, 0, 183, 255, 108, 2, 63, 248, 192, 35, 255, 140, 2]
PACKED += [63, 248, 192, 45, 255, 198, 1, 31, 248]
WRITTEN = [0, 0, 0, 96, 56, 9, 167, 216, 6, 191, 253, 96, 23, 255, 184, 5, 255, 238, 1, 127]
WRITTEN += [251, 128, 107, 255, 184, 5, 255, 192]
"""The same mask with the sizes of lengths that take the fewest bits."""

masks = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=40))


def read(numbers, size_HW):
    return unpack_mask(np.array(numbers, np.uint8), size_HW, where="a.json: brush 'x'")


def pack(inside_HW):
    return pack_mask(crop_mask(inside_HW), inside_HW.shape)


def slow(values, blocks, sizes):
    """Bits of blocks [(is a run, length)] of `values`, written one number at a time."""
    bits = f"{len(values):032b}00111" + "".join(f"{size - 1:04b}" for size in sizes)
    place = 0
    for is_run, length in blocks:
        which = next(n for n, size in enumerate(sizes) if length <= 2**size)
        bits += f"{is_run:d}{which:02b}{length - 1:0{sizes[which]}b}"
        bits += "".join(f"{v:08b}" for v in values[place : place + (1 if is_run else length)])
        place += length
    bits += "0" * (-len(bits) % 8)
    return [int(bits[n : n + 8], 2) for n in range(0, len(bits), 8)]


def test_the_golden_vector_is_read_and_written():
    np.testing.assert_array_equal(read(PACKED, (4, 6)), M)
    assert pack(M) == WRITTEN
    np.testing.assert_array_equal(read(WRITTEN, (4, 6)), M)
    assert len(WRITTEN) < len(PACKED)


@given(masks)
def test_what_is_written_is_read(inside_HW):
    np.testing.assert_array_equal(read(pack(inside_HW), inside_HW.shape), inside_HW)


@given(st.data(), st.sampled_from([(3, 4, 8, 16), (1, 2, 7, 9), (4, 4, 4, 13)]))
def test_blocks_of_all_kinds_and_any_alpha_are_read(data, sizes):
    values, blocks = [], []
    for _ in range(data.draw(st.integers(1, 8))):
        length = data.draw(st.integers(1, 2 ** min(max(sizes), 9)))
        is_run = data.draw(st.booleans())
        one = data.draw(st.integers(0, 255))
        rng = np.random.default_rng(data.draw(st.integers(0, 99)))
        values += [one] * length if is_run else rng.integers(0, 3, length).tolist()
        blocks.append((is_run, length))
    if odd := -len(values) % 4:
        values += [7] * odd
        blocks.append((True, odd))
    inside = np.array(values).reshape(-1, 4)[:, 3] > 0
    found = read(slow(values, blocks, sizes), (1, len(inside)))
    np.testing.assert_array_equal(found[0], inside)


def test_a_run_longer_than_a_block_is_split():
    inside_HW = np.ones((256, 256), np.bool_)
    numbers = pack(inside_HW)
    blocks = [(True, 1 << 16)] * 4
    assert (
        numbers[:-1] == slow(np.full(1 << 18, 255), blocks, (1, 1, 1, 16))[: len(numbers) - 1]
    )
    np.testing.assert_array_equal(read(numbers, (256, 256)), inside_HW)


def test_zeros_behind_the_last_block_are_ignored():
    np.testing.assert_array_equal(read([*PACKED, 0, 0, 0, 0], (4, 6)), M)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (PACKED[:5], "run lengths are truncated after 5 bytes"),
        (PACKED[:-4], r"truncated within a block; export it again|after \d+ of 96 values"),
        (
            [0, 0, 0, 24, *PACKED[4:]],
            "hold 24 values, expected 4 for each of the 24 pixels of an image of 4 x 6",
        ),
        ([*PACKED, 0, 1], "go on behind the 96 values"),
        ([*PACKED[:4], 121, *PACKED[5:]], "values of 16 bits, expected 8"),
        ([0, 0, 0, 96, 57, 27, 255, *PACKED[7:]], "go on behind|header states 96|truncated"),
    ],
)
def test_an_error_names_the_fault(numbers, message):
    with pytest.raises(DataError, match=rf"a\.json: brush 'x': .*({message})"):
        read(numbers, (4, 6))


def test_twelve_megapixels_take_a_moment():
    y, x = np.ogrid[:3000, :4000]
    disc_HW = (y - 1500) ** 2 + (x - 2000) ** 2 < 1300**2
    noise_HW = np.random.default_rng(0).random((1000, 1000)) < 0.5
    for inside_HW in (disc_HW, noise_HW):
        began_s = time.thread_time()
        np.testing.assert_array_equal(read(pack(inside_HW), inside_HW.shape), inside_HW)
        assert time.thread_time() - began_s < 10
