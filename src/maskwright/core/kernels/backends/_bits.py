"""Planes of bits: 64 pixels of a row in one word, the leftmost in the lowest bit."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint64]
"""H x words, one bit a pixel; bits beyond the last pixel of a row mean nothing."""

_WORD = np.dtype("<u8")


def packed(true_HW: NDArray[np.bool_]) -> Plane:
    """One bit a pixel; zeros fill the last word."""
    height, width = true_HW.shape
    if width % 64:
        wide_HW = np.zeros((height, width + -width % 64), np.bool_)
        wide_HW[:, :width] = true_HW
        true_HW = wide_HW
    return np.packbits(true_HW, axis=1, bitorder="little").view(_WORD)


def unpacked(plane: Plane, width: int) -> NDArray[np.uint8]:
    """0 or 1 a pixel, H x width."""
    return np.unpackbits(plane.view(np.uint8), axis=1, count=width, bitorder="little")


def num_set(plane: Plane) -> int:
    """Bits that are 1."""
    bytes_HW = np.ascontiguousarray(plane).view(np.uint8)
    return int(cv2.norm(bytes_HW, cv2.NORM_HAMMING)) if plane.size else 0


def from_right(plane: Plane, step_px: int) -> Plane:
    """Each pixel takes the bit `step_px` (1..63) to its right; the next row follows a row."""
    moved = plane >> np.uint64(step_px)
    moved.reshape(-1)[:-1] |= plane.reshape(-1)[1:] << np.uint64(64 - step_px)
    return moved


def any_in_window(plane: Plane, side_px: int) -> Plane:
    """Whether any bit is 1 in the square of `side_px` >= 1 that begins at the pixel.

    Only for squares inside: H - side_px + 1 rows; columns beyond W - side_px mean nothing.
    """
    span = 1
    while span < side_px:  # windows of `span` rows, then of twice as many
        step = min(span, side_px - span)
        plane = plane[:-step] | plane[step:]
        span += step
    span = 1
    while span < side_px:
        step = min(span, side_px - span, 63)
        plane = plane | from_right(plane, step)
        span += step
    return plane


def widths_px(reach_px: int) -> list[int]:
    """Half the width of a disc, in its rows 0, 1, ... `reach_px` from the centre."""
    return [math.isqrt(reach_px**2 - row**2) for row in range(reach_px + 1)]


def dilated(plane: Plane, reach_px: int) -> Plane:
    """1 where a bit is 1 at most `reach_px` away (Euclidean, centre to centre).

    Rows are laid in one line with a margin between them, where bits that leave a row get lost.
    """
    height, num_words = plane.shape
    spaced = np.pad(plane, ((0, 0), (0, reach_px // 64 + 1)))
    line = spaced.reshape(-1)
    out, width = line.copy(), 0
    for row, needed in reversed(list(enumerate(widths_px(reach_px)))):
        while width < needed:
            step = min(needed - width, 2 * width + 1, 63)
            line = _widened(line, step)
            width += step
        shift = row * spaced.shape[1]
        if row < height:
            out[shift:] |= line[: line.size - shift]
            out[: line.size - shift] |= line[shift:]
    return out.reshape(spaced.shape)[:, :num_words]


def _widened(line: Plane, step_px: int) -> Plane:
    """Each bit, and those `step_px` (1..63) to either side."""
    step, rest = np.uint64(step_px), np.uint64(64 - step_px)
    wide = line << step
    wide |= line >> step
    wide |= line
    wide[1:] |= line[:-1] >> rest
    wide[:-1] |= line[1:] << rest
    return wide
