"""The class of the largest logit at a higher resolution, without enlarging all classes.

Bilinear weights are not negative and sum to 1. Where the four logit pixels around a cell agree
on the class with the largest logit, it is the largest everywhere in the cell. In the other
cells only classes are interpolated whose largest corner reaches the largest of all smallest
corners: every other class is below that one everywhere in the cell.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...labels import LabelMap
from ...logits import Axis, Logits

_CHUNK_PX = 1 << 19
"""Pixels of mixed cells decided at once, which bounds the memory of intermediate arrays."""


_STRIP_PX = 1 << 16
"""Pixels whose largest logits are found at once: their arrays stay in the cache."""


class Cells(NamedTuple):
    """The cells between pixel centres along one axis of N pixels, from before the first one on.

    Cell i lies between the pixels i - 1 and i, 0 <= i <= N; beyond the edge its two pixels are
    the same. `weight` is that of the second pixel, for each pixel of the result; the pixels of
    the result in cell i are `num[i]` from `first[i]` on.
    """

    cell: NDArray[np.int64]
    weight: NDArray[np.float32]
    first: NDArray[np.int64]
    num: NDArray[np.int64]


def divide_axes(logits: Logits) -> tuple[Cells, Cells]:
    """The cells of the rows and of the columns."""
    axes = zip(
        (logits.rows, logits.columns), logits.values_Khw.shape[1:], logits.size_HW, strict=True
    )
    rows, columns = (_divide_axis(axis, size, num) for axis, size, num in axes)
    return rows, columns


def _divide_axis(axis: Axis, size: int, size_result: int) -> Cells:
    place = axis.locate(size_result)
    cell = np.floor(place).astype(np.int64)
    bounds = np.searchsorted(cell, np.arange(-1, size + 1))
    weight = (place - cell).astype(np.float32)
    return Cells(cell + 1, weight, bounds[:-1], np.diff(bounds))


def upsample_argmax(logits: Logits) -> LabelMap:
    """See `core.kernels.kernel.Kernel`."""
    logits_Khw = logits.values_Khw
    if logits.is_full_size:
        return find_largest(logits_Khw)
    rows, columns = divide_axes(logits)
    best = np.pad(find_largest(logits_Khw), 1, mode="edge")
    labels_HW = best.take(rows.cell, axis=0).take(columns.cell, axis=1)
    corner = best[:-1, :-1]
    is_mixed = (corner != best[1:, :-1]) | (corner != best[:-1, 1:]) | (corner != best[1:, 1:])
    is_mixed &= (rows.num > 0)[:, None] & (columns.num > 0)
    y_M, x_M = np.nonzero(is_mixed)
    side = max(1, int(rows.num.max()) * int(columns.num.max()))
    for start in range(0, len(y_M), max(1, _CHUNK_PX // side)):
        part = slice(start, start + max(1, _CHUNK_PX // side))
        _decide_cells(logits_Khw, (rows, columns), (y_M[part], x_M[part]), labels_HW)
    return labels_HW


def find_largest(logits_Khw: NDArray[np.float32]) -> LabelMap:
    """Index of the largest logit of each pixel, the lowest where several are equal."""
    labels_hw = np.zeros(logits_Khw.shape[1:], np.uint8)
    step = max(1, _STRIP_PX // max(1, logits_Khw.shape[2]))
    for top in range(0, len(labels_hw), step):
        _find_largest_of_strip(logits_Khw[:, top : top + step], labels_hw[top : top + step])
    return labels_hw


def _find_largest_of_strip(logits_Khw: NDArray[np.float32], labels_hw: LabelMap) -> None:
    """Write into zeros: classes come in order, so a class that is larger has a larger index."""
    best_hw, is_larger_hw = logits_Khw[0].copy(), np.empty(labels_hw.shape, np.bool_)
    index_hw = is_larger_hw.view(np.uint8)
    for index, plane_hw in enumerate(logits_Khw[1:], start=1):
        np.greater(plane_hw, best_hw, out=is_larger_hw)
        np.multiply(index_hw, np.uint8(index), out=index_hw)
        np.maximum(labels_hw, index_hw, out=labels_hw)
        np.maximum(best_hw, plane_hw, out=best_hw)


def _decide_cells(
    logits_Khw: NDArray[np.float32],
    axes: tuple[Cells, Cells],
    cells: tuple[NDArray[np.int64], NDArray[np.int64]],
    labels_HW: LabelMap,
) -> None:
    """Interpolate within M cells, given by their rows and columns, and write their labels."""
    height, width = logits_Khw.shape[1:]
    (rows, columns), (y_M, x_M) = axes, cells
    y_2M = np.stack([np.maximum(y_M - 1, 0), np.minimum(y_M, height - 1)])
    x_2M = np.stack([np.maximum(x_M - 1, 0), np.minimum(x_M, width - 1)])
    # (2, 1, M) and (1, 2, M) -> (4, M): above left, above right, below left, below right
    corners_4M = (y_2M[:, None] * width + x_2M).reshape(4, -1)
    y_Ms, in_y_Ms = _list_pixels(rows, y_M)
    x_Mt, in_x_Mt = _list_pixels(columns, x_M)
    weights = rows.weight[y_Ms], columns.weight[x_Mt]
    labels_Mst = _interpolate(logits_Khw, corners_4M, weights)
    inside_Mst = in_y_Ms[:, :, None] & in_x_Mt[:, None]
    pixel_Mst = y_Ms[:, :, None] * labels_HW.shape[1] + x_Mt[:, None]
    labels_HW.reshape(-1)[pixel_Mst[inside_Mst]] = labels_Mst[inside_Mst]


def _list_pixels(
    axis: Cells, cell_M: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Pixels of the result in each of M cells, as many as the largest has; which are in it."""
    offset = np.arange(axis.num.max())
    pixel = np.minimum(axis.first[cell_M][:, None] + offset, len(axis.cell) - 1)
    return pixel, offset < axis.num[cell_M][:, None]


def _interpolate(
    logits_Khw: NDArray[np.float32],
    corners_4M: NDArray[np.int64],
    weights: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> NDArray[np.uint8]:
    """The class of the largest logit at the s x t pixels of M cells."""
    planes = logits_Khw.reshape(len(logits_Khw), -1)
    weight_y_Ms, weight_x_Mt = weights
    bound_M = np.full(corners_4M.shape[1], -np.inf, np.float32)
    highest_KM = np.empty((len(planes), len(bound_M)), np.float32)
    for index, plane in enumerate(planes):
        corner_4M = plane.take(corners_4M)
        np.maximum(bound_M, corner_4M.min(axis=0), out=bound_M)
        corner_4M.max(axis=0, out=highest_KM[index])
    size = (len(bound_M), weight_y_Ms.shape[1], weight_x_Mt.shape[1])
    best_Mst, labels_Mst = np.full(size, -np.inf, np.float32), np.zeros(size, np.uint8)
    for index, plane in enumerate(planes):
        some = np.flatnonzero(highest_KM[index] >= bound_M)
        a, b, c, d = plane.take(corners_4M[:, some])[:, :, None]
        left = a + weight_y_Ms[some] * (c - a)
        right = b + weight_y_Ms[some] * (d - b)
        step = (right - left)[:, :, None]
        logit = left[:, :, None] + weight_x_Mt[some][:, None] * step
        best, labels = best_Mst[some], labels_Mst[some]
        np.putmask(labels, logit > best, index)
        best_Mst[some], labels_Mst[some] = np.maximum(logit, best), labels
    return labels_Mst
