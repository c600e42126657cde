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
        if rows.num[y] == 0:
            continue
        first, num_mixed, begin = labels_HW[rows.first[y]], 0, 0
        for x in range(width + 1):
            index, end = above[x], columns.first[x] + columns.num[x]
            if index != above[x + 1] or index != below[x] or index != below[x + 1]:
                mixed[num_mixed] = x
                num_mixed += 1
            if x == width or above[x + 1] != index:
                first[begin:end] = index
                begin = end
        for row in range(rows.first[y] + 1, rows.first[y] + rows.num[y]):
            labels_HW[row] = first
        if num_mixed:
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
            logit, best = logits_Khw[index, y, x], best_w[x]
            winners[x + 1] = index if logit > best else winners[x + 1]
            best_w[x] = max(best, logit)
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
    bound = np.full(width + 1, _LOWEST, np.float32)
    extremes = np.empty(width + 2, np.float32)
    for index in range(num_classes):
        upper, lower = logits_Khw[index, above], logits_Khw[index, below]
        for x in range(width):
            extremes[x + 1] = min(upper[x], lower[x])
        extremes[0], extremes[width + 1] = extremes[1], extremes[width]
        for x in range(width + 1):
            bound[x] = max(bound[x], min(extremes[x], extremes[x + 1]))
    best = np.full((mixed.size, rows.num[y], columns.num.max()), _LOWEST, np.float32)
    for index in range(num_classes):
        upper, lower = logits_Khw[index, above], logits_Khw[index, below]
        for x in range(width):
            extremes[x + 1] = max(upper[x], lower[x])
        extremes[0], extremes[width + 1] = extremes[1], extremes[width]
        for i in range(mixed.size):
            x = mixed[i]
            if max(extremes[x], extremes[x + 1]) < bound[x]:
                continue
            left, right, column = max(x - 1, 0), min(x, width - 1), columns.first[x]
            a, b, c, d = upper[left], upper[right], lower[left], lower[right]
            for j in range(rows.num[y]):
                row = rows.first[y] + j
                start = a + rows.weight[row] * (c - a)
                step = b + rows.weight[row] * (d - b) - start
                labels = labels_HW[row, column : column + columns.num[x]]
                for k in range(columns.num[x]):
                    logit, largest = start + columns.weight[column + k] * step, best[i, j, k]
                    labels[k] = index if logit > largest else labels[k]
                    best[i, j, k] = max(logit, largest)
