"""Read and write rle-pack (thi.ng), in which Label Studio stores brush strokes.

    32 bits     number of packed words
    5 bits      bits per word - 1
    4 x 4 bits  four sizes: bits of a length - 1
    blocks      1 bit: is a run; 2 bits: which of the sizes; length - 1 in so many bits;
                one word if it is a run, else as many words as the length

The highest bit of a number comes first. Zeros fill the last byte, or one more byte if it is
full. Words are the R, G, B and A of each pixel along the rows; a pixel is inside if its A is
not 0.

Where a block starts is known only when the block before it is read, and a loop over blocks in
Python is slow. Therefore NumPy computes the block that would start at *each* bit, and the loop
only follows these from one to the next.
Source: thi-ng/umbrella, packages/rle-pack; label_studio_sdk, converter/brush.py.
"""

from collections.abc import Iterator
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError
from ...shapes.raster import Crop
from ...shapes.runs import encode_columns

_CHANNELS = 4
_HEAD_BITS = 32 + 5 + 4 * 4
_LONGEST = 1 << 16
"""Longest run of one block: the largest length of 16 bits."""

_CHUNK = 1 << 17
"""Bytes whose blocks are computed at once."""


def unpack_mask(
    packed: NDArray[np.uint8], size_HW: tuple[int, int], *, where: str
) -> NDArray[np.bool_]:
    """Unpack a mask, H x W: True where the alpha channel is not 0.

    Raises:
        DataError: The bits are truncated, go on behind the last block, or are those of an image
            of another size.
    """
    padded = np.concatenate((packed, np.zeros(8, np.uint8)))  # reads may run past the end
    if len(packed) * 8 < _HEAD_BITS:
        raise DataError(
            f"{where}: run lengths are truncated after {len(packed)} bytes; export it again"
        )
    num = int.from_bytes(packed[:4].tobytes(), "big")
    height, width = size_HW
    if num != height * width * _CHANNELS:
        raise DataError(
            f"{where}: its run lengths hold {num:,} values, expected 4 for each of the "
            f"{height * width:,} pixels of an image of {height} x {width} (H x W); export it "
            f"again"
        )
    word = int(_read_bits(padded, np.array([32]), 5)[0]) + 1
    if word > 8:
        raise DataError(
            f"{where}: its run lengths have values of {word} bits, expected 8; export it again"
        )
    sizes = _read_bits(padded, np.array([37, 41, 45, 49]), 4).astype(np.int64) + 1
    start, length = _find_blocks(padded, sizes, word, num, where)
    lengths, values = _read_runs(padded, sizes, word, start, length)
    ends = np.cumsum(lengths) // _CHANNELS  # the alpha of a pixel is the last of its four
    inside = np.repeat(values > 0, np.diff(ends, prepend=0))
    return inside.reshape(size_HW)


