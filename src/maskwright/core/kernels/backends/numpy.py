"""Inner loops with NumPy and OpenCV alone: whole arrays, words of eight pixels or of 64 bits.

Maps with few borders are counted by the changes from one row to the next, maps with many, such
as noise, by OpenCV's histogram.
"""

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ...labels import IGNORE, LabelMap
from ..lattice import Lattice
from . import _upsampling
from ._bits import (
    Plane,
    any_in_window,
    count_set,
    dilate,
    pack_apart,
    take_left_neighbours,
    take_right_neighbours,
    unpack,
)

upsample_argmax = _upsampling.upsample_argmax
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
    maps = np.ascontiguousarray(truth_HW), np.ascontiguousarray(predicted_HW)
    counts_5C = np.zeros((5, num_classes), np.int64)
    free = [_find_free_pairs(labels_HW) for labels_HW in maps]
    ignored = pack_apart(maps[0] == IGNORE)
    for index, rows in _find_class_rows(maps, num_classes):
        inside = [pack_apart(labels_HW[rows] == index) for labels_HW in maps]
        part = _find_surroundings(inside[0] | inside[1])
        truth, predicted = (
            _outline(np.ascontiguousarray(plane[part]), pairs.cut(rows).cut(*part))
            for plane, pairs in zip(inside, free, strict=True)
        )
        open_truth = _outline_open(inside[0][part], ignored[rows][part])
        near, num_open = predicted & dilate(truth, reach_px), count_set(open_truth)
        judged = predicted
        if num_open:
            judged = near | (predicted & ~dilate(open_truth, reach_px))
        counts_5C[:, index] = (
            count_set(truth),
            count_set(truth & dilate(predicted, reach_px)),
            count_set(judged),
            count_set(near),
            num_open,
        )
    return counts_5C


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


class _FreePairs(NamedTuple):
    """Where a pixel and its right, or lower, neighbour can have a boundary between them."""

    right: Plane
    below: Plane

    def cut(self, rows: slice, words: slice = slice(None)) -> "_FreePairs":
        """The pairs within a range of rows and words of the map."""
        return _FreePairs(
            self.right[rows, words], self.below[rows.start : rows.stop - 1, words]
        )


def _find_free_pairs(labels_HW: LabelMap) -> _FreePairs:
    """Find the pairs of neighbours of which neither is IGNORE; none leads out of the map."""
    valid = pack_apart(labels_HW != IGNORE)
    return _FreePairs(valid & take_right_neighbours(valid), valid[:-1] & valid[1:])


def _find_surroundings(plane: Plane) -> tuple[slice, slice]:
    """Find the rows and words of all set bits, with one more on every side."""
    spans = []
    for axis in (1, 0):
        used = np.flatnonzero(plane.any(axis=axis))
        stop = min(int(used[-1]) + 2, plane.shape[1 - axis])
        spans.append(slice(max(int(used[0]) - 1, 0), stop))
    return spans[0], spans[1]


def _outline(inside: Plane, free: _FreePairs) -> Plane:
    """Set the boundary pixels of one class: in their 2 x 2 square a free pair is unlike."""
    level = (inside ^ take_right_neighbours(inside)) & free.right
    return _spread_pairs(level, (inside[:-1] ^ inside[1:]) & free.below)


def _outline_open(inside: Plane, ignored: Plane) -> Plane:
    """Set the open boundary pixels of one class: in their 2 x 2 square a pair has IGNORE."""
    level = inside & take_right_neighbours(ignored)
    level |= ignored & take_right_neighbours(inside)
    upright = (inside[:-1] & ignored[1:]) | (ignored[:-1] & inside[1:])
    return _spread_pairs(level, upright)


def _spread_pairs(level: Plane, upright: Plane) -> Plane:
    """Set the upper left pixel of each 2 x 2 square that holds a set pair."""
    square = level.copy()
    square[:-1] |= level[1:]
    square[:-1] |= upright
    square[:-1] |= take_right_neighbours(upright)
    return square


def mark_outside_band(
    labels_HW: LabelMap, depth_px: int, *, ignore_is_class: bool = False
) -> NDArray[np.uint8]:
    """See `core.kernels.kernel.Kernel`."""
    if not labels_HW.size:
        return np.zeros(labels_HW.shape, np.uint8)
    mixed = _mark_mixed(np.ascontiguousarray(labels_HW), ignore_is_class=ignore_is_class)
    # The square of 2 depth_px + 1 pixels holds no border where none of the 2 x 2 squares in it,
    # 2 depth_px on each side, is mixed. Outside of the map none is.
    margin = depth_px - 1
    margin_words = -(-margin // 64)
    wide = np.pad(mixed, ((margin, margin), (margin_words, margin_words)))
    first_px = 64 * margin_words - margin
    stop_px = first_px + labels_HW.shape[1]
    is_band = unpack(any_in_window(wide, 2 * depth_px), stop_px)[:, first_px:]
    return np.subtract(is_band, 1)  # 1 -> 0, 0 -> 255: uint8 wraps


def _mark_mixed(labels_HW: LabelMap, *, ignore_is_class: bool) -> Plane:
    """Mark which of the (H + 1) x (W + 1) squares of 2 x 2 pixels hold a border.

    Square (y, x) has pixel (y, x) at its lower right; pixels beyond the map differ from all.
    """
    height, width = labels_HW.shape
    level_HW = np.ones((height, width + 1), np.bool_)
    np.not_equal(labels_HW[:, 1:], labels_HW[:, :-1], out=level_HW[:, 1:-1])
    upright_HW = np.ones((height + 1, width), np.bool_)
    np.not_equal(labels_HW[1:], labels_HW[:-1], out=upright_HW[1:-1])
    level, upright = pack_apart(level_HW), pack_apart(upright_HW)
    if not ignore_is_class:
        valid_HW = np.ones((height + 2, width + 2), np.bool_)
        np.not_equal(labels_HW, IGNORE, out=valid_HW[1:-1, 1:-1])
        valid = pack_apart(valid_HW)
        words = slice(level.shape[1])
        level &= (valid[1:-1] & take_right_neighbours(valid[1:-1]))[:, words]
        words = slice(upright.shape[1])
        upright &= take_right_neighbours(valid[:-1] & valid[1:])[:, words]
    mixed = np.zeros((height + 1, level.shape[1]), np.uint64)
    mixed[:-1] |= level
    mixed[1:] |= level
    words = slice(upright.shape[1])
    mixed[:, words] |= upright
    mixed[:, words] |= take_left_neighbours(upright)
    return mixed


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
