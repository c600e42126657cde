"""Permutohedral lattice, Adams et al. 2010: each point among the vertices that surround it.

Points in D dimensions, in units of the standard deviation of the wanted Gaussian, are turned
into the hyperplane of A = D + 1 coordinates whose sum is 0 (section 3.1). The lattice there
cuts it into simplices; a point belongs to the A vertices of its own, by its barycentric
weights. All coordinates of a vertex leave the same rest when divided by A, and a simplex has
one vertex of each rest, so vertices are found, numbered and joined rest by rest.
`Kernel.blurred` then spreads values over the vertices, along each of the A directions in turn,
and back to the points.

Only vertices of a simplex with a point in it exist; what others would carry on is lost. Vertex
M, one after the last, stands for all that are missing.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError

_STRIP_POINTS = 1 << 15
"""Worked on at a time, which bounds the memory of what is soon thrown away: 20 MB."""

_MAX_KEY = 1 << 61


class Lattice(NamedTuple):
    """N points among M vertices; a tuple, so that compiled code takes it.

    `before_AM` and `after_AM`: the neighbours of each of the M + 1 vertices in each direction,
    M where there is none.
    """

    vertex_AN: NDArray[np.int32]
    weight_AN: NDArray[np.float32]
    before_AM: NDArray[np.int32]
    after_AM: NDArray[np.int32]


def lattice_of(features_DN: NDArray[np.float32]) -> Lattice:
    """The lattice of N points, D features each, finite and at least 0.

    Raises:
        ConfigError: Points lie so far apart that vertices cannot be numbered in 61 bits.
    """
    stride_A = _strides(features_DN.max(axis=1).astype(np.float64))
    keys_AN, weight_AN = _surrounded(features_DN, stride_A)
    vertex_AN, keys_by_rest = _numbered(keys_AN)
    del keys_AN
    return Lattice(vertex_AN, weight_AN, *_neighbours(keys_by_rest, stride_A))


def _surrounded(
    features_DN: NDArray[np.float32], stride_A: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Keys and weights of the vertices around each point, strip by strip."""
    shape_AN = len(features_DN) + 1, features_DN.shape[1]
    keys_AN, weight_AN = np.empty(shape_AN, np.int64), np.empty(shape_AN, np.float32)
    for start in range(0, shape_AN[1], _STRIP_POINTS):
        part = slice(start, start + _STRIP_POINTS)
        keys_AN[:, part], weight_AN[:, part] = _simplices(features_DN[:, part], stride_A)
    return keys_AN, weight_AN


def _numbered(
    keys_AN: NDArray[np.int64],
) -> tuple[NDArray[np.int32], list[NDArray[np.int64]]]:
    """Numbers in place of keys, and the sorted keys of each rest; a row is a rest."""
    vertex_AN = np.empty(keys_AN.shape, np.int32)
    keys_by_rest: list[NDArray[np.int64]] = []
    first = 0
    for rest, keys_N in enumerate(keys_AN):
        keys, number_N = np.unique(keys_N, return_inverse=True)
        vertex_AN[rest] = number_N.reshape(-1)
        vertex_AN[rest] += first
        keys_by_rest.append(keys)
        first += keys.size
    return vertex_AN, keys_by_rest


def _scaled(features_DN: NDArray[np.float64]) -> NDArray[np.float64]:
    """Units in which splat, blur and slice together have variance 1 along each axis."""
    num_features = len(features_DN)
    axis_D = np.arange(num_features)
    unit_D = (num_features + 1) * np.sqrt(2 / 3 / (axis_D + 1) / (axis_D + 2))
    scaled_DN: NDArray[np.float64] = features_DN * unit_D[:, None]
    return scaled_DN


def _elevated(features_DN: NDArray[np.float64]) -> NDArray[np.float64]:
    """In the hyperplane: coordinate j is the sum of the features from j on, less j of j - 1."""
    scaled_DN = _scaled(features_DN)
    elevated_AN = np.zeros((len(scaled_DN) + 1, scaled_DN.shape[1]))
    elevated_AN[:-1] = np.cumsum(scaled_DN[::-1], axis=0)[::-1]
    elevated_AN[1:] -= np.arange(1, len(scaled_DN) + 1)[:, None] * scaled_DN
    return elevated_AN


