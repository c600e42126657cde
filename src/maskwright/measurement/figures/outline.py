"""The borders of a mask as closed chains of pixel edges, and the polygons they make.

Frame: (0, 0) is the upper left corner of the first pixel, x runs right, y down; every corner is
a whole number. The image border counts as border. A chain has the mask on its right as seen on
the picture: by the shoelace formula on (x, y) an outer chain has a positive area and a hole a
negative one, as GeoJSON wants rings (RFC 7946, 3.1.6). Where two pixels of the mask meet at a
corner only, chains pass between them.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Ring = NDArray[np.int32]
"""Corners (n, 2) as (x, y), the last equal to the first; no three in a row on one line."""

PixelPolygon = tuple[Ring, ...]
"""The outer ring, then its holes. Rings may touch at single corners, and never cross."""

STEP_XY = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)], np.int32)
"""The directions of an edge: right, down, left, up."""


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """All N pixel edges between mask and background, ordered along R closed chains.

    `corner_XY` (N, 2) is where an edge starts, `direction` (N,) a row of STEP_XY, `chain` (N,)
    its chain, `start` (R + 1,) where chains begin, `pixel_XY` (R, 2) one mask pixel at each.
    """

    corner_XY: NDArray[np.int32]
    direction: NDArray[np.int8]
    chain: NDArray[np.int64]
    start: NDArray[np.int64]
    pixel_XY: NDArray[np.int32]

    def neighbour(self, index: NDArray[np.int64], offset: int) -> NDArray[np.int64]:
        """The edges `offset` further along the closed chains of the edges `index`, (M,)."""
        start = self.start[self.chain[index]]
        length = self.start[self.chain[index] + 1] - start
        return start + (index - start + offset) % length


def trace_edges(mask_HW: NDArray[np.bool_]) -> Edges:
    """Find and order the edges of a mask, H x W; time and memory grow with pixels and edges."""
    padded_HW = np.pad(mask_HW, 1)
    corners, directions, ends = _find_edges(padded_HW)
    width = padded_HW.shape[1]
    edge_at = np.full((4, padded_HW.size), -1, np.int32)
    edge_at[directions, corners] = np.arange(len(corners))
    order, start = _order_edges(
        edge_at[_find_directions_after(padded_HW, ends, directions), ends]
    )
    corner_XY = (
        np.stack([corners % width, corners // width], axis=-1).astype(np.int32)[order] - 1
    )
    direction = directions[order]
    pixel_XY = corner_XY[start[:-1]] + _RIGHT_XY[direction[start[:-1]]]
    chain = np.repeat(np.arange(len(start) - 1), np.diff(start))
    return Edges(corner_XY, direction, chain, start, pixel_XY)


_RIGHT_XY = np.array([(0, 0), (-1, 0), (-1, -1), (0, -1)], np.int32)
"""From the corner where an edge starts to the pixel on its right, by direction."""


def _find_edges(
    padded_HW: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.int8], NDArray[np.int64]]:
    """Flat start corner, direction and flat end corner of each edge, all (N,), unordered.

    Corner (y, x) is the upper left of padded pixel (y, x) and has its flat index.
    """
    width = padded_HW.shape[1]
    flat = padded_HW.ravel()
    above = np.flatnonzero(flat[width:] != flat[:-width]) + width
    left = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    right, up = above[flat[above]], left[flat[left]]
    goes_left, down = above[~flat[above]], left[~flat[left]]
    starts = (right, down, goes_left + 1, up + width)
    steps = (1, width, -1, -width)
    directions = np.repeat(np.arange(4, dtype=np.int8), [len(s) for s in starts])
    ends = np.concatenate([s + step for s, step in zip(starts, steps, strict=True)])
    return np.concatenate(starts), directions, ends


def _find_directions_after(
    padded_HW: NDArray[np.bool_], ends: NDArray[np.int64], directions: NDArray[np.int8]
) -> NDArray[np.int64]:
    """The direction of the next edge, (N,): right if the mask ends, else straight or left."""
    width = padded_HW.shape[1]
    ahead_right = np.array([0, -1, -width - 1, -width])[directions]
    ahead_left = np.array([-width, 0, -1, -width - 1])[directions]
    flat = padded_HW.ravel()
    turn = np.where(flat[ends + ahead_right], np.where(flat[ends + ahead_left], -1, 0), 1)
    return np.asarray((directions + turn) % 4, np.int64)


def _order_edges(following: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Order the edges (N,) along their chains, and list where the R chains start, (R + 1,)."""
    successor = following.tolist()
    visited = bytearray(len(successor))
    order: list[int] = []
    start = [0]
    for first in range(len(successor)):
        at = first
        while not visited[at]:
            visited[at] = 1
            order.append(at)
            at = successor[at]
        if start[-1] < len(order):
            start.append(len(order))
    return np.array(order, np.int64), np.array(start, np.int64)


def make_polygons(
    mask_HW: NDArray[np.bool_], edges: Edges
) -> list[tuple[int, int, PixelPolygon]]:
    """Make one polygon per 4-connected part: x and y of one of its pixels, and its rings.

    Pixels that meet at a corner only are in different polygons, so that each polygon is valid
    by the simple features standard (OGC 06-103r4, 6.1.11) and all form a MultiPolygon.
    """
    part_HW = cv2.connectedComponents(mask_HW.view(np.uint8), connectivity=4)[1]
    part_of_chain = part_HW[edges.pixel_XY[:, 1], edges.pixel_XY[:, 0]].tolist()
    rings_of_part: dict[int, list[Ring]] = {}
    pixels: dict[int, tuple[int, int]] = {}
    chains = zip(part_of_chain, _find_rings(edges), edges.pixel_XY.tolist(), strict=True)
    for part, rings, (x, y) in chains:
        pixels.setdefault(part, (x, y))
        rings_of_part.setdefault(part, []).extend(rings)
    return [
        (*pixels[part], tuple(sorted(rings, key=signed_area, reverse=True)))
        for part, rings in rings_of_part.items()
    ]


def signed_area(ring: Ring) -> float:
    """Area in pixels by the shoelace formula: positive for outer rings, negative for holes."""
    x, y = ring.astype(np.int64).T
    return float(x[:-1] @ y[1:] - x[1:] @ y[:-1]) / 2


def _find_rings(edges: Edges) -> list[list[Ring]]:
    """The simple rings of each chain."""
    every = np.arange(len(edges.chain))
    turns = edges.direction != edges.direction[edges.neighbour(every, -1)]
    corner_XY, chain = edges.corner_XY[turns], edges.chain[turns]
    bounds = np.searchsorted(chain, np.arange(len(edges.start)))
    return [_split_at_repeated_corners(corner_XY[a:b]) for a, b in pairwise(bounds)]


def _split_at_repeated_corners(corner_XY: NDArray[np.int32]) -> list[Ring]:
    """Split a closed chain (n, 2) into simple rings where it returns to a corner."""
    points = list(map(tuple, corner_XY.tolist()))
    if len(set(points)) == len(points):
        return [np.concatenate([corner_XY, corner_XY[:1]])]
    rings: list[Ring] = []
    path: list[Any] = []
    position: dict[Any, int] = {}
    for point in [*points, points[0]]:
        if point in position:
            loop = path[position[point] :]
            rings.append(np.array([*loop, point], np.int32))
            for corner in loop:
                del position[corner]
            del path[len(path) - len(loop) :]
        position[point] = len(path)
        path.append(point)
    return rings
