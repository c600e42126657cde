"""Split an image of ids into one crop per id, by runs along the rows."""

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from .raster import Crop

_MAX_IDS = 1 << 16
_MAX_RATIO, _MAX_PIXELS = 32, 1 << 28
"""All crops of one image together may have this many times its pixels, or this many pixels,
whichever is more."""


def crop_each_id(ids_HW: NDArray[np.integer]) -> dict[int, Crop]:
    """Return the smallest crop of each id that occurs, ascending by id.

    Raises:
        DataError: The ids are scattered so far, as in noise, that the crops would not fit into
            memory.
    """
    width = ids_HW.shape[1]
    # Runs are far fewer than pixels, and the bounds of an id are those of its runs.
    starts = np.ones(ids_HW.shape, np.bool_)
    starts[:, 1:] = ids_HW[:, 1:] != ids_HW[:, :-1]
    first = np.flatnonzero(starts)
    row, left = np.divmod(first, width)
    right = np.append(first[1:], ids_HW.size) - row * width
    ids, id_index = np.unique(ids_HW.ravel()[first], return_inverse=True)
    low = np.full((2, len(ids)), ids_HW.size)
    high = np.zeros((2, len(ids)), np.int64)
    for axis, (lowest, highest) in enumerate(((row, row + 1), (left, right))):
        np.minimum.at(low[axis], id_index, lowest)
        np.maximum.at(high[axis], id_index, highest)
    num_pixels = int((high - low).prod(axis=0).sum())
    if len(ids) > _MAX_IDS or num_pixels > max(_MAX_RATIO * ids_HW.size, _MAX_PIXELS):
        raise DataError(
            f"{len(ids):,} ids lie in boxes of {num_pixels:,} pixels, and the image has "
            f"{ids_HW.size:,}: it is noise, not objects; save it again without loss"
        )
    return {
        value: Crop(top, x, ids_HW[top:y_end, x:x_end] == value)
        for value, (top, x), (y_end, x_end) in zip(
            ids.tolist(), low.T.tolist(), high.T.tolist(), strict=True
        )
    }
