"""Fill polygons: one rule of our own, and the rules of the tools that drew the polygons.

Coordinates are (x, y) in pixels from the top left corner of the image, x to the right, y down;
pixel (row, column) covers column..column + 1 and row..row + 1. No two tools fill in the same
way: a square with corners at 2 and 8 has 36 pixels here and for COCO, 49 for Pillow.

* `center`: a pixel belongs to a polygon when its centre is inside, by the even-odd rule over
  all rings, so a ring inside another is a hole. A centre on a left or upper edge is inside.
* `coco`: as pycocotools (`rleFrPoly` of cocoapi): corners are rounded to fifths of a pixel and
  edges follow that grid. Each ring is filled by itself; the result is the union.
* `pillow`: as `PIL.ImageDraw.polygon`, outline included, which labelme and Cityscapes use:
  corners are truncated to whole pixels. Each ring is filled by itself, as for `coco`.
* `darwin`: as V7's exporter (`scanline.py`): corners rounded, outline included, even-odd.
* `opencv`: as `cv2.fillPoly`, outline included, which Supervisely uses: corners are truncated
  to whole pixels. The first ring is filled; others are holes, whose outline is removed too.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .far_edge import step_along_far_edge
from .scanline import fill_scanline

Raster = Literal["center", "coco", "pillow", "darwin", "opencv"]
UNITED: frozenset[Raster] = frozenset({"coco", "pillow"})
"""Rules by which a ring inside another ring is not a hole."""

Ring = NDArray[np.float64]
"""N x 2: the corners x, y; the last is joined to the first."""

_FIFTHS = 5
"""Grid cells per pixel on which COCO rounds corners."""

_PIECE = 1 << 18
"""Steps of an outline that are in memory at once."""

_FAR = float(1 << 30)
"""Largest coordinate in pixels; larger ones are clipped, since integers would overflow."""


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """A rectangle of a mask; `inside_hw` starts at row `top` and column `left` of the image."""

    top: int
    left: int
    inside_hw: NDArray[np.bool_]

    @property
    def area_px(self) -> int:
        """The number of pixels that are True."""
        return int(np.count_nonzero(self.inside_hw))

    @property
    def slices(self) -> tuple[slice, slice]:
        """Slices of rows and columns that the rectangle covers in the image."""
        height, width = self.inside_hw.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    def to_mask(self, size_HW: tuple[int, int]) -> NDArray[np.bool_]:
        """Return the mask of the whole image, H x W, False outside the rectangle."""
        inside_HW = np.zeros(size_HW, np.bool_)
        inside_HW[self.slices] = self.inside_hw
        return inside_HW


def crop_mask(inside_HW: NDArray[np.bool_]) -> Crop:
    """Crop a mask to the smallest rectangle with every True pixel."""
    rows = np.flatnonzero(inside_HW.any(axis=1))
    if not rows.size:
        return Crop(0, 0, np.zeros((0, 0), np.bool_))
    columns = np.flatnonzero(inside_HW[rows[0] : rows[-1] + 1].any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    return Crop(top, left, inside_HW[top : rows[-1] + 1, left : columns[-1] + 1])


def clip(crop: Crop, size_HW: tuple[int, int]) -> Crop:
    """Clip a crop to the image."""
    top, left = max(crop.top, 0), max(crop.left, 0)
    inside_hw = crop.inside_hw[
        top - crop.top : max(size_HW[0] - crop.top, 0),
        left - crop.left : max(size_HW[1] - crop.left, 0),
    ]
    if not inside_hw.size:
        return Crop(0, 0, np.zeros((0, 0), np.bool_))
    return Crop(top, left, inside_hw)


def fill(rings: Sequence[Ring], size_HW: tuple[int, int], raster: Raster) -> Crop:
    """Fill one polygon by a rule, clipped to the image."""
    rings = [np.clip(ring, -_FAR, _FAR) for ring in rings if len(ring)]
    if raster == "center" or not rings:
        return _fill_center(rings, size_HW)
    if raster == "darwin":
        return Crop(*fill_scanline(rings, size_HW))
    if raster == "opencv":
        return _fill_opencv(rings, size_HW)
    fill_ring: Callable[[Ring, tuple[int, int]], Crop]
    fill_ring = _fill_coco if raster == "coco" else _fill_pillow
    return unite([fill_ring(ring, size_HW) for ring in rings])


def unite(crops: Sequence[Crop]) -> Crop:
    """Unite crops: a pixel is True if it is True in any of them."""
    crops = [crop for crop in crops if crop.inside_hw.size]
    if len(crops) == 1:
        return crops[0]
    if not crops:
        return Crop(0, 0, np.zeros((0, 0), np.bool_))
    top, left = min(c.top for c in crops), min(c.left for c in crops)
    bottom, right = (reduce(max, (c.slices[axis].stop for c in crops)) for axis in (0, 1))
    inside_hw = np.zeros((bottom - top, right - left), np.bool_)
    for crop in crops:
        rows, columns = crop.slices
        part = inside_hw[rows.start - top : rows.stop - top]
        part[:, columns.start - left : columns.stop - left] |= crop.inside_hw
    return Crop(top, left, inside_hw)


def count_different_pixels(one: Crop, other: Crop) -> int:
    """Count the pixels that are True in exactly one of two crops."""
    # `one` in the coordinates of `other`, so that only their overlap is compared.
    shifted = Crop(one.top - other.top, one.left - other.left, one.inside_hw)
    shared = clip(shifted, (other.inside_hw.shape[0], other.inside_hw.shape[1]))
    both = int(np.count_nonzero(other.inside_hw[shared.slices] & shared.inside_hw))
    return one.area_px + other.area_px - 2 * both


def _fill_center(rings: Sequence[Ring], size_HW: tuple[int, int]) -> Crop:
    """Fill by the even-odd rule.

    An edge crosses the rows whose centre line lies between its ends. In such a row, every pixel
    whose centre is right of the edge changes between outside and inside.
    """
    if not rings:
        return Crop(0, 0, np.zeros((0, 0), np.bool_))
    height, width = size_HW
    start = np.concatenate(rings)  # (N, 2): every edge of every ring
    end = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
    # Centres lie at row + 0.5. `ceil` puts a centre on an upper end inside, on a lower end
    # outside, so that two edges that meet on a centre line count once.
    first = np.ceil(np.minimum(start[:, 1], end[:, 1]) - 0.5).clip(0, height).astype(np.int64)
    last = np.ceil(np.maximum(start[:, 1], end[:, 1]) - 0.5).clip(0, height).astype(np.int64)
    edge, row = _expand_ranges(first, last)
    if not edge.size:
        return Crop(0, 0, np.zeros((0, 0), np.bool_))
    rise = (end[edge, 0] - start[edge, 0]) / (end[edge, 1] - start[edge, 1])
    x = start[edge, 0] + (row + 0.5 - start[edge, 1]) * rise
    # Clipping, not dropping: a crossing left of the image still turns the row inside.
    column = np.ceil(x - 0.5).clip(0, width).astype(np.int64)
    top, left = int(row.min()), int(column.min())
    return Crop(top, left, _fill_between_crossings(row - top, column - left))


def _fill_between_crossings(
    line: NDArray[np.int64], position: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Fill each line from an odd crossing of the outline to the next even one.

    `position` is that of a crossing in its `line`; the result has one row per line. Outlines
    are closed, so that each line has an even number of crossings.
    """
    shape = int(line.max()) + 1, int(position.max()) + 1
    # Since the count is even in each line, all lines can be filled as one long line.
    crossings = np.sort(line * shape[1] + position)
    lengths = np.diff(crossings, prepend=0, append=shape[0] * shape[1]).astype(np.int64)
    inside: NDArray[np.bool_] = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    # (lines * positions,) -> (lines, positions); the last position only ends runs
    return inside.reshape(shape)[:, :-1]


