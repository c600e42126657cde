"""Run lengths of masks: the counts that COCO, CVAT and competitions store.

Counts alternate zeros, ones, zeros ..., the first being zeros (it may be 0). COCO counts down
the columns, CVAT and most others along the rows; that is for the caller to transpose.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError

_CONTINUED, _SIGN, _BITS = 0x20, 0x10, 5


def runs_of(flat: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Counts of a flat mask."""
    flat = np.ascontiguousarray(flat)
    turns = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = [0, 0] if flat.size and flat[0] else [0]
    return np.diff(np.concatenate((starts, turns, [flat.size])))


def mask_of(counts: NDArray[np.int64], shape: tuple[int, int], *, where: str) -> Any:
    """The mask (bool, of `shape`, along the rows) that the counts describe.

    Raises:
        DataError: A count is negative, or they do not add up to the size.
    """
    total = shape[0] * shape[1]
    if counts.size and (counts.min() < 0 or counts.max() > total):
        raise DataError(f"{where}: a run length is outside 0..{total}; export the mask again")
    if counts.sum() != total:
        raise DataError(
            f"{where}: run lengths add up to {counts.sum()}, the mask has {shape[0]} x "
            f"{shape[1]} = {total} pixels; export the mask again"
        )
    ones = np.arange(len(counts)) % 2 == 1
    return np.repeat(ones, counts).reshape(shape)


def from_text(text: str | bytes, *, where: str) -> NDArray[np.int64]:
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


def to_text(counts: NDArray[np.int64]) -> str:
    """COCO's compressed string of counts; undoes `from_text`."""
    deltas = counts.astype(np.int64)
    deltas[3:] = counts[3:] - counts[1:-2]
    codes = []
    for number in deltas.tolist():
        rest, more = number, True
        while more:
            code, rest = rest & 31, rest >> _BITS
            more = rest != (-1 if code & _SIGN else 0)
            codes.append(48 + (code | _CONTINUED if more else code))
    return bytes(codes).decode("ascii")
