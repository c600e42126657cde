"""The length of borders, without the staircase effect of pixels.

Each pixel edge counts as its projection on the direction of the border there. The direction is
that of the longest stretch of border centred on the edge that is still a digital straight line
(symmetric tangents: Lachaud and Vialard 2003; length by tangents: Coeurjolly and Klette 2004,
"A comparative evaluation of length estimators of digital curves"). On an infinite straight line
the only error is that of the direction. Pixels that are not square change the projection alone.

A stretch ends at a sharp corner: one between two straight runs of at least 2 and 3 edges, which
no digital straight line has. So an upright rectangle has its exact perimeter.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .outline import STEP_XY, Edges

MAX_HALF_STRETCH = 12
"""Most edges to either side; more changed the length of no shape by more than 0.2 %."""


def measure_edges(edges: Edges, pixel_XY: ArrayLike) -> NDArray[np.float64]:
    """Measure the length of border that each of the N edges stands for, (N,).

    `pixel_XY` is the width and height of a pixel: (2,), or (N, 2) where it differs by place.
    The result is in its unit.
    """
    tangent_XY = _tangents(edges) * np.asarray(pixel_XY, np.float64)
    step_XY = STEP_XY[edges.direction] * np.asarray(pixel_XY, np.float64)
    return np.asarray((step_XY * tangent_XY).sum(axis=1) / np.hypot(*tangent_XY.T))


def _tangents(edges: Edges) -> NDArray[np.int32]:
    """Directions of the border at each edge, (N, 2), in half pixels, not of unit length.

    An edge at a sharp corner has its own direction.
    """
    middle_XY = 2 * edges.corner_XY + STEP_XY[edges.direction]
    tangent_XY = STEP_XY[edges.direction]
    chain_length = np.diff(edges.start)[edges.chain]
    sharp = _starts_at_sharp_corner(edges)
    growing = np.arange(len(edges.chain))
    for half in range(1, MAX_HALF_STRETCH + 1):
        growing = growing[chain_length[growing] > 2 * half]
        growing = growing[~sharp[edges.neighbour(growing, 1 - half)]]
        growing = growing[~sharp[edges.neighbour(growing, half)]]
        chord_XY, straight = _stretches(edges, middle_XY, growing, half)
        growing = growing[straight]
        tangent_XY[growing] = chord_XY[straight]
    return tangent_XY


def _starts_at_sharp_corner(edges: Edges) -> NDArray[np.bool_]:
    """Whether a run of 2 edges and one of 3 meet where the edge starts, (N,)."""
    every = np.arange(len(edges.chain))
    back_3, back_2, back_1, on_1, on_2 = (
        edges.direction[edges.neighbour(every, offset)] for offset in (-3, -2, -1, 1, 2)
    )
    two_before, two_after = back_1 == back_2, edges.direction == on_1
    three = (back_2 == back_3) | (on_1 == on_2)
    return np.asarray((edges.direction != back_1) & two_before & two_after & three)


def _stretches(
    edges: Edges, middle_XY: NDArray[np.int32], index: NDArray[np.int64], half: int
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """The chord of each of M stretches, (M, 2), and whether the stretch is straight, (M,).

    A digital straight line keeps the middles of its edges within 1 px, along y where the chord
    runs along x and the other way round. All numbers are in half pixels, so exact.
    """
    first_XY = middle_XY[edges.neighbour(index, -half)]
    chord_XY = middle_XY[edges.neighbour(index, half)] - first_XY
    lowest = np.zeros(len(index), np.int32)
    highest = np.zeros(len(index), np.int32)
    for offset in range(-half + 1, half):
        x, y = (middle_XY[edges.neighbour(index, offset)] - first_XY).T
        side = x * chord_XY[:, 1] - y * chord_XY[:, 0]
        np.minimum(lowest, side, out=lowest)
        np.maximum(highest, side, out=highest)
    return chord_XY, highest - lowest <= 2 * np.abs(chord_XY).max(axis=1, initial=0)
