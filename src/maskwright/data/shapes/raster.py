"""Polygons -> pixels, by one rule of our own and by the rules of the tools that drew them.

Coordinates are (x, y) in pixels from the top left corner of the image, x to the right, y down;
pixel (row, column) covers column..column + 1 and row..row + 1. No two tools fill alike: a
square with corners at 2 and 8 has 36 pixels here and for COCO, 49 for Pillow.

* `center`: a pixel belongs to a polygon when its centre is inside, by the even-odd rule over
  all rings, so a ring inside another is a hole. A centre on a left or upper edge is inside.
* `coco`: as pycocotools (`rleFrPoly` of cocoapi): corners are rounded to fifths of a pixel and
  edges walked on that grid. Each ring is filled by itself; the result is their union.
* `pillow`: as `PIL.ImageDraw.polygon`, outline included, which labelme and Cityscapes use:
  corners are cut to whole pixels. Union of the rings.
* `darwin`: as V7's exporter (`scanline.py`): corners rounded, outline included, even-odd.
* `opencv`: as `cv2.fillPoly`, outline included, which Supervisely uses: corners are cut to
  whole pixels; the first ring is filled, the others are holes and take their outline from it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .scanline import fill_scanline

Raster = Literal["center", "coco", "pillow", "darwin", "opencv"]
UNITED: frozenset[Raster] = frozenset({"coco", "pillow"})
"""Rules by which a ring inside another is no hole."""

Ring = NDArray[np.float64]
"""N x 2: x, y."""

_FIFTHS = 5
_PIECE = 1 << 18
"""Steps of an outline that are in memory at once."""

_FAR = float(1 << 30)
"""Corners are pulled to this distance: beyond it whole numbers would overflow."""


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """A piece of a mask: `inside_hw` lies with its corner at row `top`, column `left`."""

    top: int
    left: int
    inside_hw: NDArray[np.bool_]

    @property
    def area_px(self) -> int:
        """Pixels inside."""
        return int(np.count_nonzero(self.inside_hw))

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of the image."""
        height, width = self.inside_hw.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    def to_mask(self, size_HW: tuple[int, int]) -> NDArray[np.bool_]:
        """H x W, False outside the piece."""
        inside_HW = np.zeros(size_HW, np.bool_)
        inside_HW[self.slices] = self.inside_hw
        return inside_HW


