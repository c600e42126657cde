"""Pixels -> polygons, exactly: rings along the edges of pixels, holes as rings of their own.

`raster.fill(outlines(mask), size, "center")` gives the mask back; so does the rule `coco` where
there are no holes.
"""

import numpy as np
from numpy.typing import NDArray

from .raster import Crop, Ring


def trace_outlines(crop: Crop) -> tuple[Ring, ...]:
    """Closed rings; pixels that touch at a corner alone are in rings of their own."""
    padded = np.pad(crop.inside_hw, 1).astype(np.int8)
    code = (
        padded[:-1, :-1] + 2 * padded[:-1, 1:] + 4 * padded[1:, :-1] + 8 * padded[1:, 1:]
    )  # of each lattice point: the pixels above left, above right, below left, below right
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
    return tuple(corners[ring] for ring in _cycles(across_of.tolist(), down_of.tolist()))


def _cycles(across_of: list[int], down_of: list[int]) -> list[NDArray[np.int64]]:
    """Places of the corners of each ring, in walking order."""
    seen = bytearray(len(across_of))
    rings = []
    for start in range(len(across_of)):
        if seen[start]:
            continue
        ring: list[int] = []
        place = start
        while not seen[place]:
            other = across_of[place]
            ring += (place, other)
            seen[place] = seen[other] = 1
            place = down_of[other]
        rings.append(np.array(ring))
    return rings
