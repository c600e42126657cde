"""A skeleton as a graph: paths of pixels between free ends and branching points.

Two skeleton pixels are linked where they share an edge, or a corner and no skeleton pixel that
shares an edge with both. A pixel with three links or more is a branching pixel; linked ones are
one knot. Points are pixel centres as (x, y) in pixels, in the frame of `outline`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
FREE = -1


@dataclass(frozen=True, slots=True, eq=False)
class SkeletonBranch:
    """A line of n points that touches nothing else between its ends.

    `start` and `end` are knots or FREE. A ring without a knot is `closed`; it repeats no point.
    """

    points_XY: Points
    start: int
    end: int
    closed: bool = False

    @property
    def num_free_ends(self) -> int:
        """How many of its ends are free: 0, 1 or 2."""
        return 0 if self.closed else (self.start == FREE) + (self.end == FREE)


@dataclass(frozen=True, slots=True, eq=False)
class SkeletonGraph:
    """All paths, the middle of every knot, and single pixels that nothing is linked to."""

    paths: list[SkeletonBranch]
    knots_XY: Points
    dots_XY: Points


def build_graph(skeleton_HW: NDArray[np.bool_]) -> SkeletonGraph:
    """Follow a skeleton one pixel wide from end to end; time grows with its pixels."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links_L2, centres_XY = _links(skeleton_HW)
    num_px = len(centres_XY)
    degree = np.bincount(links_L2.ravel(), minlength=num_px)
    within_L2 = links_L2[(degree[links_L2] > 2).all(axis=1)]
    ones = np.ones(len(within_L2), np.int8)
    joined = coo_array((ones, (within_L2[:, 0], within_L2[:, 1])), (num_px, num_px))
    _, cluster = connected_components(joined, directed=False)
    knots, knot_of = np.unique(cluster[degree > 2], return_inverse=True)
    knot = np.full(num_px, FREE)
    knot[degree > 2] = knot_of
    size = np.bincount(knot_of, minlength=len(knots))[:, None]
    sums = [np.bincount(knot_of, centres_XY[degree > 2, i], len(knots)) for i in (0, 1)]
    walks = _walks(links_L2, degree, knot)
    middle_XY = np.stack(sums, axis=-1) / np.maximum(size, 1)
    return SkeletonGraph(
        paths=[_path(walk, centres_XY, knot, middle_XY) for walk in walks],
        knots_XY=middle_XY,
        dots_XY=centres_XY[degree == 0],
    )


def _links(skeleton_HW: NDArray[np.bool_]) -> tuple[NDArray[np.int64], Points]:
    """(L, 2) pairs of linked pixels by their order of reading, and the (N, 2) centres."""
    index_HW = np.full(skeleton_HW.shape, -1)
    places_YX = np.argwhere(skeleton_HW)
    index_HW[skeleton_HW] = np.arange(len(places_YX))
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
    return links_L2, (places_YX[:, ::-1] + 0.5).astype(np.float64)


def _walks(
    links_L2: NDArray[np.int64], degree: NDArray[np.int64], knot: NDArray[np.int64]
) -> Iterator[list[int]]:
    """Pixels of every path in order; those of a ring begin and end with the same pixel."""
    near: list[list[int]] = [[] for _ in degree]
    for a, b in links_L2.tolist():
        near[a].append(b)
        near[b].append(a)
    passes, in_knot = (degree == 2).tolist(), (knot != FREE).tolist()
    left = set(np.flatnonzero(degree == 2).tolist())
    taken: set[tuple[int, int]] = set()
    for first in np.flatnonzero((degree != 2) & (degree > 0)).tolist():
        for second in near[first]:
            if (first, second) in taken or (in_knot[first] and in_knot[second]):
                continue
            walk = _walk(first, second, near, passes)
            taken.add((walk[-1], walk[-2]))
            left.difference_update(walk)
            yield walk
    for first in sorted(left):
        if first in left:  # what has no end and no knot: a ring not walked yet
            walk = _walk(first, near[first][0], near, passes)
            left.difference_update(walk)
            yield walk


def _walk(first: int, second: int, near: list[list[int]], passes: list[bool]) -> list[int]:
    walk = [first, second]
    while passes[walk[-1]] and walk[-1] != first:
        a, b = near[walk[-1]]
        walk.append(b if a == walk[-2] else a)
    return walk


def _path(
    walk: list[int], centres_XY: Points, knot: NDArray[np.int64], middle_XY: Points
) -> SkeletonBranch:
    """The points of a walk, which goes to the middle of the knots at its ends."""
    points_XY = centres_XY[walk]
    start, end = int(knot[walk[0]]), int(knot[walk[-1]])
    if walk[0] == walk[-1] and start == FREE:
        return SkeletonBranch(points_XY[:-1], FREE, FREE, closed=True)
    for place, at in ((0, start), (-1, end)):
        if at != FREE:
            points_XY[place] = middle_XY[at]
    return SkeletonBranch(points_XY, start, end)
