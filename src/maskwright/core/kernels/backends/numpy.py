"""Inner loops with NumPy and OpenCV alone: whole arrays, words of eight pixels or of 64 bits.

Maps with few borders are counted by what changes from one row to the next; busy ones, such as
noise, by OpenCV's histogram.
"""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from ...labels import LabelMap
from ..lattice import Lattice
from ._bits import Plane, any_in_window, dilated, from_right, num_set, packed, unpacked

_MAX_HISTOGRAM_PX = 2**24
"""cv2.calcHist answers in float32, which holds every integer up to this one."""

_STRIP_ROWS = 32

_BUSY_RATIO = 0.1
"""Share of words that change from row to row above which the histogram is faster."""


def pair_counts(truth_HW: LabelMap, predicted_HW: LabelMap) -> NDArray[np.int64]:
    """See `core.kernels.kernel.Kernel`."""
    width = truth_HW.shape[-1] if truth_HW.ndim else 1
    truth = np.ascontiguousarray(truth_HW).reshape(-1)
    predicted = np.ascontiguousarray(predicted_HW).reshape(-1)
    num_words, lag = truth.size // 8, max(width // 8, 1)
    if num_words < 2 * lag:
        return _histogram(truth, predicted)
    body = slice(0, 8 * num_words)
    words = truth[body].view(np.uint64), predicted[body].view(np.uint64)
    changed = words[0][lag:] != words[0][:-lag]
    changed |= words[1][lag:] != words[1][:-lag]
    if np.count_nonzero(changed) > _BUSY_RATIO * changed.size:
        return _histogram(truth, predicted)
    counts = _changes(words, np.flatnonzero(changed), lag)
    num_rows, rest = divmod(num_words, lag)
    for rows, first_px in ((num_rows, 8 * lag), (1, 8 * rest)):
        counts += rows * _plain(truth[:first_px], predicted[:first_px])
    counts += _plain(truth[8 * num_words :], predicted[8 * num_words :])
    return counts.reshape(256, 256)


def _changes(
    words: tuple[NDArray[np.uint64], NDArray[np.uint64]], at: NDArray[np.intp], lag: int
) -> NDArray[np.int64]:
    """What the words `at` lack for the count of the map, were each row like the first.

    A row is `lag` words. Where a pixel differs from the one a row above, all rows from there on
    have one more of the new pair and one less of the old. Sums of such weights stay far below
    2^53, up to which float64 is exact.
    """
    num_rows, rest = divmod(words[0].size, lag)
    rows_left = num_rows - 1 - at // lag + (at % lag < rest)
    old, new = _keys(words, at), _keys(words, at + lag)
    pixel = np.flatnonzero(old != new)
    weights = rows_left[pixel >> 3]
    gained = np.bincount(new[pixel], weights=weights, minlength=65536)
    return (gained - np.bincount(old[pixel], weights=weights, minlength=65536)).astype(np.int64)


def _keys(
    words: tuple[NDArray[np.uint64], NDArray[np.uint64]], at: NDArray[np.intp]
) -> NDArray[np.intp]:
    """256 truth + prediction of the eight pixels of each word `at`, in one row."""
    keys = words[0][at].view(np.uint8).astype(np.intp)
    keys <<= 8
    keys |= words[1][at].view(np.uint8)
    return keys


def _plain(truth: LabelMap, predicted: LabelMap) -> NDArray[np.int64]:
    keys = (truth.astype(np.intp) << 8) | predicted
    return np.bincount(keys, minlength=65536).astype(np.int64)


def _histogram(truth: LabelMap, predicted: LabelMap) -> NDArray[np.int64]:
    counts = np.zeros((256, 256), np.int64)
    for start in range(0, truth.size, _MAX_HISTOGRAM_PX):
        part = slice(start, start + _MAX_HISTOGRAM_PX)
        maps = [truth[None, part], predicted[None, part]]
        found = cv2.calcHist(maps, [0, 1], None, [256, 256], [0, 256, 0, 256])
        counts += found.astype(np.int64)
    return counts


