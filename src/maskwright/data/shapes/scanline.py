"""Polygons -> pixels as V7's exporter draws them: corners rounded, outlined, even-odd.

Corners are pulled to the pixels of the image (of the smallest window with image and polygon,
where it reaches past the image) and rounded, halves to even. Edges are drawn as lines without
their right end; rows are filled between crossings of edges, ends included.
Source: darwin-py 3.6, exporter/formats/mask.py; upolygon 0.2, draw_polygon.pyx.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]
_PIECE = 1 << 20
"""Edges times rows, or pixels of lines, that are in memory at once."""


def fill_scanline(
    rings: Sequence[NDArray[np.float64]], size_HW: tuple[int, int]
) -> tuple[int, int, NDArray[np.bool_]]:
    """Top, left and the pixels of one polygon, cut at the image's border."""
    rounded = _rounded(rings, size_HW)
    start = np.concatenate(rounded)
    end = np.concatenate([np.roll(ring, -1, axis=0) for ring in rounded])
    left, top = np.maximum(start.min(axis=0), 0).tolist()
    right, bottom = np.minimum(start.max(axis=0) + 1, size_HW[::-1]).tolist()
    if right <= left or bottom <= top:
        return 0, 0, np.zeros((0, 0), np.bool_)
    corner = np.array((left, top))
    inside_hw = _filled(start - corner, end - corner, (bottom - top, right - left))
    for x, y in _lines(start - corner, end - corner, inside_hw.shape):
        inside_hw[y, x] = True
    return top, left, inside_hw


def _rounded(rings: Sequence[NDArray[np.float64]], size_HW: tuple[int, int]) -> list[Whole]:
    """Corners as whole pixels."""
    every = np.concatenate(rings)
    low = np.floor(np.minimum(every.min(axis=0), 0))
    high = np.ceil(np.maximum(every.max(axis=0), size_HW[::-1])) - 1
    # Rounded from the window's corner, as halves go to the even number there.
    return [(np.rint(np.clip(ring, low, high) - low) + low).astype(np.int64) for ring in rings]


def _filled(start: Whole, end: Whole, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The rows of `_band`, some at a time."""
    height, num = shape[0], max(1, _PIECE // len(start))
    bands = [
        _band(start - (0, top), end - (0, top), (min(num, height - top), shape[1]))
        for top in range(0, height, num)
    ]
    return np.concatenate(bands)


def _band(start: Whole, end: Whole, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels from an odd crossing to the next even one of each row, both included."""
    row, x = _crossings(start, end, shape[0])
    order = np.lexsort((x, row))
    row, x = row[order], x[order]
    first, last = np.ceil(x[::2]).astype(np.int64), np.floor(x[1::2]).astype(np.int64) + 1
    row = row[::2]
    touching = np.concatenate(([False], row[1:] == row[:-1]))
    before = np.where(touching, np.concatenate(([0], last[:-1])), 0)
    first = np.maximum(first, before).clip(0, shape[1])
    last = np.maximum(last.clip(0, shape[1]), first)
    turns = np.column_stack((first, last)) + (row * shape[1])[:, None]
    lengths = np.diff(turns.ravel(), prepend=0, append=shape[0] * shape[1])
    inside: NDArray[np.bool_] = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return inside.reshape(shape)


def _crossings(start: Whole, end: Whole, height: int) -> tuple[Whole, NDArray[np.float64]]:
    """Row and x of every edge in every row that it passes, its lowest row left out."""
    down = (start[:, 1] < end[:, 1])[:, None]
    upper, lower = np.where(down, start, end), np.where(down, end, start)
    first, last = upper[:, 1].clip(0, height), lower[:, 1].clip(0, height)
    counts = last - first
    edge = np.repeat(np.arange(len(start)), counts)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
    rise = (lower[:, 0] - upper[:, 0]) / np.maximum(lower[:, 1] - upper[:, 1], 1)
    return row, upper[edge, 0] + (row - upper[edge, 1]) * rise[edge]


def _lines(start: Whole, end: Whole, shape: tuple[int, ...]) -> Iterator[tuple[Whole, Whole]]:
    """Columns and rows of pixels on edges (Bresenham's lines) that are inside, in pieces."""
    swap = (start[:, 0] > end[:, 0])[:, None]
    start, end = np.where(swap, end, start), np.where(swap, start, end)
    size = np.abs(end - start)
    steep = size[:, 1] > size[:, 0]
    straight = (size == 0).any(axis=1)
    major, minor = np.where(steep, size.T[::-1], size.T)
    sign = np.where(end[:, 1] < start[:, 1], -1, 1)
    first, last = _visible(start, sign, steep, shape)
    counts = np.maximum(np.minimum(last, major + straight) - first, 0)
    num = max(1, _PIECE // max(int(counts.max()), 1))
    for low in range(0, len(start), num):
        part = slice(low, low + num)
        edge = np.repeat(np.arange(len(start))[part], counts[part])
        begins = np.cumsum(counts[part]) - counts[part]
        step = np.arange(len(edge)) - np.repeat(begins, counts[part]) + first[edge]
        twice = 2 * np.maximum(major[edge], 1)
        across = np.maximum(-((major[edge] - 2 * minor[edge] * step) // twice), 0)
        x = start[edge, 0] + np.where(steep[edge], across, step)
        y = start[edge, 1] + sign[edge] * np.where(steep[edge], step, across)
        inside = (x >= 0) & (x < shape[1]) & (y >= 0) & (y < shape[0])
        yield x[inside], y[inside]


def _visible(
    start: Whole, sign: Whole, steep: NDArray[np.bool_], shape: tuple[int, ...]
) -> tuple[Whole, Whole]:
    """Steps along each line from which on it can be inside, and from which on no more."""
    x, y = start.T
    down = steep & (sign > 0)
    first = np.where(down, -y, np.where(steep, y - shape[0] + 1, -x))
    last = np.where(down, shape[0] - y, np.where(steep, y + 1, shape[1] - x))
    return np.maximum(first, 0), last
