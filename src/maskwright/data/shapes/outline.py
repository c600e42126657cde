"""Trace the outlines of a mask: along the edges of pixels, or through the centres of pixels.

`raster.fill(trace_outlines(crop), size_HW, "center")` gives the mask back; so does the rule
`coco` if there are no holes. `trace_centers` gives rings that the rule `opencv` fills, each by
itself, to the mask without its holes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .raster import Crop, Ring

_PIECE = 1 << 22
"""Pairs of edges that are compared at once."""


def trace_centers(crop: Crop) -> tuple[Ring, ...]:
    """Trace one ring for each 8-connected region, through the centres of its border pixels.

    Holes are not traced. A region of one or two pixels repeats its last corner, as a ring has
    at least three.
    """
    if not crop.area_px:
        return ()
    inside = crop.inside_hw.astype(np.uint8)
    contours, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    corner = np.array((crop.left + 0.5, crop.top + 0.5))
    rings = (contour.reshape(-1, 2) + corner for contour in contours)  # (N, 1, 2) -> (N, 2)
    return tuple(
        np.concatenate((ring, ring[-1:].repeat(max(3 - len(ring), 0), axis=0)))
        for ring in rings
    )


def is_one_region(crop: Crop) -> bool:
    """Whether the pixels are 4-connected and enclose none, so that one ring outlines them."""
    inside = crop.inside_hw.astype(np.uint8)
    return cv2.connectedComponents(inside, connectivity=4)[0] == 2 and count_holes(crop) == 0


def count_holes(crop: Crop) -> int:
    """Count the 4-connected regions outside that do not touch the border of the crop."""
    outside = np.pad(~crop.inside_hw, 1, constant_values=True).astype(np.uint8)
    return int(cv2.connectedComponents(outside, connectivity=4)[0]) - 2  # inside, and around


def trace_outlines(crop: Crop) -> tuple[Ring, ...]:
    """Trace closed rings; pixels that touch only at a corner are in one ring.

    No ring of a 4-connected region touches itself, and two rings of it share at most single
    corners: outline and holes are a valid polygon.
    """
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
    # goes on downwards where upper left and lower right are inside (9), else (6) upwards.
    rank = np.where(kind == 9, ~second, second)
    down = np.lexsort((rank, y, x))
    across_of = np.arange(len(x)) ^ 1
    down_of = np.empty_like(across_of)
    down_of[down] = down[np.arange(len(down)) ^ 1]
    corners = np.column_stack((x + crop.left, y + crop.top)).astype(np.float64)
    return tuple(corners[ring] for ring in _collect_rings(across_of.tolist(), down_of.tolist()))


def is_simple(rings: Sequence[Ring]) -> bool:
    """Whether no edge crosses or overlaps another, and no ring touches itself.

    Two rings may share single points.
    """
    start = np.concatenate(rings)
    end = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
    if min(map(len, rings)) < 3 or (start == end).all(axis=1).any():
        return False
    ring_of = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    edges = _Edges(start, end, ring_of)
    order = np.argsort(np.minimum(start, end)[:, 0], kind="stable")
    left, right = np.minimum(start, end)[order, 0], np.maximum(start, end)[order, 0]
    # An edge can meet those behind it in the order that begin before it ends.
    counts = np.searchsorted(left, right, side="right") - np.arange(len(order)) - 1
    done, first = np.cumsum(counts), 0
    while first < len(order):
        before = done[first] - counts[first]
        last = max(first + 1, int(np.searchsorted(done, before + _PIECE)))
        index = np.repeat(np.arange(first, last), counts[first:last])
        step = np.arange(len(index)) - (done - counts)[index] + before
        if edges.meet(order[index], order[index + step + 1]):
            return False
        first = last
    return True


@dataclass(frozen=True, slots=True, eq=False)
class _Edges:
    """Edges from `start` to `end`, (N, 2) each, and the ring that each is part of."""

    start: Ring
    end: Ring
    ring_of: NDArray[np.int64]

    def meet(self, one: NDArray[np.int64], other: NDArray[np.int64]) -> bool:
        """Whether any pair of edges crosses or overlaps, or touches within one ring."""
        low, high = np.minimum(self.start, self.end), np.maximum(self.start, self.end)
        near = (low[one, 1] <= high[other, 1]) & (low[other, 1] <= high[one, 1])
        one, other = one[near], other[near]
        a, b, c, d = self.start[one], self.end[one], self.start[other], self.end[other]
        sides = _side(a, b, c), _side(a, b, d), _side(c, d, a), _side(c, d, b)
        crosses = (sides[0] * sides[1] < 0) & (sides[2] * sides[3] < 0)
        in_line = (sides[0] == 0) & (sides[1] == 0)
        shared = np.minimum(high[one], high[other]) - np.maximum(low[one], low[other])
        overlaps = in_line & (shared.max(axis=1, initial=0) > 0)
        corners = zip(sides, (c, d, a, b), (one, one, other, other), strict=True)
        touches = np.zeros(len(one), np.bool_)
        for side, point, edge in corners:
            within = ((point >= low[edge]) & (point <= high[edge])).all(axis=1)
            touches |= (side == 0) & within
        joined = (b == c).all(axis=1) | (d == a).all(axis=1)
        touches &= (self.ring_of[one] == self.ring_of[other]) & ~joined
        return bool((crosses | overlaps | touches).any())


def _side(start: Ring, end: Ring, point: Ring) -> NDArray[np.float64]:
    """On which side of an edge a point lies: the sign of the result, 0 on its line."""
    along, across = end - start, point - start
    side: NDArray[np.float64] = along[:, 0] * across[:, 1] - along[:, 1] * across[:, 0]
    return side


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
