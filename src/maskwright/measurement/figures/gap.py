"""The least distance between two classes or regions, and its end points.

Distance is from edge to edge of the pixel squares, not between centres: two pixels side by side
touch (0), with one pixel between them it is the size of that pixel, and diagonally it is from
corner to corner. It is exact for the pixels as drawn. Of several equal gaps the middle one in
row-major order is returned. Masks that share a pixel touch.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...data.georef.pixel_scale import PixelSize

Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """The least distance in the unit, and its ends, (x, y) in pixels, frame as in `outline`.

    `a_px` is on the border of the first mask, `b_px` on that of the second; where `touches`,
    the distance is 0 and both are one corner that the masks share.
    """

    distance: float
    a_px: Point
    b_px: Point
    touches: bool


def find_gap(a_HW: NDArray[np.bool_], b_HW: NDArray[np.bool_], size: PixelSize) -> Gap | None:
    """Find the gap between two masks, both H x W; None where one is empty.

    Two sets of squares on one grid are nearest at corners of the grid, so only the corners on
    the borders are compared, by a k-d tree (SciPy).
    """
    if not (a_HW.any() and b_HW.any()):
        return None
    a_corner_HW, b_corner_HW = _corners(a_HW, np.logical_or), _corners(b_HW, np.logical_or)
    shared_N2 = np.argwhere(a_corner_HW & b_corner_HW)
    if len(shared_N2):
        y, x = shared_N2[len(shared_N2) // 2].tolist()
        return Gap(distance=0.0, a_px=(x, y), b_px=(x, y), touches=True)
    a_N2 = np.argwhere(a_corner_HW & ~_corners(a_HW, np.logical_and))[:, ::-1]
    b_N2 = np.argwhere(b_corner_HW & ~_corners(b_HW, np.logical_and))[:, ::-1]
    if len(a_N2) > len(b_N2):
        b_XY, a_XY = _find_nearest(b_N2, a_N2, size)
    else:
        a_XY, b_XY = _find_nearest(a_N2, b_N2, size)
    distance = size.length((b_XY[0] - a_XY[0], b_XY[1] - a_XY[1]))
    return Gap(distance=distance, a_px=a_XY, b_px=b_XY, touches=False)


def _corners(mask_HW: NDArray[np.bool_], join: np.ufunc) -> NDArray[np.bool_]:
    """Join the four pixels at each corner of the grid: (H, W) -> (H + 1, W + 1)."""
    padded_HW = np.pad(mask_HW, 1)
    rows_HW = join(padded_HW[1:], padded_HW[:-1])
    return np.asarray(join(rows_HW[:, 1:], rows_HW[:, :-1]))


def _find_nearest(
    few_N2: NDArray[np.int64], many_N2: NDArray[np.int64], size: PixelSize
) -> tuple[Point, Point]:
    """Find the nearest pair of points; the middle one of several equal pairs."""
    from scipy.spatial import cKDTree

    tree = cKDTree(size.points(many_N2), balanced_tree=False, compact_nodes=False)
    distance_N, index_N = tree.query(size.points(few_N2))
    least = np.flatnonzero(distance_N <= distance_N.min() * (1 + 1e-9))
    index = least[len(least) // 2]
    (x0, y0), (x1, y1) = few_N2[index].tolist(), many_N2[index_N[index]].tolist()
    return (x0, y0), (x1, y1)
