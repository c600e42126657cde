"""The points of an outline edge that reaches far beyond the image, in COCO's fifths of a pixel.

The fill of `raster` looks only at steps from one column of the image to the next. Steps left or
right of the image are left out. Above and below the image only the column of a step counts, not
its row, so that one step per column is enough there.
"""

import numpy as np
from numpy.typing import NDArray

_FIFTHS = 5
Points = tuple[NDArray[np.int64], NDArray[np.int64]]
"""x and y of successive points in fifths of a pixel."""


def step_along_far_edge(
    start: NDArray[np.int64], end: NDArray[np.int64], size_HW: tuple[int, int]
) -> Points:
    """Compute the points along one edge with the crossings of all its points.

    Coordinates beyond the image are replaced by those just outside of it.
    """
    most = _FIFTHS * size_HW[1] + 1, _FIFTHS * size_HW[0] + 1  # x, y
    size = np.abs(end - start)
    along = 0 if size[0] >= size[1] else 1
    is_backward = end[along] < start[along]
    # cocoapi computes every edge from its lower end, as rounding depends on the direction.
    low, high = (end, start) if is_backward else (start, end)
    length = int(size[along])
    slope = (high[1 - along] - low[1 - along]) / max(length, 1)
    first = min(max(0, -1 - int(low[along])), length)
    last = max(min(length, most[along] - int(low[along])), 0)
    steps = np.concatenate(([0], np.arange(first, last + 1), [length]))
    positions = (low[along] + steps).clip(-1, most[along])
    across = np.trunc(low[1 - along] + slope * steps + 0.5).astype(np.int64)
    points = (positions, across) if along == 0 else _add_columns(across, positions, most[0])
    return (points[0][::-1], points[1][::-1]) if is_backward else points


def _add_columns(u: NDArray[np.int64], v: NDArray[np.int64], most_u: int) -> Points:
    """Add a point for each column between the first two and between the last two points."""
    u = u.clip(-1, most_u)
    before, after = _count(u[0], u[1]), _count(u[-2], u[-1])
    return (
        np.concatenate((before, u[1:-1], after)),
        np.concatenate((np.full_like(before, v[0]), v[1:-1], np.full_like(after, v[-1]))),
    )


def _count(start: np.int64, end: np.int64) -> NDArray[np.int64]:
    """Count from one number to another, both included."""
    step = 1 if end >= start else -1
    return np.arange(start, end + step, step, dtype=np.int64)
