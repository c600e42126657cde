"""Bits of thi.ng rle-pack, in which Label Studio stores what was painted with a brush.

32 bits: how many words are packed. 5: bits of a word, less 1. 4 times 4: the bits of a length,
less 1, one of which each block uses. Then blocks: a bit that says whether it is a run, 2 that
choose the size of its length, the length less 1, and one word, or as many as its length where
it is no run. All from the highest bit on; zeros fill the last byte, or one more.
Words are the R, G, B and A of each pixel along the rows. A pixel is inside where A is not 0.
Source: thi-ng/umbrella, packages/rle-pack; label_studio_sdk, converter/brush.py.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError
from ...shapes.runs import encode_runs

_CHANNELS = 4
_HEAD_BITS = 32 + 5 + 4 * 4
_SIZES = (3, 4, 8, 16)
"""Bits of a length that are written."""

_LONGEST = 1 << 16
_BLOCK = 1 << 17
"""Bytes of which the blocks are looked for at once."""


def unpack_mask(
    packed: NDArray[np.uint8], size_HW: tuple[int, int], *, where: str
) -> NDArray[np.bool_]:
    """H x W, True where the alpha channel is not 0.

    Raises:
        DataError: The bits break off, go on, or are of an image of another size.
    """
    padded = np.concatenate((packed, np.zeros(8, np.uint8)))
    if len(packed) * 8 < _HEAD_BITS:
        raise DataError(
            f"{where}: {len(packed)} bytes of run lengths break off; export it again"
        )
    num = int.from_bytes(packed[:4].tobytes(), "big")
    height, width = size_HW
    if num != height * width * _CHANNELS:
        raise DataError(
            f"{where}: its run lengths are of {num:,} values, the image of {height} x {width} "
            f"(H x W) has {height * width:,} pixels of 4; export it again"
        )
    word = int(_bits(padded, np.array([32]), 5)[0]) + 1
    if word > 8:
        raise DataError(f"{where}: its run lengths have values of {word} bits, expected 8")
    sizes = _bits(padded, np.array([37, 41, 45, 49]), 4).astype(np.int64) + 1
    start, length = _blocks(padded, sizes, word, num, where)
    lengths, values = _runs(padded, sizes, word, start, length)
    ends = np.cumsum(lengths) // _CHANNELS  # the alpha of a pixel is the last of its four
    inside = np.repeat(values > 0, np.diff(ends, prepend=0))
    return inside.reshape(size_HW)


def pack_mask(inside_HW: NDArray[np.bool_]) -> list[int]:
    """The bytes of a mask, 255 in all channels where it is True; undoes `unpack_mask`."""
    counts = encode_runs(inside_HW.ravel()) * _CHANNELS
    values = np.where(np.arange(len(counts)) % 2, 255, 0)
    values, counts = values[counts > 0], counts[counts > 0]
    pieces = -(-counts // _LONGEST)
    values = np.repeat(values, pieces)
    lengths = np.full(len(values), _LONGEST, np.int64)
    lengths[np.cumsum(pieces) - 1] = counts - (pieces - 1) * _LONGEST
    lengths = np.where(lengths == 0, _LONGEST, lengths)
    which = np.searchsorted(np.array([8, 16, 256]), np.repeat(counts, pieces))
    size = np.array(_SIZES)[which]
    words = (((4 | which) << size | lengths - 1) << 8) | values
    head = [(inside_HW.size * _CHANNELS, 32), (7, 5), *((size - 1, 4) for size in _SIZES)]
    bits = _bit_rows(*(np.array(part, np.int64) for part in zip(*head, strict=True)))
    bits = np.concatenate((bits, *(_bit_rows(w, n) for w, n in _cut(words, 11 + size))))
    filled = np.zeros(8 - len(bits) % 8, np.bool_)  # a whole byte where none is needed
    found: list[int] = np.packbits(np.concatenate((bits, filled))).tolist()
    return found


def _blocks(
    padded: NDArray[np.uint8], sizes: NDArray[np.int64], word: int, num: int, where: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First bit and length of each block, until there are `num` values."""
    num_bits = 8 * (len(padded) - 8)
    place, found, total = _HEAD_BITS, [np.zeros((2, 0), np.int64)], 0
    while total < num:
        first = place // 8
        if place >= num_bits:
            raise DataError(
                f"{where}: its run lengths break off after {total:,} of {num:,} values; export "
                f"it again"
            )
        behind, length = _every_block(padded, first, sizes, word)
        steps, place = _walk(behind, place - 8 * first)
        place += 8 * first
        found.append(np.stack((steps + 8 * first, length[steps])))
        total += int(length[steps].sum())
    starts, lengths = np.concatenate(found, axis=1)
    ends = np.cumsum(lengths)
    last = int(np.searchsorted(ends, num))
    is_run = _bits(padded, starts[last : last + 1], 1)[0]
    size = sizes[_bits(padded, starts[last : last + 1] + 1, 2)[0]]
    end = int(starts[last] + 3 + size + word * (1 if is_run else lengths[last]))
    _refuse_end(padded, int(ends[last]), num, end, where)
    return starts[: last + 1], lengths[: last + 1]


