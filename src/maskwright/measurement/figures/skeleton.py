"""A skeleton as a graph: branches of pixels between free ends and junctions.

Two skeleton pixels are linked where they share an edge, or where they share a corner and no
skeleton pixel shares an edge with both. A pixel with three links or more is a junction pixel;
linked junction pixels are one junction. Points are pixel centres as (x, y) in pixels, in the
frame of `outline`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""Coordinates (N, 2) as (x, y)."""

FREE = -1
"""Stands for the junction at an end that has none."""


@dataclass(frozen=True, slots=True, eq=False)
class SkeletonBranch:
    """A line of points (N, 2) without a junction between its ends.

    `start` and `end` are indices of junctions, or FREE. A ring without a junction is `closed`;
    it repeats no point.
    """

    points_XY: Points
    start: int
    end: int
    closed: bool = False

    @property
    def num_free_ends(self) -> int:
        """Number of free ends: 0, 1 or 2."""
        return 0 if self.closed else (self.start == FREE) + (self.end == FREE)


@dataclass(frozen=True, slots=True, eq=False)
class SkeletonGraph:
    """All branches, the middle of each junction, and pixels without a link."""

    branches: list[SkeletonBranch]
    junctions_XY: Points
    isolated_XY: Points


def build_graph(skeleton_HW: NDArray[np.bool_]) -> SkeletonGraph:
    """Build the graph of a skeleton that is one pixel wide; time grows with its pixels."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links_L2, centres_XY = _link_pixels(skeleton_HW)
    num_px = len(centres_XY)
    degree = np.bincount(links_L2.ravel(), minlength=num_px)
    within_L2 = links_L2[(degree[links_L2] > 2).all(axis=1)]
    ones = np.ones(len(within_L2), np.int8)
    joined = coo_array((ones, (within_L2[:, 0], within_L2[:, 1])), (num_px, num_px))
    _, cluster = connected_components(joined, directed=False)
    junctions, junction_of = np.unique(cluster[degree > 2], return_inverse=True)
    junction = np.full(num_px, FREE)
    junction[degree > 2] = junction_of
    size = np.bincount(junction_of, minlength=len(junctions))[:, None]
    sums = [np.bincount(junction_of, centres_XY[degree > 2, i], len(junctions)) for i in (0, 1)]
    walks = _walk_branches(links_L2, degree, junction)
    middle_XY = np.stack(sums, axis=-1) / np.maximum(size, 1)
    return SkeletonGraph(
        branches=[_make_branch(walk, centres_XY, junction, middle_XY) for walk in walks],
        junctions_XY=middle_XY,
        isolated_XY=centres_XY[degree == 0],
    )


def _link_pixels(skeleton_HW: NDArray[np.bool_]) -> tuple[NDArray[np.int64], Points]:
    """Pairs of linked pixels (L, 2) by row-major index, and the centres (N, 2)."""
    index_HW = np.full(skeleton_HW.shape, -1)
    pixels_YX = np.argwhere(skeleton_HW)
    index_HW[skeleton_HW] = np.arange(len(pixels_YX))
    s, i = skeleton_HW, index_HW
    right, below = s[:, :-1] & s[:, 1:], s[:-1] & s[1:]
    falling = s[:-1, :-1] & s[1:, 1:] & ~s[:-1, 1:] & ~s[1:, :-1]
    rising = s[:-1, 1:] & s[1:, :-1] & ~s[:-1, :-1] & ~s[1:, 1:]
    pairs = (
        (i[:, :-1][right], i[:, 1:][right]),
        (i[:-1][below], i[1:][below]),
        (i[:-1, :-1][falling], i[1:, 1:][falling]),
        (i[:-1, 1:][rising], i[1:, :-1][rising]),
    )
    links_L2 = np.concatenate([np.stack(pair, axis=-1) for pair in pairs])
    return links_L2, (pixels_YX[:, ::-1] + 0.5).astype(np.float64)


def _walk_branches(
    links_L2: NDArray[np.int64], degree: NDArray[np.int64], junction: NDArray[np.int64]
) -> Iterator[list[int]]:
    """Yield the pixels of each branch in order; a ring begins and ends with the same pixel."""
    near: list[list[int]] = [[] for _ in degree]
    for a, b in links_L2.tolist():
        near[a].append(b)
        near[b].append(a)
    passes, in_junction = (degree == 2).tolist(), (junction != FREE).tolist()
    unvisited = set(np.flatnonzero(degree == 2).tolist())
    walked: set[tuple[int, int]] = set()
    for first in np.flatnonzero((degree != 2) & (degree > 0)).tolist():
        for second in near[first]:
            if (first, second) in walked or (in_junction[first] and in_junction[second]):
                continue
            walk = _walk(first, second, near, passes)
            walked.add((walk[-1], walk[-2]))
            unvisited.difference_update(walk)
            yield walk
    for first in sorted(unvisited):
        if first in unvisited:  # pixels without an end and a junction: a ring
            walk = _walk(first, near[first][0], near, passes)
            unvisited.difference_update(walk)
            yield walk


def _walk(first: int, second: int, near: list[list[int]], passes: list[bool]) -> list[int]:
    walk = [first, second]
    while passes[walk[-1]] and walk[-1] != first:
        a, b = near[walk[-1]]
        walk.append(b if a == walk[-2] else a)
    return walk


def _make_branch(
    walk: list[int], centres_XY: Points, junction: NDArray[np.int64], middle_XY: Points
) -> SkeletonBranch:
    """Turn a walk into a branch that ends in the middle of its junctions."""
    points_XY = centres_XY[walk]
    start, end = int(junction[walk[0]]), int(junction[walk[-1]])
    if walk[0] == walk[-1] and start == FREE:
        return SkeletonBranch(points_XY[:-1], FREE, FREE, closed=True)
    for index, at in ((0, start), (-1, end)):
        if at != FREE:
            points_XY[index] = middle_XY[at]
    return SkeletonBranch(points_XY, start, end)
