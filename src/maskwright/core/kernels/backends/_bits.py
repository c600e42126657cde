"""Planes of bits: 64 pixels of a row in one word, the leftmost in the lowest bit."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint64]
"""H x words, one bit per pixel; bits beyond the last pixel of a row have no meaning."""

_WORD = np.dtype("<u8")


def pack_apart(true_HW: NDArray[np.bool_]) -> Plane:
    """Pack one bit per pixel; zeros fill the last word, at least one after each row."""
    height, width = true_HW.shape
    plane = np.zeros((height, width // 64 + 1), _WORD)
    bytes_Hb = np.packbits(true_HW, axis=1, bitorder="little")
    plane.view(np.uint8)[:, : bytes_Hb.shape[1]] = bytes_Hb
    return plane


def unpack(plane: Plane, width: int) -> NDArray[np.uint8]:
    """Unpack to 0 or 1 per pixel, H x width."""
    return np.unpackbits(plane.view(np.uint8), axis=1, count=width, bitorder="little")


def count_set(plane: Plane) -> int:
    """Count the bits that are 1."""
    bytes_HW = np.ascontiguousarray(plane).view(np.uint8)
    return int(cv2.norm(bytes_HW, cv2.NORM_HAMMING)) if plane.size else 0


def take_from_right(plane: Plane, step_px: int) -> Plane:
    """Give each pixel the bit `step_px` (1..63) to its right; the next row follows a row."""
    shifted = plane >> np.uint64(step_px)
    # The bits that a word lacks at its end are the first ones of the next word.
    shifted.reshape(-1)[:-1] |= plane.reshape(-1)[1:] << np.uint64(64 - step_px)
    return shifted


def take_right_neighbours(plane: Plane) -> Plane:
    """Give each pixel the bit of the pixel to its right, 0 to the last one of a row."""
    shifted = plane >> np.uint64(1)
    shifted[:, :-1] |= plane[:, 1:] << np.uint64(63)
    return shifted


def take_left_neighbours(plane: Plane) -> Plane:
    """Give each pixel the bit of the pixel to its left, 0 to the first one of a row."""
    shifted = plane << np.uint64(1)
    shifted[:, 1:] |= plane[:, :-1] >> np.uint64(63)
    return shifted


def any_in_window(plane: Plane, side_px: int) -> Plane:
    """Set the pixels where any bit is 1 in the square of `side_px` >= 1 that begins there.

    Only for squares inside: H - side_px + 1 rows; columns beyond W - side_px have no meaning.
    """
    # Two windows of `span`, one step apart, make one of up to twice the length: log2(side_px)
    # passes over the plane in place of side_px.
    span = 1
    while span < side_px:
        step = min(span, side_px - span)
        plane = plane[:-step] | plane[step:]
        span += step
    span = 1
    while span < side_px:
        step = min(span, side_px - span, 63)
        plane = plane | take_from_right(plane, step)
        span += step
    return plane


def disc_half_widths_px(reach_px: int) -> list[int]:
    """Half the width of a disc in its rows 0, 1, ... `reach_px` from the centre."""
    return [math.isqrt(reach_px**2 - row**2) for row in range(reach_px + 1)]


def dilate(plane: Plane, reach_px: int) -> Plane:
    """Set the pixels that have a set bit at most `reach_px` away (Euclidean, centre to centre).

    Rows are put in one line with a margin between them, which takes the bits that leave a row.
    """
    height, num_words = plane.shape
    spaced = np.pad(plane, ((0, 0), (0, reach_px // 64 + 1)))
    line = spaced.reshape(-1)
    out, width = line.copy(), 0
    # A disc is the union of its rows. From its top row to its middle the width only grows, so
    # one line is widened step by step, and added to `out` as many rows up and down as it needs.
    for row, needed in reversed(list(enumerate(disc_half_widths_px(reach_px)))):
        while width < needed:
            step = min(needed - width, 2 * width + 1, 63)
            line = _widen(line, step)
            width += step
        shift = row * spaced.shape[1]  # words between a row and the one `row` rows below
        if row < height:
            out[shift:] |= line[: line.size - shift]
            out[: line.size - shift] |= line[shift:]
    return out.reshape(spaced.shape)[:, :num_words]


def _widen(line: Plane, step_px: int) -> Plane:
    """Set each bit and those `step_px` (1..63) to its left and right."""
    step, rest = np.uint64(step_px), np.uint64(64 - step_px)
    wide = line << step
    wide |= line >> step
    wide |= line
    wide[1:] |= line[:-1] >> rest
    wide[:-1] |= line[1:] << rest
    return wide