def _refuse_end(padded: NDArray[np.uint8], total: int, num: int, end: int, where: str) -> None:
    """`end` is the bit behind the last block."""
    if end > 8 * (len(padded) - 8):
        raise DataError(f"{where}: its run lengths break off within a block; export it again")
    if total > num:
        raise DataError(
            f"{where}: its run lengths are {total:,} values, not the {num:,} stated; "
            f"export it again"
        )
    rest = np.unpackbits(padded[end // 8 :])[end % 8 :]
    if rest.any():
        raise DataError(
            f"{where}: its run lengths go on behind the {num:,} values that are stated; export "
            f"it again"
        )


def _every_block(
    padded: NDArray[np.uint8], first: int, sizes: NDArray[np.int64], word: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of a block that began at each bit from byte `first` on: the bit behind it, its length."""
    last = min(first + _BLOCK, len(padded) - 8)
    wide = np.zeros(last - first, np.uint64)
    for byte in range(4):
        wide = wide << np.uint64(8) | padded[first + byte : last + byte]
    shift = np.tile(np.arange(8, dtype=np.uint64), last - first)
    bits = (np.repeat(wide, 8) << shift) & np.uint64(0xFFFFFFFF)  # 25 bits of it are right
    size = sizes[(bits >> np.uint64(29)) & np.uint64(3)]
    length = ((bits & np.uint64(0x1FFFFFFF)) >> (29 - size).astype(np.uint64)).astype(np.int64)
    length += 1
    is_run = bits >> np.uint64(31) == 1
    behind = np.arange(len(bits)) + 3 + size + word * np.where(is_run, 1, length)
    return behind, length


def _walk(behind: NDArray[np.int64], place: int) -> tuple[NDArray[np.int64], int]:
    """Blocks that follow each other, and where the first begins that lies further on."""
    steps, num, follow = [], len(behind), behind.data
    while place < num:
        steps.append(place)
        place = follow[place]
    return np.array(steps, np.int64), place


def _runs(
    padded: NDArray[np.uint8],
    sizes: NDArray[np.int64],
    word: int,
    start: NDArray[np.int64],
    length: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Lengths and values; what is no run is as many of length 1."""
    is_run = _bits(padded, start, 1) == 1
    first = start + 3 + sizes[_bits(padded, start + 1, 2)]
    times = np.where(is_run, 1, length)
    which = np.repeat(np.arange(len(start)), times)
    step = np.arange(len(which)) - np.repeat(np.cumsum(times) - times, times)
    values = _bits(padded, first[which] + word * step, word)
    return np.where(is_run, length, 1)[which], values


def _bits(padded: NDArray[np.uint8], place: NDArray[np.int64], count: int) -> NDArray[np.uint8]:
    """The numbers of `count` (up to 8) bits at these places."""
    wide = padded[place >> 3].astype(np.uint16) << 8 | padded[(place >> 3) + 1]
    numbers: NDArray[np.uint8] = wide << (place & 7).astype(np.uint16) >> (16 - count)
    return numbers.astype(np.uint8)


def _cut(
    words: NDArray[np.int64], sizes: NDArray[np.int64], most: int = 1 << 18
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pieces of some megabytes of bits."""
    return (
        (words[first : first + most], sizes[first : first + most])
        for first in range(0, len(words), most)
    )


def _bit_rows(words: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The lowest `sizes` bits of each word, the highest first, one word behind the other."""
    place = np.arange(int(sizes.max(initial=0)))
    shift = sizes[:, None] - 1 - place
    bits = (words[:, None] >> np.maximum(shift, 0) & 1).astype(np.bool_)
    found: NDArray[np.bool_] = bits[shift >= 0]
    return found
