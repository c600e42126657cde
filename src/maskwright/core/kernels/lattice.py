"""Permutohedral lattice, Adams et al. 2010: every point lies among the vertices around it.

Points in D dimensions, in units of the standard deviation of the wanted Gaussian, are mapped
into the hyperplane of A = D + 1 coordinates whose sum is 0 (section 3.1). The lattice divides
the hyperplane into simplices; a point has barycentric weights at the A vertices of its simplex.
All coordinates of a vertex have the same remainder when divided by A, and a simplex has one
vertex of each remainder. Vertices are therefore found, indexed and joined remainder by
remainder. `Kernel.blur` then spreads values from the points over the vertices, along each of
the A directions in turn, and back to the points.

Only vertices of a simplex with a point in it exist; values that would move to another vertex
are lost. Vertex M, one after the last, stands for all missing vertices.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError

_STRIP_POINTS = 1 << 15
"""Points processed at once, which bounds the memory of intermediate arrays to 20 MB."""

_MAX_KEY = 1 << 61


class Lattice(NamedTuple):
    """N points among M vertices; a tuple, so that compiled code accepts it.

    `vertex_AN` and `weight_AN`: the vertices around each point and the point's weights there.
    `before_AM` and `after_AM`: the neighbours of each of the M + 1 vertices in each direction,
    M where there is none.
    """

    vertex_AN: NDArray[np.int32]
    weight_AN: NDArray[np.float32]
    before_AM: NDArray[np.int32]
    after_AM: NDArray[np.int32]


def build_lattice(features_DN: NDArray[np.float32]) -> Lattice:
    """Build the lattice of N points with D features each, finite and at least 0.

    Raises:
        ConfigError: Points lie so far apart that 61 bits cannot hold the keys of all vertices.
    """
    # 1. Give a key to every position that a vertex may have; 2. find the vertices around each
    # point; 3. index those that exist; 4. join each to its neighbours.
    stride_A = _strides(features_DN.max(axis=1).astype(np.float64))
    keys_AN, weight_AN = _find_vertices(features_DN, stride_A)
    vertex_AN, keys_by_remainder = _index_vertices(keys_AN)
    del keys_AN  # 8 bytes per point and vertex, no longer needed while neighbours are joined
    return Lattice(vertex_AN, weight_AN, *_join_neighbours(keys_by_remainder, stride_A))


def _find_vertices(
    features_DN: NDArray[np.float32], stride_A: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Keys and weights of the vertices around each point, strip by strip."""
    shape_AN = len(features_DN) + 1, features_DN.shape[1]
    keys_AN, weight_AN = np.empty(shape_AN, np.int64), np.empty(shape_AN, np.float32)
    for start in range(0, shape_AN[1], _STRIP_POINTS):
        part = slice(start, start + _STRIP_POINTS)
        keys_AN[:, part], weight_AN[:, part] = _simplices(features_DN[:, part], stride_A)
    return keys_AN, weight_AN


def _index_vertices(
    keys_AN: NDArray[np.int64],
) -> tuple[NDArray[np.int32], list[NDArray[np.int64]]]:
    """Indices in place of keys, and the sorted keys of each remainder; a row is a remainder.

    The vertices of one remainder have consecutive indices, in the order of their keys.
    """
    vertex_AN = np.empty(keys_AN.shape, np.int32)
    keys_by_remainder: list[NDArray[np.int64]] = []
    first = 0
    for remainder, keys_N in enumerate(keys_AN):
        keys, index_N = np.unique(keys_N, return_inverse=True)
        vertex_AN[remainder] = index_N.reshape(-1)
        vertex_AN[remainder] += first
        keys_by_remainder.append(keys)
        first += keys.size
    return vertex_AN, keys_by_remainder