def pack_mask(crop: Crop, size_HW: tuple[int, int]) -> list[int]:
    """Pack a mask as 255 in all channels where it is True; inverse of `unpack_mask`."""
    transposed = Crop(crop.left, crop.top, crop.inside_hw.T)
    counts = encode_columns(transposed, size_HW[::-1]) * _CHANNELS
    values = np.where(np.arange(len(counts)) % 2, 255, 0)
    values, counts = values[counts > 0], counts[counts > 0]
    num_pieces = -(-counts // _LONGEST)  # longer runs are split
    values = np.repeat(values, num_pieces)
    lengths = np.full(len(values), _LONGEST, np.int64)
    lengths[np.cumsum(num_pieces) - 1] = counts - (num_pieces - 1) * _LONGEST
    lengths = np.where(lengths == 0, _LONGEST, lengths)
    needed = np.maximum(np.ceil(np.log2(lengths)), 1).astype(np.int64)  # bits of length - 1
    sizes = _choose_sizes(needed)
    size_index = np.searchsorted(sizes, needed)
    size = sizes[size_index]
    words = (((4 | size_index) << size | lengths - 1) << 8) | values  # 4: the bit of a run
    head = [
        (size_HW[0] * size_HW[1] * _CHANNELS, 32),
        (7, 5),
        *((size - 1, 4) for size in sizes.tolist()),
    ]
    bits = _write_bits(*(np.array(part, np.int64) for part in zip(*head, strict=True)))
    bits = np.concatenate(
        (bits, *(_write_bits(w, n) for w, n in _iterate_pieces(words, 11 + size)))
    )
    padding = np.zeros(8 - len(bits) % 8, np.bool_)  # a whole byte if the last is full
    packed: list[int] = np.packbits(np.concatenate((bits, padding))).tolist()
    return packed


def _choose_sizes(needed: NDArray[np.int64]) -> NDArray[np.int64]:
    """Choose the four sizes that take the fewest bits, ascending, for lengths of so many."""
    counts = np.bincount(needed, minlength=17)
    top = int(needed.max())
    choices = np.array([(*c, top) for c in combinations_with_replacement(range(1, top + 1), 3)])
    bits = np.arange(17)[:, None, None]
    # (bits, choices, 4) -> (bits, choices): the smallest size that is enough
    fitting = np.where(choices >= bits, choices, 17).min(axis=-1)
    best: NDArray[np.int64] = choices[np.argmin(counts @ fitting)]
    return best


def _find_blocks(
    padded: NDArray[np.uint8], sizes: NDArray[np.int64], word: int, num: int, where: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the first bit and the length of each block, until there are `num` values."""
    num_bits = 8 * (len(padded) - 8)
    position, chunks, total = _HEAD_BITS, [np.zeros((2, 0), np.int64)], 0
    while total < num:
        first = position // 8
        if position >= num_bits:
            raise DataError(
                f"{where}: its run lengths are truncated after {total:,} of {num:,} values; "
                f"export it again"
            )
        behind, length = _read_block_at_each_bit(padded, first, sizes, word)
        starts, position = _follow_blocks(behind, position - 8 * first)
        position += 8 * first
        chunks.append(np.stack((starts + 8 * first, length[starts])))
        total += int(length[starts].sum())
    starts, lengths = np.concatenate(chunks, axis=1)
    ends = np.cumsum(lengths)
    last = int(np.searchsorted(ends, num))
    is_run = _read_bits(padded, starts[last : last + 1], 1)[0]
    size = sizes[_read_bits(padded, starts[last : last + 1] + 1, 2)[0]]
    end = int(starts[last] + 3 + size + word * (1 if is_run else lengths[last]))
    _require_end(padded, int(ends[last]), num, end, where)
    return starts[: last + 1], lengths[: last + 1]


def _require_end(padded: NDArray[np.uint8], total: int, num: int, end: int, where: str) -> None:
    """Require that the data end where the last block does.

    `total` is the number of values in the blocks, `end` the bit behind the last block.
    """
    if end > 8 * (len(padded) - 8):
        raise DataError(
            f"{where}: its run lengths are truncated within a block; export it again"
        )
    if total > num:
        raise DataError(
            f"{where}: its run lengths hold {total:,} values, their header states {num:,}; "
            f"export it again"
        )
    rest = np.unpackbits(padded[end // 8 :])[end % 8 :]
    if rest.any():
        raise DataError(
            f"{where}: its run lengths go on behind the {num:,} values of their header; export "
            f"it again"
        )


def _read_block_at_each_bit(
    padded: NDArray[np.uint8], first: int, sizes: NDArray[np.int64], word: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Read a block at each bit from byte `first` on, whether or not one starts there.

    Returns:
        The bit behind each block, relative to byte `first`, and its length.
    """
    last = min(first + _CHUNK, len(padded) - 8)
    wide = np.zeros(last - first, np.uint64)
    for byte in range(4):
        wide = wide << np.uint64(8) | padded[first + byte : last + byte]
    shift = np.tile(np.arange(8, dtype=np.uint64), last - first)
    bits = (np.repeat(wide, 8) << shift) & np.uint64(
        0xFFFFFFFF
    )  # 25 valid bits: 3 + 16 are used
    size = sizes[(bits >> np.uint64(29)) & np.uint64(3)]
    length = ((bits & np.uint64(0x1FFFFFFF)) >> (29 - size).astype(np.uint64)).astype(np.int64)
    length += 1
    is_run = bits >> np.uint64(31) == 1
    behind = np.arange(len(bits)) + 3 + size + word * np.where(is_run, 1, length)
    return behind, length


def _follow_blocks(behind: NDArray[np.int64], position: int) -> tuple[NDArray[np.int64], int]:
    """Follow the blocks from `position` on: their first bits, and the first bit behind them."""
    starts, num, next_of = [], len(behind), behind.data  # a memoryview: fast to index in a loop
    while position < num:
        starts.append(position)
        position = next_of[position]
    return np.array(starts, np.int64), position


def _read_runs(
    padded: NDArray[np.uint8],
    sizes: NDArray[np.int64],
    word: int,
    start: NDArray[np.int64],
    length: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Read lengths and values; a block that is not a run gives runs of length 1."""
    is_run = _read_bits(padded, start, 1) == 1
    first = start + 3 + sizes[_read_bits(padded, start + 1, 2)]
    times = np.where(is_run, 1, length)
    block = np.repeat(np.arange(len(start)), times)
    step = np.arange(len(block)) - np.repeat(np.cumsum(times) - times, times)
    values = _read_bits(padded, first[block] + word * step, word)
    return np.where(is_run, length, 1)[block], values


def _read_bits(
    padded: NDArray[np.uint8], position: NDArray[np.int64], count: int
) -> NDArray[np.uint8]:
    """Read a number of `count` (up to 8) bits at each position."""
    wide = padded[position >> 3].astype(np.uint16) << 8 | padded[(position >> 3) + 1]
    numbers: NDArray[np.uint8] = wide << (position & 7).astype(np.uint16) >> (16 - count)
    return numbers.astype(np.uint8)


def _iterate_pieces(
    words: NDArray[np.int64], sizes: NDArray[np.int64], most: int = 1 << 18
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Iterate over pieces that become some megabytes of bits each."""
    return (
        (words[first : first + most], sizes[first : first + most])
        for first in range(0, len(words), most)
    )


def _write_bits(words: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Write the lowest `sizes` bits of each word, the highest first, as one row of bits."""
    position = np.arange(int(sizes.max(initial=0)))
    shift = sizes[:, None] - 1 - position  # (words, bits), negative behind the last bit
    bits = (words[:, None] >> np.maximum(shift, 0) & 1).astype(np.bool_)
    row: NDArray[np.bool_] = bits[shift >= 0]  # (words, bits) -> (all bits,)
    return row
