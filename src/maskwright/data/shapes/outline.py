"""Trace the outlines of a mask exactly: rings along the edges of pixels, one more per hole.

`raster.fill(trace_outlines(crop), size_HW, "center")` gives the mask back; so does the rule
`coco` if there are no holes.
"""

import numpy as np
from numpy.typing import NDArray

from .raster import Crop, Ring


def trace_outlines(crop: Crop) -> tuple[Ring, ...]:
    """Trace closed rings; pixels that touch only at a corner are in separate rings."""
    padded = np.pad(crop.inside_hw, 1).astype(np.int8)
    code = (
        padded[:-1, :-1] + 2 * padded[:-1, 1:] + 4 * padded[1:, :-1] + 8 * padded[1:, 1:]
    )  # one bit each: the pixels above left, above right, below left, below right of a point
    turns = np.isin(code, (1, 2, 4, 8, 7, 11, 13, 14))
    saddles = np.isin(code, (6, 9))
    y, x = np.nonzero(turns | saddles)
    times = 1 + saddles[y, x]
    y, x, kind = (np.repeat(values, times) for values in (y, x, code[y, x]))
    second = np.concatenate(([False], (y[1:] == y[:-1]) & (x[1:] == x[:-1])))
    # Along a row, the first of a saddle's two corners ends the edge from its left. That edge
    # goes on upwards where upper left and lower right are inside (9), else (6) downwards.
    rank = np.where(kind == 6, ~second, second)
    down = np.lexsort((rank, y, x))
    across_of = np.arange(len(x)) ^ 1
    down_of = np.empty_like(across_of)
    down_of[down] = down[np.arange(len(down)) ^ 1]
    corners = np.column_stack((x + crop.left, y + crop.top)).astype(np.float64)
    return tuple(corners[ring] for ring in _collect_rings(across_of.tolist(), down_of.tolist()))


def _collect_rings(across_of: list[int], down_of: list[int]) -> list[NDArray[np.int64]]:
    """Collect the indices of the corners of each ring, in the order along the outline."""
    seen = bytearray(len(across_of))
    rings = []
    for start in range(len(across_of)):
        if seen[start]:
            continue
        ring: list[int] = []
        corner = start
        while not seen[corner]:
            # Outlines turn at every corner: one edge along the row, then one along the column.
            other = across_of[corner]
            ring += (corner, other)
            seen[corner] = seen[other] = 1
            corner = down_of[other]
        rings.append(np.array(ring))
    return rings
