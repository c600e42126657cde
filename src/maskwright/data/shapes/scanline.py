"""Fill polygons as V7's exporter: corners rounded, outline included, even-odd.

Corners are clipped to the pixels of the image (if the polygon reaches past the image: of the
smallest window that holds both) and rounded, halves to even. Edges are drawn as lines without
their right end; rows are filled between crossings of edges, both ends included.
Source: darwin-py 3.6, exporter/formats/mask.py; upolygon 0.2, draw_polygon.pyx.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]
"""Coordinates in whole pixels, (N, 2) as x, y where they are corners."""

_PIECE = 1 << 20
"""Crossings of edges with rows, or pixels of lines, that are in memory at once."""


def fill_scanline(
    rings: Sequence[NDArray[np.float64]], size_HW: tuple[int, int]
) -> tuple[int, int, NDArray[np.bool_]]:
    """Fill one polygon, clipped to the image: top, left and the mask from there."""
    rounded = _round_corners(rings, size_HW)
    start = np.concatenate(rounded)
    end = np.concatenate([np.roll(ring, -1, axis=0) for ring in rounded])
    left, top = np.maximum(start.min(axis=0), 0).tolist()
    right, bottom = np.minimum(start.max(axis=0) + 1, size_HW[::-1]).tolist()
    if right <= left or bottom <= top:
        return 0, 0, np.zeros((0, 0), np.bool_)
    corner = np.array((left, top))
    inside_hw = _fill_rows(start - corner, end - corner, (bottom - top, right - left))
    for x, y in _draw_edges(start - corner, end - corner, inside_hw.shape):
        inside_hw[y, x] = True
    return top, left, inside_hw


def _round_corners(
    rings: Sequence[NDArray[np.float64]], size_HW: tuple[int, int]
) -> list[Whole]:
    """Clip corners to the window and round them to whole pixels."""
    corners = np.concatenate(rings)
    low = np.floor(np.minimum(corners.min(axis=0), 0))
    high = np.ceil(np.maximum(corners.max(axis=0), size_HW[::-1])) - 1
    # Rounded relative to the window's corner: which number is even depends on the origin.
    return [(np.rint(np.clip(ring, low, high) - low) + low).astype(np.int64) for ring in rings]


def _fill_rows(start: Whole, end: Whole, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Fill all rows, in bands that bound the memory for crossings."""
    height, num = shape[0], max(1, _PIECE // len(start))
    bands = [
        _fill_band(start - (0, top), end - (0, top), (min(num, height - top), shape[1]))
        for top in range(0, height, num)
    ]
    return np.concatenate(bands)


def _fill_band(start: Whole, end: Whole, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Fill each row from an odd crossing to the next even one, both included."""
    row, x = _find_crossings(start, end, shape[0])
    order = np.lexsort((x, row))
    row, x = row[order], x[order]  # each row has an even number: outlines are closed
    first, last = np.ceil(x[::2]).astype(np.int64), np.floor(x[1::2]).astype(np.int64) + 1
    row = row[::2]
    # As ends are included, two runs of a row may share a pixel: the later starts behind it.
    same_row = np.concatenate(([False], row[1:] == row[:-1]))
    before = np.where(same_row, np.concatenate(([0], last[:-1])), 0)
    first = np.maximum(first, before).clip(0, shape[1])
    last = np.maximum(last.clip(0, shape[1]), first)
    changes = np.column_stack((first, last)) + (row * shape[1])[:, None]
    lengths = np.diff(changes.ravel(), prepend=0, append=shape[0] * shape[1])
    inside: NDArray[np.bool_] = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return inside.reshape(shape)  # (rows * width,) -> (rows, width)


def _find_crossings(start: Whole, end: Whole, height: int) -> tuple[Whole, NDArray[np.float64]]:
    """Find the row and the x of every edge in every row that it crosses.

    The lowest row of an edge is left out, so that a corner between two edges counts once.
    """
    down = (start[:, 1] < end[:, 1])[:, None]
    upper, lower = np.where(down, start, end), np.where(down, end, start)
    first, last = upper[:, 1].clip(0, height), lower[:, 1].clip(0, height)
    counts = last - first
    edge = np.repeat(np.arange(len(start)), counts)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
    rise = (lower[:, 0] - upper[:, 0]) / np.maximum(lower[:, 1] - upper[:, 1], 1)
    return row, upper[edge, 0] + (row - upper[edge, 1]) * rise[edge]


def _draw_edges(
    start: Whole, end: Whole, shape: tuple[int, ...]
) -> Iterator[tuple[Whole, Whole]]:
    """Yield the columns and rows of pixels on edges (Bresenham's lines) inside, in pieces."""
    # Every line is drawn from left to right, as its pixels depend on the direction.
    swap = (start[:, 0] > end[:, 0])[:, None]
    start, end = np.where(swap, end, start), np.where(swap, start, end)
    size = np.abs(end - start)
    steep = size[:, 1] > size[:, 0]
    straight = (size == 0).any(axis=1)
    major, minor = np.where(steep, size.T[::-1], size.T)
    sign = np.where(end[:, 1] < start[:, 1], -1, 1)
    first, last = _clip_steps(start, sign, steep, shape)
    counts = np.maximum(np.minimum(last, major + straight) - first, 0)
    num = max(1, _PIECE // max(int(counts.max()), 1))
    for low in range(0, len(start), num):
        part = slice(low, low + num)
        edge = np.repeat(np.arange(len(start))[part], counts[part])
        before = np.cumsum(counts[part]) - counts[part]
        step = np.arange(len(edge)) - np.repeat(before, counts[part]) + first[edge]
        # Bresenham's error after `step` steps in closed form, so that no loop is needed.
        twice = 2 * np.maximum(major[edge], 1)
        across = np.maximum(-((major[edge] - 2 * minor[edge] * step) // twice), 0)
        x = start[edge, 0] + np.where(steep[edge], across, step)
        y = start[edge, 1] + sign[edge] * np.where(steep[edge], step, across)
        inside = (x >= 0) & (x < shape[1]) & (y >= 0) & (y < shape[0])
        yield x[inside], y[inside]


def _clip_steps(
    start: Whole, sign: Whole, steep: NDArray[np.bool_], shape: tuple[int, ...]
) -> tuple[Whole, Whole]:
    """Compute the first step of each line that can be inside, and the first behind it."""
    x, y = start.T
    down = steep & (sign > 0)
    first = np.where(down, -y, np.where(steep, y - shape[0] + 1, -x))
    last = np.where(down, shape[0] - y, np.where(steep, y + 1, shape[1] - x))
    return np.maximum(first, 0), last
