"""Run lengths of masks: the counts that COCO, CVAT and competitions store.

Counts alternate zeros, ones, zeros ..., the first being zeros (it may be 0). COCO counts down
the columns, CVAT and most others along the rows; that is for the caller to transpose.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from .raster import Crop

_CONTINUED, _SIGN, _BITS = 0x20, 0x10, 5


def encode_runs(flat: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Counts of a flat mask."""
    flat = np.ascontiguousarray(flat)
    turns = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = [0, 0] if flat.size and flat[0] else [0]
    return np.diff(np.concatenate((starts, turns, [flat.size])))


def decode_runs(counts: NDArray[np.int64], shape: tuple[int, int], *, where: str) -> Any:
    """The mask (bool, of `shape`, along the rows) that the counts describe.

    Raises:
        DataError: A count is negative, or they do not add up to the size.
    """
    _refuse_wrong(counts, shape, where=where)
    ones = np.arange(len(counts)) % 2 == 1
    return np.repeat(ones, counts).reshape(shape)


def _refuse_wrong(counts: NDArray[np.int64], shape: tuple[int, int], *, where: str) -> None:
    total = shape[0] * shape[1]
    if counts.size and (counts.min() < 0 or counts.max() > total):
        raise DataError(f"{where}: a run length is outside 0..{total}; export the mask again")
    if counts.sum() != total:
        raise DataError(
            f"{where}: run lengths add up to {counts.sum()}, the mask has {shape[0]} x "
            f"{shape[1]} = {total} pixels; export the mask again"
        )


def decode_coco_text(text: str | bytes, *, where: str) -> NDArray[np.int64]:
    """Counts of COCO's compressed string.

    Six bits a character, from '0' on: five of data, lowest first, and one that says that the
    number goes on; from the fourth number on each is the difference to the one two before.
    Source: cocoapi, common/maskApi.c, rleFrString.

    Raises:
        DataError: A character that is none of these 64, or the text breaks off.
    """
    try:
        raw = text.encode("ascii") if isinstance(text, str) else text
    except UnicodeEncodeError:
        raise DataError(f"{where}: its run lengths are no COCO string") from None
    codes = np.frombuffer(raw, np.uint8).astype(np.int64) - 48
    if codes.size and (codes.min() < 0 or codes.max() > 63):
        raise DataError(f"{where}: its run lengths are no COCO string")
    if not codes.size:
        return codes
    ends = np.flatnonzero(codes & _CONTINUED == 0)
    if not ends.size or ends[-1] != codes.size - 1:
        raise DataError(f"{where}: its run lengths break off; export the mask again")
    begins = np.concatenate(([0], ends[:-1] + 1))
    place = np.arange(codes.size) - np.repeat(begins, ends - begins + 1)
    if place.max() > 6:
        raise DataError(f"{where}: a run length has more than 35 bits; export the mask again")
    deltas = np.add.reduceat((codes & 31) << (_BITS * place), begins)
    deltas -= np.where(codes[ends] & _SIGN, 1 << (_BITS * (place[ends] + 1)), 0)
    counts = deltas.copy()
    counts[1::2] = np.cumsum(deltas[1::2])
    counts[2::2] = np.cumsum(deltas[2::2])
    return counts


def encode_coco_text(counts: NDArray[np.int64]) -> str:
    """COCO's compressed string of counts; undoes `decode_coco_text`."""
    deltas = counts.astype(np.int64)
    deltas[3:] = counts[3:] - counts[1:-2]
    size = np.where(deltas < 0, ~deltas, deltas)
    shifts = _BITS * np.arange(1, 7)[:, None] - 1
    length = 1 + np.count_nonzero(size >> shifts, axis=0)
    number = np.repeat(np.arange(len(deltas)), length)
    place = np.arange(len(number)) - np.repeat(np.cumsum(length) - length, length)
    codes = (deltas[number] >> (_BITS * place)) & 31
    codes[place < length[number] - 1] |= _CONTINUED
    return bytes((codes + 48).astype(np.uint8)).decode("ascii")


def decode_columns(counts: NDArray[np.int64], size_HW: tuple[int, int], *, where: str) -> Crop:
    """The mask that counts down the columns describe (COCO), only where it is not empty.

    Raises:
        DataError: As `decode_runs`.
    """
    height = size_HW[0]
    _refuse_wrong(counts, size_HW, where=where)
    ends = np.cumsum(counts)
    inside = np.flatnonzero(counts[1::2]) * 2 + 1
    if not inside.size:
        return Crop(0, 0, np.zeros((0, 0), np.bool_))
    left = int(ends[inside[0] - 1]) // height
    right = (int(ends[inside[-1]]) - 1) // height + 1
    ends = np.clip(ends, left * height, right * height)
    cut = ends - np.concatenate(([left * height], ends[:-1]))
    columns = np.repeat(np.arange(len(cut)) % 2 == 1, cut).reshape(right - left, height)
    rows = np.flatnonzero(columns.any(axis=0))
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    return Crop(top, left, np.ascontiguousarray(columns[:, top:bottom].T))


def encode_columns(crop: Crop, size_HW: tuple[int, int]) -> NDArray[np.int64]:
    """Counts down the columns of the whole image; undoes `decode_columns`."""
    height, width = size_HW
    padded = np.zeros((crop.inside_hw.shape[1], crop.inside_hw.shape[0] + 2), np.int8)
    padded[:, 1:-1] = crop.inside_hw.T
    turn = np.diff(padded, axis=1)
    starts, ends = (
        (column + crop.left) * height + row + crop.top
        for column, row in (np.nonzero(turn == 1), np.nonzero(turn == -1))
    )
    apart = starts[1:] != ends[:-1]
    starts = starts[np.r_[True, apart][: len(starts)]]
    turns = np.column_stack((starts, ends[np.r_[apart, True][: len(ends)]])).ravel()
    last = [height * width] if not turns.size or turns[-1] < height * width else []
    return np.diff(np.concatenate(([0], turns, last))).astype(np.int64)
