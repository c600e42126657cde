"""Inner loops with NumPy and OpenCV alone: whole arrays, words of eight pixels or of 64 bits.

Maps with few borders are counted by the changes from one row to the next, maps with many, such
as noise, by OpenCV's histogram.
"""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from ...labels import LabelMap
from ..lattice import Lattice
from ._bits import Plane, any_in_window, count_set, dilate, pack, take_from_right, unpack

_MAX_HISTOGRAM_PX = 2**24
"""cv2.calcHist counts in float32, which holds every integer up to this one."""

_STRIP_ROWS = 32
"""Rows whose values are looked up at once, to find the rows that hold a class."""

_BUSY_RATIO = 0.1
"""Share of words that change from row to row above which the histogram is faster."""


def count_pairs(truth_HW: LabelMap, predicted_HW: LabelMap) -> NDArray[np.int64]:
    """See `core.kernels.kernel.Kernel`."""
    width = truth_HW.shape[-1] if truth_HW.ndim else 1
    truth = np.ascontiguousarray(truth_HW).reshape(-1)
    predicted = np.ascontiguousarray(predicted_HW).reshape(-1)
    num_words, lag = truth.size // 8, max(width // 8, 1)
    if num_words < 2 * lag:
        return _count_by_histogram(truth, predicted)
    body = slice(0, 8 * num_words)
    # Eight uint8 pixels are read as one uint64 word: (8 N,) -> (N,)
    words = truth[body].view(np.uint64), predicted[body].view(np.uint64)
    changed = words[0][lag:] != words[0][:-lag]
    changed |= words[1][lag:] != words[1][:-lag]
    if np.count_nonzero(changed) > _BUSY_RATIO * changed.size:
        return _count_by_histogram(truth, predicted)
    counts = _count_changes(words, np.flatnonzero(changed), lag)
    # The map as if all rows were equal to the first one: `num_rows` of them and a part of one.
    num_rows, rest = divmod(num_words, lag)
    for rows, first_px in ((num_rows, 8 * lag), (1, 8 * rest)):
        counts += rows * _count_pixels(truth[:first_px], predicted[:first_px])
    counts += _count_pixels(truth[8 * num_words :], predicted[8 * num_words :])
    return counts.reshape(256, 256)


def _count_changes(
    words: tuple[NDArray[np.uint64], NDArray[np.uint64]], at: NDArray[np.intp], lag: int
) -> NDArray[np.int64]:
    """Correct the count of a map whose rows all equal the first, by the words `at` that change.

    A row is `lag` words. Where a pixel differs from the pixel above, all rows from there on
    have one more of the new pair and one less of the old pair. Sums of such weights stay far
    below 2^53, up to which float64 is exact.
    """
    num_rows, rest = divmod(words[0].size, lag)
    rows_left = num_rows - 1 - at // lag + (at % lag < rest)
    old, new = _pair_keys(words, at), _pair_keys(words, at + lag)
    pixel = np.flatnonzero(old != new)
    weights = rows_left[pixel >> 3]
    gained = np.bincount(new[pixel], weights=weights, minlength=65536)
    return (gained - np.bincount(old[pixel], weights=weights, minlength=65536)).astype(np.int64)


def _pair_keys(
    words: tuple[NDArray[np.uint64], NDArray[np.uint64]], at: NDArray[np.intp]
) -> NDArray[np.intp]:
    """256 truth + prediction of the eight pixels of each word `at`, (N,) words -> (8 N,)."""
    keys = words[0][at].view(np.uint8).astype(np.intp)
    keys <<= 8
    keys |= words[1][at].view(np.uint8)
    return keys


def _count_pixels(truth: LabelMap, predicted: LabelMap) -> NDArray[np.int64]:
    keys = (truth.astype(np.intp) << 8) | predicted
    return np.bincount(keys, minlength=65536).astype(np.int64)


def _count_by_histogram(truth: LabelMap, predicted: LabelMap) -> NDArray[np.int64]:
    counts = np.zeros((256, 256), np.int64)
    for start in range(0, truth.size, _MAX_HISTOGRAM_PX):
        part = slice(start, start + _MAX_HISTOGRAM_PX)
        maps = [truth[None, part], predicted[None, part]]
        part_counts = cv2.calcHist(maps, [0, 1], None, [256, 256], [0, 256, 0, 256])
        counts += part_counts.astype(np.int64)
    return counts


def count_near(
    truth_HW: LabelMap, predicted_HW: LabelMap, *, num_classes: int, reach_px: int
) -> NDArray[np.int64]:
    """See `core.kernels.kernel.Kernel`."""
    truth_HW, predicted_HW = np.ascontiguousarray(truth_HW), np.ascontiguousarray(predicted_HW)
    counts_4C = np.zeros((4, num_classes), np.int64)
    for index, rows in _find_class_rows((truth_HW, predicted_HW), num_classes):
        outlines = _outline(truth_HW[rows], index), _outline(predicted_HW[rows], index)
        truth, predicted = _crop_to_set(*outlines)
        counts_4C[:, index] = (
            count_set(truth),
            count_set(truth & dilate(predicted, reach_px)),
            count_set(predicted),
            count_set(predicted & dilate(truth, reach_px)),
        )
    return counts_4C