def crop_mask(inside_HW: NDArray[np.bool_]) -> Crop:
    """The smallest piece with every True pixel."""
    rows = np.flatnonzero(inside_HW.any(axis=1))
    if not rows.size:
        return Crop(0, 0, np.zeros((0, 0), np.bool_))
    columns = np.flatnonzero(inside_HW[rows[0] : rows[-1] + 1].any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    return Crop(top, left, inside_HW[top : rows[-1] + 1, left : columns[-1] + 1])


def clip(crop: Crop, size_HW: tuple[int, int]) -> Crop:
    """The part of a piece that lies inside the image."""
    top, left = max(crop.top, 0), max(crop.left, 0)
    inside_hw = crop.inside_hw[
        top - crop.top : max(size_HW[0] - crop.top, 0),
        left - crop.left : max(size_HW[1] - crop.left, 0),
    ]
    if not inside_hw.size:
        return Crop(0, 0, np.zeros((0, 0), np.bool_))
    return Crop(top, left, inside_hw)


def fill(rings: Sequence[Ring], size_HW: tuple[int, int], raster: Raster) -> Crop:
    """The pixels of one polygon, cut at the image's border."""
    rings = [np.clip(ring, -_FAR, _FAR) for ring in rings if len(ring)]
    if raster == "center" or not rings:
        return _fill_center(rings, size_HW)
    if raster == "darwin":
        return Crop(*fill_scanline(rings, size_HW))
    if raster == "opencv":
        return _fill_opencv(rings, size_HW)
    one: Callable[[Ring, tuple[int, int]], Crop]
    one = _fill_coco if raster == "coco" else _fill_pillow
    return unite([one(ring, size_HW) for ring in rings])


def unite(crops: Sequence[Crop]) -> Crop:
    """Pixels that are in any of the pieces."""
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
    """Pixels that are in one of the pieces alone."""
    shifted = Crop(one.top - other.top, one.left - other.left, one.inside_hw)
    shared = clip(shifted, (other.inside_hw.shape[0], other.inside_hw.shape[1]))
    both = int(np.count_nonzero(other.inside_hw[shared.slices] & shared.inside_hw))
    return one.area_px + other.area_px - 2 * both


def _fill_center(rings: Sequence[Ring], size_HW: tuple[int, int]) -> Crop:
    """Even-odd: each edge turns over all pixels to the right of it in the rows it crosses."""
    if not rings:
        return Crop(0, 0, np.zeros((0, 0), np.bool_))
    height, width = size_HW
    start = np.concatenate(rings)
    end = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
    first = np.ceil(np.minimum(start[:, 1], end[:, 1]) - 0.5).clip(0, height).astype(np.int64)
    last = np.ceil(np.maximum(start[:, 1], end[:, 1]) - 0.5).clip(0, height).astype(np.int64)
    edge, row = _spread(first, last)
    if not edge.size:
        return Crop(0, 0, np.zeros((0, 0), np.bool_))
    rise = (end[edge, 0] - start[edge, 0]) / (end[edge, 1] - start[edge, 1])
    x = start[edge, 0] + (row + 0.5 - start[edge, 1]) * rise
    column = np.ceil(x - 0.5).clip(0, width).astype(np.int64)
    top, left = int(row.min()), int(column.min())
    return Crop(top, left, _turned(row - top, column - left))


def _turned(line: NDArray[np.int64], place: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Lines x places: True between an odd and the next even turn of each line.

    Outlines are closed, so that each line has an even number of turns.
    """
    shape = int(line.max()) + 1, int(place.max()) + 1
    turns = np.sort(line * shape[1] + place)
    lengths = np.diff(turns, prepend=0, append=shape[0] * shape[1]).astype(np.int64)
    inside: NDArray[np.bool_] = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return inside.reshape(shape)[:, :-1]


def _spread(
    first: NDArray[np.int64], last: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every number first..last - 1 of each row, with the row it is of."""
    counts = np.maximum(last - first, 0)
    row = np.repeat(np.arange(len(first)), counts)
    before = np.cumsum(counts) - counts
    return row, np.arange(len(row)) - before[row] + first[row]


def _fill_coco(ring: Ring, size_HW: tuple[int, int]) -> Crop:
    """rleFrPoly: where the outline, on a grid of fifths, passes the middle of a column."""
    passed = [_passed(u, v, size_HW) for u, v in _walked(ring)]
    x, y = (np.concatenate(values) for values in zip(*passed, strict=True))
    if not x.size:
        return Crop(0, 0, np.zeros((0, 0), np.bool_))
    left, top = int(x.min()), int(y.min())
    return Crop(top, left, _turned(x - left, y - top).T)


def _passed(
    u: NDArray[np.int64], v: NDArray[np.int64], size_HW: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Columns whose middle a piece of outline passes, and in which row."""
    height, width = size_HW
    moved = u[1:] != u[:-1]
    column = np.minimum(u[1:], u[:-1])[moved]
    row = np.minimum(v[1:], v[:-1])[moved]
    x = (column + 0.5) / _FIFTHS - 0.5
    middle = (np.floor(x) == x) & (x >= 0) & (x <= width - 1)
    y = np.ceil(((row[middle] + 0.5) / _FIFTHS - 0.5).clip(0, height))
    return x[middle].astype(np.int64), y.astype(np.int64)


def _walked(ring: Ring) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Points of the outline, in pieces of which each begins where the last one ended.

    One a step of an edge's longer axis, both ends included; a piece is some megabytes.
    """
    start = np.trunc(_FIFTHS * ring + 0.5).astype(np.int64)
    end = np.concatenate((start[1:], start[:1]))
    done = np.cumsum(np.abs(end - start).max(axis=1))
    first, num, tail = 0, len(start), (start[:0, 0], start[:0, 1])
    while first < num:
        last = num
        if done[-1] > _PIECE:
            before = done[first - 1] if first else 0
            last = max(first + 1, int(np.searchsorted(done, before + _PIECE)))
        u, v = _stepped(start[first:last], end[first:last])
        if first:
            u, v = np.concatenate((tail[0], u)), np.concatenate((tail[1], v))
        yield u, v
        first, tail = last, (u[-1:], v[-1:])


def _stepped(
    start: NDArray[np.int64], end: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each step along edges, u and v."""
    size = np.abs(end - start)
    flat = size[:, 0] >= size[:, 1]
    length = np.where(flat, size[:, 0], size[:, 1])
    major = np.where(flat, end[:, 0] < start[:, 0], end[:, 1] < start[:, 1])
    low, high = np.where(major[:, None], end, start), np.where(major[:, None], start, end)
    run = np.where(flat, high[:, 1] - low[:, 1], high[:, 0] - low[:, 0])
    slope = run / np.maximum(length, 1)
    edge, step = _spread(np.zeros_like(length), length + 1)
    step = np.where(major[edge], length[edge] - step, step)
    base = np.where(flat, low[:, 1], low[:, 0])[edge]
    across = np.trunc(base + slope[edge] * step + 0.5).astype(np.int64)
    along = np.where(flat, low[:, 0], low[:, 1])[edge] + step
    return np.where(flat[edge], along, across), np.where(flat[edge], across, along)


def _fill_opencv(rings: Sequence[Ring], size_HW: tuple[int, int]) -> Crop:
    cut = [np.trunc(ring).astype(np.int32) for ring in rings]
    every = np.concatenate(cut)
    low = np.maximum(every.min(axis=0), 0)
    high = np.minimum(every.max(axis=0) + 1, size_HW[::-1])
    if (high <= low).any():
        return Crop(0, 0, np.zeros((0, 0), np.bool_))
    canvas = np.zeros((high - low)[::-1].tolist(), np.uint8)
    cv2.fillPoly(canvas, [cut[0] - low.astype(np.int32)], 1)
    if cut[1:]:
        cv2.fillPoly(canvas, [ring - low.astype(np.int32) for ring in cut[1:]], 0)
    return Crop(int(low[1]), int(low[0]), canvas.view(np.bool_))


def _fill_pillow(ring: Ring, size_HW: tuple[int, int]) -> Crop:
    """Moved up to the first row, never to the left: Pillow's floats would round otherwise."""
    cut = np.trunc(ring)
    low = np.maximum(cut.min(axis=0), 0)
    high = np.minimum(cut.max(axis=0), np.array(size_HW[::-1]) - 1)
    if (high < low).any():
        return Crop(0, 0, np.zeros((0, 0), np.bool_))
    (left, top), (right, bottom) = low.astype(int).tolist(), high.astype(int).tolist()
    canvas = Image.new("L", (right + 1, bottom - top + 1))
    corners = [(x, y - top) for x, y in cut.tolist()]
    ImageDraw.Draw(canvas).polygon([*corners, *corners[:1]], outline=1, fill=1)
    inside = canvas.crop((left, 0, right + 1, bottom - top + 1))
    return Crop(top, left, np.array(inside, np.bool_))


def fill_ellipse(
    center: tuple[float, float],
    axes: tuple[float, float],
    turn_deg: float,
    size_HW: tuple[int, int],
) -> Crop:
    """The pixels of an ellipse, cut at the image's border.

    `center` and `axes` are (x, y), the axes half the ellipse; it is turned clockwise.
    Source: CVAT, formats/transformations.py, EllipsesToMasks.
    """
    middle, half = [round(value) for value in center], [round(value) for value in axes]
    reach = max(half) + 2
    left, top = (max(middle[axis] - reach, 0) for axis in (0, 1))
    right, bottom = (min(middle[axis] + reach + 1, size_HW[1 - axis]) for axis in (0, 1))
    if right <= left or bottom <= top:
        return Crop(0, 0, np.zeros((0, 0), np.bool_))
    canvas = np.zeros((bottom - top, right - left), np.uint8)
    shifted = (middle[0] - left, middle[1] - top)
    cv2.ellipse(canvas, shifted, (half[0], half[1]), turn_deg, 0, 360, 1, thickness=-1)
    crop = crop_mask(canvas.view(np.bool_))
    return Crop(crop.top + top, crop.left + left, crop.inside_hw)
