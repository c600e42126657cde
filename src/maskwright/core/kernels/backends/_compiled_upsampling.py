"""The class of the largest logit at a higher resolution, by numba; see `_upsampling`."""

import numpy as np
from numpy.typing import NDArray

from ...labels import LabelMap
from ...logits import Logits
from ._compiled import compile_loop
from ._upsampling import Cells, divide_axes, find_largest

_LOWEST = np.float32(-np.inf)


def upsample_argmax(logits: Logits) -> LabelMap:
    """See `core.kernels.kernel.Kernel`."""
    if logits.is_full_size:
        return find_largest(logits.values_Khw)
    rows, columns = divide_axes(logits)
    labels_HW = np.empty(logits.size_HW, np.uint8)
    _fill_rows(logits.values_Khw, rows, columns, labels_HW)
    return labels_HW


@compile_loop
def _fill_rows(
    logits_Khw: NDArray[np.float32], rows: Cells, columns: Cells, labels_HW: LabelMap
) -> None:
    """Go through the rows of cells; the winners of two rows of logits are held at a time."""
    height, width = logits_Khw.shape[1:]
    above, below = np.empty(width + 2, np.int32), np.empty(width + 2, np.int32)
    best_w = np.empty(width, np.float32)
    mixed = np.empty(width + 1, np.int64)
    for y in range(height + 1):
        above, below = below, above
        if y < height:
            _find_largest(logits_Khw, y, best_w, below)
        else:
            below[:] = above
        if y == 0:
            above[:] = below
        num_mixed = 0
        for x in range(width + 1):
            index = above[x]
            if index == above[x + 1] and index == below[x] and index == below[x + 1]:
                for row in range(rows.first[y], rows.first[y] + rows.num[y]):
                    for column in range(columns.first[x], columns.first[x] + columns.num[x]):
                        labels_HW[row, column] = index
            else:
                mixed[num_mixed] = x
                num_mixed += 1
        if num_mixed and rows.num[y]:
            _fill_mixed(logits_Khw, y, rows, columns, mixed[:num_mixed], labels_HW)


@compile_loop
def _find_largest(
    logits_Khw: NDArray[np.float32],
    y: int,
    best_w: NDArray[np.float32],
    winners: NDArray[np.int32],
) -> None:
    """Winners of a row of logits, the first and the last one repeated at the ends."""
    num_classes, _, width = logits_Khw.shape
    for x in range(width):
        best_w[x] = logits_Khw[0, y, x]
        winners[x + 1] = 0
    for index in range(1, num_classes):
        for x in range(width):
            logit = logits_Khw[index, y, x]
            if logit > best_w[x]:
                best_w[x] = logit
                winners[x + 1] = index
    winners[0] = winners[1]
    winners[width + 1] = winners[width]


@compile_loop
def _fill_mixed(
    logits_Khw: NDArray[np.float32],
    y: int,
    rows: Cells,
    columns: Cells,
    mixed: NDArray[np.int64],
    labels_HW: LabelMap,
) -> None:
    """Interpolate within the cells of row `y` whose corners do not agree."""
    num_classes, height, width = logits_Khw.shape
    above, below = max(y - 1, 0), min(y, height - 1)
    bound = np.full(mixed.size, _LOWEST, np.float32)
    best = np.full((mixed.size, rows.num[y], columns.num.max()), _LOWEST, np.float32)
    for index in range(num_classes):
        for i in range(mixed.size):
            left, right = max(mixed[i] - 1, 0), min(mixed[i], width - 1)
            a, b = logits_Khw[index, above, left], logits_Khw[index, above, right]
            c, d = logits_Khw[index, below, left], logits_Khw[index, below, right]
            smallest = min(a, b, c, d)
            bound[i] = max(bound[i], smallest)
    for index in range(num_classes):
        for i in range(mixed.size):
            left, right = max(mixed[i] - 1, 0), min(mixed[i], width - 1)
            a, b = logits_Khw[index, above, left], logits_Khw[index, above, right]
            c, d = logits_Khw[index, below, left], logits_Khw[index, below, right]
            if max(a, b, c, d) < bound[i]:
                continue
            column = columns.first[mixed[i]]
            for j in range(rows.num[y]):
                row = rows.first[y] + j
                start = a + rows.weight[row] * (c - a)
                step = b + rows.weight[row] * (d - b) - start
                for k in range(columns.num[mixed[i]]):
                    logit = start + columns.weight[column + k] * step
                    if logit > best[i, j, k]:
                        best[i, j, k] = logit
                        labels_HW[row, column + k] = index