def near_counts(
    truth_HW: LabelMap, predicted_HW: LabelMap, *, num_classes: int, reach_px: int
) -> NDArray[np.int64]:
    """See `core.kernels.kernel.Kernel`."""
    truth_HW, predicted_HW = np.ascontiguousarray(truth_HW), np.ascontiguousarray(predicted_HW)
    counts_4C = np.zeros((4, num_classes), np.int64)
    for index, rows in _rows_of_classes((truth_HW, predicted_HW), num_classes):
        outlines = _outline(truth_HW[rows], index), _outline(predicted_HW[rows], index)
        truth, predicted = _cropped(*outlines)
        counts_4C[:, index] = (
            num_set(truth),
            num_set(truth & dilated(predicted, reach_px)),
            num_set(predicted),
            num_set(predicted & dilated(truth, reach_px)),
        )
    return counts_4C


def _rows_of_classes(
    maps: tuple[LabelMap, ...], num_classes: int
) -> Iterator[tuple[int, slice]]:
    """Each class found, with the rows that hold all of it and one row more on both sides."""
    tops = range(0, maps[0].shape[0], _STRIP_ROWS)
    found = np.zeros((len(tops), 256), np.bool_)
    for strip, top in enumerate(tops):
        for labels_HW in maps:
            part = labels_HW[top : top + _STRIP_ROWS]
            found[strip] |= cv2.calcHist([part], [0], None, [256], [0, 256]).ravel() > 0
    for index in np.flatnonzero(found[:, :num_classes].any(axis=0)).tolist():
        strips = np.flatnonzero(found[:, index])
        first, last = _STRIP_ROWS * int(strips[0]), _STRIP_ROWS * int(strips[-1] + 1)
        yield index, slice(max(first - 1, 0), last + 1)


def _outline(labels_HW: LabelMap, index: int) -> Plane:
    """Boundary pixels of one class: those whose 2 x 2 square holds it and something else."""
    inside = packed(labels_HW == index)
    right = from_right(inside, 1)
    last_px = labels_HW.shape[1] - 1
    word, bit = last_px // 64, np.uint64(1 << last_px % 64)
    right[:, word] = (right[:, word] & (bit - np.uint64(1))) | (inside[:, word] & bit)
    some, both = inside | right, inside & right
    some[:-1] |= some[1:]
    both[:-1] &= both[1:]
    return some & ~both


def _cropped(a: Plane, b: Plane) -> tuple[Plane, Plane]:
    """Both planes, less the rows and columns of words before and after all that is set."""
    either = a | b
    for axis in (1, 0):
        used = np.flatnonzero(either.any(axis=axis))
        span = slice(used[0], used[-1] + 1) if used.size else slice(0)
        part = (span,) if axis else (slice(None), span)
        a, b, either = a[part], b[part], either[part]
    return a, b


def outside_band(labels_HW: LabelMap, depth_px: int) -> NDArray[np.uint8]:
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
    found = unpacked(any_in_window(packed(mixed), 2 * depth_px), width)
    inner = slice(depth_px, -depth_px), slice(depth_px, -depth_px)
    np.subtract(found, 1, out=outside_HW[inner])
    return outside_HW


def blurred(planes_KN: NDArray[np.float32], lattice: Lattice) -> None:
    """See `core.kernels.kernel.Kernel`."""
    here_M = np.zeros(lattice.before_AM.shape[1], np.float32)
    for plane, plane_N in enumerate(planes_KN):
        here_M[:] = 0
        for vertex_N, weight_N in zip(lattice.vertex_AN, lattice.weight_AN, strict=True):
            np.add.at(here_M, vertex_N, weight_N * plane_N)
        for before_M, after_M in zip(lattice.before_AM, lattice.after_AM, strict=True):
            sides_M = here_M[before_M]
            sides_M += here_M[after_M]
            sides_M *= np.float32(0.5)
            here_M += sides_M
            here_M[-1] = 0
        planes_KN[plane] = 0
        for vertex_N, weight_N in zip(lattice.vertex_AN, lattice.weight_AN, strict=True):
            planes_KN[plane] += weight_N * here_M[vertex_N]