def _find_class_rows(
    maps: tuple[LabelMap, ...], num_classes: int
) -> Iterator[tuple[int, slice]]:
    """Yield each class in either map, with the rows that hold it and one more on both sides."""
    tops = range(0, maps[0].shape[0], _STRIP_ROWS)
    is_in_strip = np.zeros((len(tops), 256), np.bool_)
    for strip, top in enumerate(tops):
        for labels_HW in maps:
            part = labels_HW[top : top + _STRIP_ROWS]
            counts = cv2.calcHist([part], [0], None, [256], [0, 256])
            is_in_strip[strip] |= counts.ravel() > 0  # (256, 1) -> (256,)
    for index in np.flatnonzero(is_in_strip[:, :num_classes].any(axis=0)).tolist():
        strips = np.flatnonzero(is_in_strip[:, index])
        first, last = _STRIP_ROWS * int(strips[0]), _STRIP_ROWS * int(strips[-1] + 1)
        yield index, slice(max(first - 1, 0), last + 1)


def _outline(labels_HW: LabelMap, index: int) -> Plane:
    """Set the boundary pixels of one class: their 2 x 2 square holds it and something else."""
    inside = pack(labels_HW == index)
    right = take_from_right(inside, 1)
    # The last pixel of a row is its own right neighbour.
    last_px = labels_HW.shape[1] - 1
    word, bit = last_px // 64, np.uint64(1 << last_px % 64)
    right[:, word] = (right[:, word] & (bit - np.uint64(1))) | (inside[:, word] & bit)
    # Of the square: some pixel is of the class, and not all of them. The row below completes
    # the pair of a pixel and its right neighbour to the 2 x 2 square.
    some, both = inside | right, inside & right
    some[:-1] |= some[1:]
    both[:-1] &= both[1:]
    return some & ~both


def _crop_to_set(a: Plane, b: Plane) -> tuple[Plane, Plane]:
    """Cut from both planes the rows and columns of words outside all set bits."""
    either = a | b
    for axis in (1, 0):
        used = np.flatnonzero(either.any(axis=axis))
        span = slice(used[0], used[-1] + 1) if used.size else slice(0)
        part = (span,) if axis else (slice(None), span)
        a, b, either = a[part], b[part], either[part]
    return a, b


def mark_outside_band(labels_HW: LabelMap, depth_px: int) -> NDArray[np.uint8]:
    """See `core.kernels.kernel.Kernel`."""
    height, width = (side - 2 * depth_px for side in labels_HW.shape)
    outside_HW = np.zeros(labels_HW.shape, np.uint8)
    if height <= 0 or width <= 0:
        return outside_HW
    labels_HW = np.ascontiguousarray(labels_HW)
    here = labels_HW[:-1, :-1]
    mixed = here != labels_HW[:-1, 1:]
    mixed |= here != labels_HW[1:, :-1]
    mixed |= here != labels_HW[1:, 1:]
    # The square of 2 depth_px + 1 pixels holds one value where none of the 2 x 2 squares in it,
    # 2 depth_px on each side, is mixed.
    is_band = unpack(any_in_window(pack(mixed), 2 * depth_px), width)
    inner = slice(depth_px, -depth_px), slice(depth_px, -depth_px)
    np.subtract(is_band, 1, out=outside_HW[inner])  # 1 -> 0, 0 -> 255: uint8 wraps
    return outside_HW


def blur(planes_KN: NDArray[np.float32], lattice: Lattice) -> None:
    """See `core.kernels.kernel.Kernel`."""
    here_M = np.zeros(lattice.before_AM.shape[1], np.float32)
    # One plane at a time, so that memory does not grow with the number of planes.
    for plane, plane_N in enumerate(planes_KN):
        here_M[:] = 0
        # Splat: add each point's value to its A vertices. np.add.at adds in the order of the
        # points, as the compiled loop does; np.bincount would sum in float64.
        for vertex_N, weight_N in zip(lattice.vertex_AN, lattice.weight_AN, strict=True):
            np.add.at(here_M, vertex_N, weight_N * plane_N)
        # Blur along one direction after the other.
        for before_M, after_M in zip(lattice.before_AM, lattice.after_AM, strict=True):
            sides_M = here_M[before_M]
            sides_M += here_M[after_M]
            sides_M *= np.float32(0.5)
            here_M += sides_M
            here_M[-1] = 0  # stands for all missing vertices, which hold nothing
        # Slice: each point is the weighted mean of its vertices.
        planes_KN[plane] = 0
        for vertex_N, weight_N in zip(lattice.vertex_AN, lattice.weight_AN, strict=True):
            planes_KN[plane] += weight_N * here_M[vertex_N]