def _strides(largest_D: NDArray[np.float64]) -> NDArray[np.int64]:
    """By what to multiply each coordinate to number a vertex; the last follows from the others.

    A coordinate spans what features from 0 to the largest make of it, and three simplices on
    either side for the vertices around and their neighbours.
    """
    scaled_D = _scaled(largest_D[:, None])[:, 0]
    num_directions = len(scaled_D) + 1
    spans_D = np.cumsum(scaled_D[::-1])[::-1] + 6 * num_directions
    spans_D[1:] += np.arange(1, len(scaled_D)) * scaled_D[:-1]
    stride_A, stride = np.zeros(num_directions, np.int64), 1
    for axis, span in enumerate(spans_D.tolist()):
        stride_A[axis] = stride
        stride *= int(span) + 1
        if stride > _MAX_KEY:
            raise ConfigError(
                "the Gaussians are too narrow for this image: its pixels lie so many widths "
                "apart that the lattice cannot number them; use wider ones"
            )
    return stride_A


def _simplices(
    features_DN: NDArray[np.float32], stride_A: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Keys and weights, each (A, N), of the vertices around each point, in order of rest."""
    elevated_AN = _elevated(features_DN.astype(np.float64))
    num_directions = len(elevated_AN)
    multiple_AN = np.rint(elevated_AN / num_directions).astype(np.int64)
    offset_AN = elevated_AN / num_directions - multiple_AN
    rank_AN = _ranks(offset_AN) + multiple_AN.sum(axis=0)
    for over_AN, step in ((rank_AN < 0, 1), (rank_AN >= num_directions, -1)):
        rank_AN += over_AN * (step * num_directions)
        multiple_AN += over_AN * step
        offset_AN -= over_AN * step
    sorted_AN, stride_by_rank_AN = np.empty_like(offset_AN), np.empty_like(multiple_AN)
    np.put_along_axis(sorted_AN, rank_AN, offset_AN, axis=0)
    np.put_along_axis(stride_by_rank_AN, rank_AN, stride_A[:, None], axis=0)
    weight_AN = np.empty_like(offset_AN)
    weight_AN[0] = 1 - (sorted_AN[0] - sorted_AN[-1])
    weight_AN[1:] = (sorted_AN[:-1] - sorted_AN[1:])[::-1]
    keys_AN = np.empty_like(multiple_AN)
    keys_AN[0] = num_directions * (multiple_AN * stride_A[:, None]).sum(axis=0)
    keys_AN[1:] = stride_A.sum() - num_directions * stride_by_rank_AN[:0:-1]
    return np.cumsum(keys_AN, axis=0, out=keys_AN), weight_AN


def _ranks(values_AN: NDArray[np.float64]) -> NDArray[np.int64]:
    """Place of each value in its column, the largest first; of equals, the first wins."""
    rank_AN = np.zeros(values_AN.shape, np.int64)
    for axis in range(len(values_AN)):
        is_less_AN = values_AN[axis] < values_AN[axis + 1 :]
        rank_AN[axis] += is_less_AN.sum(axis=0)
        rank_AN[axis + 1 :] += ~is_less_AN
    return rank_AN


def _neighbours(
    keys_by_rest: list[NDArray[np.int64]], stride_A: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """`before_AM` and `after_AM`: a step adds 1 to all coordinates and takes A from one."""
    num_directions = len(stride_A)
    firsts = np.cumsum([0, *(keys.size for keys in keys_by_rest)])
    before_AM = np.full((num_directions, firsts[-1] + 1), firsts[-1], np.int32)
    after_AM = before_AM.copy()
    for direction, step in enumerate(stride_A.sum() - num_directions * stride_A):
        for rest, keys in enumerate(keys_by_rest):
            following = (rest + 1) % num_directions
            wanted, known = keys + step, keys_by_rest[following]
            place = np.minimum(np.searchsorted(known, wanted), known.size - 1)
            found = np.flatnonzero(known[place] == wanted)
            here, there = found + firsts[rest], place[found] + firsts[following]
            after_AM[direction, here] = there
            before_AM[direction, there] = here
    return before_AM, after_AM
