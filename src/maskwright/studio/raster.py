"""Draw edits into class maps with NumPy; `web/src/raster.ts` draws the same pixels.

A pixel belongs to a stroke when its centre is at most the radius away from the line through the
points, and to a polygon when its centre is inside (rule `center` of `data/shapes/raster.py`).
Nothing is antialiased. `tests/studio/golden.json` holds edits with the hashes of their results,
which the tests of both languages compare.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.labels import LabelMap
from ..data.shapes.raster import Crop, fill
from .edit import EIGHTHS, Drawn, Edit, Everything, Flood, Polygon, Stroke

_HALF = EIGHTHS // 2


def draw_edit(labels_HW: LabelMap, edit: Edit) -> LabelMap:
    """The class map after an edit that has a geometry of those that are drawn.

    Raises:
        DataError: A flood fill starts outside of the image.
    """
    if not isinstance(edit.geometry, Drawn):
        raise DataError("this edit cannot be drawn from the class map alone")
    region = find_region(labels_HW, edit.geometry)
    changed_HW = labels_HW.copy()
    part_hw = changed_HW[region.slices]
    part_hw[region.inside_hw] = edit.table[part_hw[region.inside_hw]]
    return changed_HW


def require_inside(at: tuple[int, int], size_HW: tuple[int, ...]) -> None:
    """Require a pixel (x, y) of an image.

    Raises:
        DataError: It is outside.
    """
    (x, y), (height, width) = at, size_HW
    if x >= width or y >= height:
        raise DataError(f"({x}, {y}) is outside of the image of {width} x {height} pixels")


def find_region(labels_HW: LabelMap, geometry: Drawn) -> Crop:
    """The pixels of a geometry, clipped to the image."""
    height, width = labels_HW.shape
    match geometry:
        case Stroke():
            return _fill_stroke(geometry, (height, width))
        case Polygon():
            rings = [
                np.array(ring[: len(ring) // 2 * 2], np.float64).reshape(-1, 2) / EIGHTHS
                for ring in geometry.rings
            ]
            return fill(rings, (height, width), "center")
        case Flood():
            return _find_connected(labels_HW, *geometry.at)
        case Everything():
            return Crop(0, 0, np.ones((height, width), np.bool_))


def _fill_stroke(stroke: Stroke, size_HW: tuple[int, int]) -> Crop:
    points = np.array(stroke.points[: len(stroke.points) // 2 * 2], np.float64).reshape(-1, 2)
    crop = _bound(points, stroke.radius, size_HW)
    starts = points[:-1] if len(points) > 1 else points
    ends = points[1:] if len(points) > 1 else points
    for start, end in zip(starts, ends, strict=True):
        part = _bound(np.stack((start, end)), stroke.radius, size_HW)
        inside_hw = _is_near(part, start, end, stroke.radius)
        height, width = part.inside_hw.shape
        top, left = part.top - crop.top, part.left - crop.left
        crop.inside_hw[top : top + height, left : left + width] |= inside_hw
    return crop


def _bound(points_N2: NDArray[np.float64], radius: int, size_HW: tuple[int, int]) -> Crop:
    """The rectangle of pixels that may be within the radius of points, all False."""
    height, width = size_HW
    low, high = points_N2.min(axis=0) - radius, points_N2.max(axis=0) + radius
    left, top = (int(v) for v in np.floor(low / EIGHTHS).clip(0, (width, height)))
    right, bottom = (int(v) for v in np.ceil(high / EIGHTHS).clip(0, (width, height)))
    return Crop(top, left, np.zeros((max(bottom - top, 0), max(right - left, 0)), np.bool_))


def _is_near(
    part: Crop, start: NDArray[np.float64], end: NDArray[np.float64], radius: int
) -> NDArray[np.bool_]:
    """Whether the centre of each pixel is within the radius of a line from start to end.

    All values are whole, so that both languages compute them exactly: the distance to a line
    is compared as cross^2 <= radius^2 * length^2.
    """
    height, width = part.inside_hw.shape
    x = (np.arange(width) + part.left) * float(EIGHTHS) + _HALF - start[0]
    y = ((np.arange(height) + part.top) * float(EIGHTHS) + _HALF - start[1])[:, None]
    dx, dy = end - start
    most, length = float(radius * radius), dx * dx + dy * dy
    along = x * dx + y * dy
    cross = x * dy - y * dx
    beyond = (x - dx) * (x - dx) + (y - dy) * (y - dy)
    inside_hw: NDArray[np.bool_] = np.where(
        along <= 0,
        x * x + y * y <= most,
        np.where(along >= length, beyond <= most, cross * cross <= most * length),
    )
    return inside_hw


def _find_connected(labels_HW: LabelMap, x: int, y: int) -> Crop:
    height, width = labels_HW.shape
    require_inside((x, y), (height, width))
    alike_HW = (labels_HW == labels_HW[y, x]).astype(np.uint8)
    mask_HW = np.zeros((height + 2, width + 2), np.uint8)
    flags = 4 | cv2.FLOODFILL_MASK_ONLY | 1 << 8
    _, _, _, (left, top, columns, rows) = cv2.floodFill(
        alike_HW, mask_HW, (x, y), 1, 0, 0, flags
    )
    part_hw = mask_HW[1 + top : 1 + top + rows, 1 + left : 1 + left + columns]
    return Crop(top, left, part_hw.astype(np.bool_))