def _expand_ranges(
    first: NDArray[np.int64], last: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Expand ranges first..last - 1: the index of the range, and each number in it."""
    counts = np.maximum(last - first, 0)
    index = np.repeat(np.arange(len(first)), counts)
    before = np.cumsum(counts) - counts
    return index, np.arange(len(index)) - before[index] + first[index]


def _fill_coco(ring: Ring, size_HW: tuple[int, int]) -> Crop:
    """Fill as `rleFrPoly` of cocoapi: down each column, between crossings of the outline."""
    crossings = [_find_column_crossings(u, v, size_HW) for u, v in _walk_outline(ring, size_HW)]
    x, y = (np.concatenate(values) for values in zip(*crossings, strict=True))
    if not x.size:
        return Crop(0, 0, np.zeros((0, 0), np.bool_))
    left, top = int(x.min()), int(y.min())
    return Crop(top, left, _fill_between_crossings(x - left, y - top).T)


def _find_column_crossings(
    u: NDArray[np.int64], v: NDArray[np.int64], size_HW: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the columns whose middle a piece of outline crosses, and the row of each crossing.

    `u` and `v` are the x and y of its points in fifths of a pixel.
    """
    height, width = size_HW
    moved = u[1:] != u[:-1]  # a step straight down crosses no column
    column = np.minimum(u[1:], u[:-1])[moved]
    row = np.minimum(v[1:], v[:-1])[moved]
    x = (column + 0.5) / _FIFTHS - 0.5
    # Of the five steps through a column, the one through its middle has a whole x.
    middle = (np.floor(x) == x) & (x >= 0) & (x <= width - 1)
    y = np.ceil(((row[middle] + 0.5) / _FIFTHS - 0.5).clip(0, height))
    return x[middle].astype(np.int64), y.astype(np.int64)


def _walk_outline(
    ring: Ring, size_HW: tuple[int, int]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield the points of the outline in fifths of a pixel, in pieces of some megabytes.

    An edge has one point per step of its longer axis, both ends included. A piece starts with
    the last point of the piece before it, so that no step between two points is lost.
    """
    # cocoapi adds 0.5 and truncates, also for negative numbers; so does this.
    start = np.trunc(_FIFTHS * ring + 0.5).astype(np.int64)
    end = np.concatenate((start[1:], start[:1]))
    lengths = np.abs(end - start).max(axis=1)
    done = np.cumsum(lengths)  # steps up to the end of each edge
    first, num, tail = 0, len(start), (start[:0, 0], start[:0, 1])
    while first < num:
        last = num
        if done[-1] > _PIECE:
            before = done[first - 1] if first else 0
            last = max(first + 1, int(np.searchsorted(done, before + _PIECE)))
        if lengths[first] > _PIECE:
            u, v = step_along_far_edge(start[first], end[first], size_HW)
        else:
            u, v = _step_along_edges(start[first:last], end[first:last])
        if first:
            u, v = np.concatenate((tail[0], u)), np.concatenate((tail[1], v))
        yield u, v
        first, tail = last, (u[-1:], v[-1:])


def _step_along_edges(
    start: NDArray[np.int64], end: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Compute the points along edges, u and v, both ends included."""
    size = np.abs(end - start)
    flat = size[:, 0] >= size[:, 1]
    length = np.where(flat, size[:, 0], size[:, 1])
    backward = np.where(flat, end[:, 0] < start[:, 0], end[:, 1] < start[:, 1])
    # cocoapi computes every edge from its lower end, as rounding depends on the direction.
    low, high = np.where(backward[:, None], end, start), np.where(backward[:, None], start, end)
    run = np.where(flat, high[:, 1] - low[:, 1], high[:, 0] - low[:, 0])
    slope = run / np.maximum(length, 1)
    edge, step = _expand_ranges(np.zeros_like(length), length + 1)
    step = np.where(backward[edge], length[edge] - step, step)
    base = np.where(flat, low[:, 1], low[:, 0])[edge]
    across = np.trunc(base + slope[edge] * step + 0.5).astype(np.int64)
    along = np.where(flat, low[:, 0], low[:, 1])[edge] + step
    return np.where(flat[edge], along, across), np.where(flat[edge], across, along)


def _fill_opencv(rings: Sequence[Ring], size_HW: tuple[int, int]) -> Crop:
    """Fill the first ring and empty the others, on a canvas of the polygon's own size."""
    whole = [np.trunc(ring).astype(np.int32) for ring in rings]
    corners = np.concatenate(whole)
    low = np.maximum(corners.min(axis=0), 0)
    high = np.minimum(corners.max(axis=0) + 1, size_HW[::-1])
    if (high <= low).any():
        return Crop(0, 0, np.zeros((0, 0), np.bool_))
    canvas = np.zeros((high - low)[::-1].tolist(), np.uint8)
    cv2.fillPoly(canvas, [whole[0] - low.astype(np.int32)], 1)
    if whole[1:]:
        cv2.fillPoly(canvas, [ring - low.astype(np.int32) for ring in whole[1:]], 0)
    return Crop(int(low[1]), int(low[0]), canvas.view(np.bool_))


def _fill_pillow(ring: Ring, size_HW: tuple[int, int]) -> Crop:
    """Fill as Pillow, on a canvas that starts at the first row, but at column 0.

    Pillow computes x in floats, which round differently after a shift to the left.
    """
    whole = np.trunc(ring)
    low = np.maximum(whole.min(axis=0), 0)
    high = np.minimum(whole.max(axis=0), np.array(size_HW[::-1]) - 1)
    if (high < low).any():
        return Crop(0, 0, np.zeros((0, 0), np.bool_))
    (left, top), (right, bottom) = low.astype(int).tolist(), high.astype(int).tolist()
    canvas = Image.new("L", (right + 1, bottom - top + 1))
    corners = [(x, y - top) for x, y in whole.tolist()]
    ImageDraw.Draw(canvas).polygon([*corners, *corners[:1]], outline=1, fill=1)
    inside = canvas.crop((left, 0, right + 1, bottom - top + 1))
    return Crop(top, left, np.array(inside, np.bool_))


def fill_ellipse(
    center: tuple[float, float],
    axes: tuple[float, float],
    turn_deg: float,
    size_HW: tuple[int, int],
) -> Crop:
    """Fill an ellipse, clipped to the image.

    `center` and `axes` are (x, y) in pixels; `axes` are the half axes. `turn_deg` is clockwise.
    Source: CVAT, formats/transformations.py, EllipsesToMasks.
    """
    middle, half = [round(value) for value in center], [round(value) for value in axes]
    reach = max(half) + 2  # the canvas need not hold more than the ellipse at any angle
    left, top = (max(middle[axis] - reach, 0) for axis in (0, 1))
    right, bottom = (min(middle[axis] + reach + 1, size_HW[1 - axis]) for axis in (0, 1))
    if right <= left or bottom <= top:
        return Crop(0, 0, np.zeros((0, 0), np.bool_))
    canvas = np.zeros((bottom - top, right - left), np.uint8)
    shifted = (middle[0] - left, middle[1] - top)
    cv2.ellipse(canvas, shifted, (half[0], half[1]), turn_deg, 0, 360, 1, thickness=-1)
    crop = crop_mask(canvas.view(np.bool_))
    return Crop(crop.top + top, crop.left + left, crop.inside_hw)
