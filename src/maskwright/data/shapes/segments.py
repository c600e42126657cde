"""A picture of ids -> the piece of each id, by its runs along the rows."""

import numpy as np
from numpy.typing import NDArray

from .raster import Crop


def crops_of(ids_HW: NDArray[np.integer]) -> dict[int, Crop]:
    """Each id that occurs, ascending, with its smallest piece."""
    width = ids_HW.shape[1]
    starts = np.ones(ids_HW.shape, np.bool_)
    starts[:, 1:] = ids_HW[:, 1:] != ids_HW[:, :-1]
    first = np.flatnonzero(starts)
    row, left = np.divmod(first, width)
    right = np.append(first[1:], ids_HW.size) - row * width
    ids, which = np.unique(ids_HW.ravel()[first], return_inverse=True)
    low = np.full((2, len(ids)), ids_HW.size)
    high = np.zeros((2, len(ids)), np.int64)
    for axis, (lowest, highest) in enumerate(((row, row + 1), (left, right))):
        np.minimum.at(low[axis], which, lowest)
        np.maximum.at(high[axis], which, highest)
    return {
        value: Crop(top, x, ids_HW[top:y_end, x:x_end] == value)
        for value, (top, x), (y_end, x_end) in zip(
            ids.tolist(), low.T.tolist(), high.T.tolist(), strict=True
        )
    }
