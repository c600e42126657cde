"""Encode and decode run lengths of masks, as COCO, CVAT and competitions store them.

Counts alternate zeros, ones, zeros ..., starting with zeros (the first count may be 0). COCO
counts down the columns, CVAT and most others along the rows.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from .raster import Crop

_CONTINUED, _SIGN, _BITS = 0x20, 0x10, 5


def encode_runs(flat: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Encode a flat mask as counts."""
    flat = np.ascontiguousarray(flat)
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = [0, 0] if flat.size and flat[0] else [0]  # a mask that starts with True: 0 zeros
    return np.diff(np.concatenate((starts, changes, [flat.size])))


def decode_runs(counts: NDArray[np.int64], shape: tuple[int, int], *, where: str) -> Any:
    """Decode counts along the rows into a bool mask of `shape`.

    Raises:
        DataError: A count is negative, or the counts do not add up to the size.
    """
    _require_sum(counts, shape, where=where)
    ones = np.arange(len(counts)) % 2 == 1
    return np.repeat(ones, counts).reshape(shape)


def _require_sum(counts: NDArray[np.int64], shape: tuple[int, int], *, where: str) -> None:
    total = shape[0] * shape[1]
    if counts.size and (counts.min() < 0 or counts.max() > total):
        raise DataError(f"{where}: a run length is not in 0..{total}; export the mask again")
    if counts.sum() != total:
        raise DataError(
            f"{where}: run lengths add up to {counts.sum()}, the mask has {shape[0]} x "
            f"{shape[1]} = {total} pixels; export the mask again"
        )


def decode_coco_text(text: str | bytes, *, where: str) -> NDArray[np.int64]:
    """Decode COCO's compressed string into counts.

    A character holds six bits, counted from '0': five bits of data, the lowest first, and one
    bit that is set if the count continues in the next character. From the fourth count on, the
    difference to the count two before is stored, as such counts are often alike.
    Source: cocoapi, common/maskApi.c, rleFrString.

    Raises:
        DataError: A character is not one of these 64, or the text is truncated.
    """
    try:
        raw = text.encode("ascii") if isinstance(text, str) else text
    except UnicodeEncodeError:
        raise DataError(
            f"{where}: its run lengths are not a COCO string; export the mask again"
        ) from None
    codes = np.frombuffer(raw, np.uint8).astype(np.int64) - 48
    if codes.size and (codes.min() < 0 or codes.max() > 63):
        raise DataError(
            f"{where}: its run lengths are not a COCO string; export the mask again"
        )
    if not codes.size:
        return codes
    ends = np.flatnonzero(codes & _CONTINUED == 0)
    if not ends.size or ends[-1] != codes.size - 1:
        raise DataError(f"{where}: its run lengths are truncated; export the mask again")
    starts = np.concatenate(([0], ends[:-1] + 1))
    position = np.arange(codes.size) - np.repeat(starts, ends - starts + 1)  # in its count
    if position.max() > 6:
        raise DataError(f"{where}: a run length has more than 35 bits; export the mask again")
    deltas = np.add.reduceat((codes & 31) << (_BITS * position), starts)
    # Two's complement: the highest data bit of the last character is the sign.
    deltas -= np.where(codes[ends] & _SIGN, 1 << (_BITS * (position[ends] + 1)), 0)
    counts = deltas.copy()
    counts[1::2] = np.cumsum(deltas[1::2])
    counts[2::2] = np.cumsum(deltas[2::2])
    return counts


def encode_coco_text(counts: NDArray[np.int64]) -> str:
    """Encode counts as COCO's compressed string; inverse of `decode_coco_text`."""
    deltas = counts.astype(np.int64)
    deltas[3:] = counts[3:] - counts[1:-2]
    size = np.where(deltas < 0, ~deltas, deltas)
    shifts = _BITS * np.arange(1, 7)[:, None] - 1
    length = 1 + np.count_nonzero(size >> shifts, axis=0)  # characters per count
    index = np.repeat(np.arange(len(deltas)), length)
    position = np.arange(len(index)) - np.repeat(np.cumsum(length) - length, length)
    codes = (deltas[index] >> (_BITS * position)) & 31
    codes[position < length[index] - 1] |= _CONTINUED
    return bytes((codes + 48).astype(np.uint8)).decode("ascii")


def decode_columns(counts: NDArray[np.int64], size_HW: tuple[int, int], *, where: str) -> Crop:
    """Decode counts down the columns (COCO) into the smallest crop with every True pixel.

    Only the columns of the crop are decoded, which is what makes small objects on large images
    cheap.

    Raises:
        DataError: As `decode_runs`.
    """
    height = size_HW[0]
    _require_sum(counts, size_HW, where=where)
    ends = np.cumsum(counts)
    inside = np.flatnonzero(counts[1::2]) * 2 + 1
    if not inside.size:
        return Crop(0, 0, np.zeros((0, 0), np.bool_))
    left = int(ends[inside[0] - 1]) // height
    right = (int(ends[inside[-1]]) - 1) // height + 1
    ends = np.clip(ends, left * height, right * height)  # without the columns beside the crop
    cut = ends - np.concatenate(([left * height], ends[:-1]))
    # (columns * height,) -> (columns, height)
    columns = np.repeat(np.arange(len(cut)) % 2 == 1, cut).reshape(right - left, height)
    rows = np.flatnonzero(columns.any(axis=0))
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    return Crop(top, left, np.ascontiguousarray(columns[:, top:bottom].T))


def encode_columns(crop: Crop, size_HW: tuple[int, int]) -> NDArray[np.int64]:
    """Encode a crop as counts down the columns of the image; inverse of `decode_columns`."""
    height, width = size_HW
    high, wide = crop.inside_hw.shape
    padded = np.zeros((wide, high + 2), np.bool_)
    padded[:, 1:-1] = crop.inside_hw.T
    flat = padded.ravel()  # each column is closed, so that starts and ends of runs alternate
    column, row = np.divmod(np.flatnonzero(flat[1:] != flat[:-1]), high + 2)
    changes = (column + crop.left) * height + row + crop.top
    # A run that ends at the foot of a column and one at the head of the next are one run.
    apart = changes[1:-1:2] != changes[2::2]
    if not apart.all():
        kept = np.ones(len(changes), np.bool_)
        kept[1:-1:2] = kept[2::2] = apart
        changes = changes[kept]
    last = [height * width] if not changes.size or changes[-1] < height * width else []
    return np.diff(np.concatenate(([0], changes, last))).astype(np.int64)