def _scale(features_DN: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale features so that splat, blur and slice together have variance 1 along each axis."""
    num_features = len(features_DN)
    axis_D = np.arange(num_features)
    unit_D = (num_features + 1) * np.sqrt(2 / 3 / (axis_D + 1) / (axis_D + 2))
    scaled_DN: NDArray[np.float64] = features_DN * unit_D[:, None]
    return scaled_DN


def _elevate(features_DN: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map points into the hyperplane, (D, N) -> (A, N).

    Coordinate j is the sum of the features from j on, minus j times feature j - 1; this is the
    triangular basis of section 3.1, which takes D steps per point in place of D^2.
    """
    scaled_DN = _scale(features_DN)
    elevated_AN = np.zeros((len(scaled_DN) + 1, scaled_DN.shape[1]))
    elevated_AN[:-1] = np.cumsum(scaled_DN[::-1], axis=0)[::-1]
    elevated_AN[1:] -= np.arange(1, len(scaled_DN) + 1)[:, None] * scaled_DN
    return elevated_AN


def _strides(largest_D: NDArray[np.float64]) -> NDArray[np.int64]:
    """Factors of the coordinates in the key of a vertex, as strides of an array of D axes.

    The last coordinate follows from the others (their sum is 0), so its factor is 0. An axis is
    as long as the features from 0 to the largest make it, and three simplices more on either
    side for the vertices around the points and their neighbours: no two vertices share a key.
    """
    scaled_D = _scale(largest_D[:, None])[:, 0]
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
                "apart that the keys of the lattice exceed 61 bits; use wider Gaussians"
            )
    return stride_A


def _simplices(
    features_DN: NDArray[np.float32], stride_A: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Keys and weights, each (A, N), of the vertices around each point, by remainder."""
    elevated_AN = _elevate(features_DN.astype(np.float64))
    num_directions = len(elevated_AN)
    # The nearest vertex of remainder 0, in multiples of A: round each coordinate, then repair
    # the sum. It must be 0; where it is s, the |s| coordinates that rounding moved most go
    # back by one. Their rank, shifted by s, leaves the range 0..A-1 and says which they are.
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
    # Barycentric weights are the differences of neighbours in the sorted offsets.
    weight_AN = np.empty_like(offset_AN)
    weight_AN[0] = 1 - (sorted_AN[0] - sorted_AN[-1])
    weight_AN[1:] = (sorted_AN[:-1] - sorted_AN[1:])[::-1]
    # From the vertex of one remainder to the next, all coordinates grow by 1 and the one of the
    # last rank not yet used falls by A: keys are sums of such steps.
    keys_AN = np.empty_like(multiple_AN)
    keys_AN[0] = num_directions * (multiple_AN * stride_A[:, None]).sum(axis=0)
    keys_AN[1:] = stride_A.sum() - num_directions * stride_by_rank_AN[:0:-1]
    return np.cumsum(keys_AN, axis=0, out=keys_AN), weight_AN


def _ranks(values_AN: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rank of each value in its column, 0 for the largest; among equals, the first is lower.

    Each pair is compared once: a colour image has 6 rows.
    """
    rank_AN = np.zeros(values_AN.shape, np.int64)
    for axis in range(len(values_AN)):
        is_less_AN = values_AN[axis] < values_AN[axis + 1 :]
        rank_AN[axis] += is_less_AN.sum(axis=0)
        rank_AN[axis + 1 :] += ~is_less_AN
    return rank_AN


def _join_neighbours(
    keys_by_remainder: list[NDArray[np.int64]], stride_A: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """`before_AM` and `after_AM`: a step adds 1 to all coordinates and takes A from one."""
    num_directions = len(stride_A)
    firsts = np.cumsum([0, *(keys.size for keys in keys_by_remainder)])
    before_AM = np.full((num_directions, firsts[-1] + 1), firsts[-1], np.int32)
    after_AM = before_AM.copy()
    for direction, step in enumerate(stride_A.sum() - num_directions * stride_A):
        for remainder, keys in enumerate(keys_by_remainder):
            # A step adds 1 to all coordinates, hence to the remainder: the neighbour can only
            # be among the sorted keys of the following one.
            following = (remainder + 1) % num_directions
            wanted, known = keys + step, keys_by_remainder[following]
            position = np.minimum(np.searchsorted(known, wanted), known.size - 1)
            exists = np.flatnonzero(known[position] == wanted)
            here, there = exists + firsts[remainder], position[exists] + firsts[following]
            after_AM[direction, here] = there
            before_AM[direction, there] = here
    return before_AM, after_AM
