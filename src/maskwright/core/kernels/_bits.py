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
    """Each pixel takes the bit `step_px` (0..63) to its right; zeros come in at the border."""
    if not step_px:
        return plane.copy()
    moved = plane >> np.uint64(step_px)
    moved[:, :-1] |= plane[:, 1:] << np.uint64(64 - step_px)
    return moved


def from_left(plane: Plane, step_px: int) -> Plane:
    """Each pixel takes the bit `step_px` (1..63) to its left; zeros come in at the border."""
    moved = plane << np.uint64(step_px)
    moved[:, 1:] |= plane[:, :-1] >> np.uint64(64 - step_px)
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
    """1 where a bit is 1 at most `reach_px` away (Euclidean, centre to centre)."""
    height, out, width = len(plane), plane.copy(), 0
    for row, needed in reversed(list(enumerate(widths_px(reach_px)))):
        while width < needed:
            step = min(needed - width, 2 * width + 1, 63)
            plane = plane | from_left(plane, step) | from_right(plane, step)
            width += step
        if row < height:
            out[row:] |= plane[: height - row]
            out[: height - row] |= plane[row:]
    return out
