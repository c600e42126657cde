"""Blur planes on a permutohedral lattice, compiled by numba."""

import numpy as np
from numpy.typing import NDArray

from ..lattice import Lattice
from ._compiled import compile_loop

_LANES = 4
"""Numbers per register; a constant, as a loop of unknown length takes twice as long."""

_BLOCK_POINTS = 1024
_HALF = np.float32(0.5)


def blur(planes_KN: NDArray[np.float32], lattice: Lattice) -> None:
    """See `core.kernels.kernel.Kernel`; `_LANES` planes go through the lattice together."""
    for first in range(0, len(planes_KN), _LANES):
        _blur_lanes(planes_KN[first : first + _LANES], lattice)


@compile_loop
def _blur_lanes(planes_LN: NDArray[np.float32], lattice: Lattice) -> None:
    """Blur up to `_LANES` planes, whose values of one point are stored together, in blocks."""
    here_ML = np.zeros((lattice.before_AM.shape[1], _LANES), np.float32)
    there_ML = np.zeros_like(here_ML)
    values_BL = np.zeros((_BLOCK_POINTS, _LANES), np.float32)
    num_points = planes_LN.shape[1]
    for start in range(0, num_points, _BLOCK_POINTS):
        stop = min(start + _BLOCK_POINTS, num_points)
        for lane in range(planes_LN.shape[0]):
            values_BL[: stop - start, lane] = planes_LN[lane, start:stop]
        _splat(values_BL, lattice, (start, stop), here_ML)
    for direction in range(lattice.before_AM.shape[0]):
        sides = lattice.before_AM[direction], lattice.after_AM[direction]
        _spread(here_ML, sides, there_ML)
        here_ML, there_ML = there_ML, here_ML
    for start in range(0, num_points, _BLOCK_POINTS):
        stop = min(start + _BLOCK_POINTS, num_points)
        _slice(here_ML, lattice, (start, stop), values_BL)
        for lane in range(planes_LN.shape[0]):
            planes_LN[lane, start:stop] = values_BL[: stop - start, lane]


@compile_loop
def _splat(
    values_BL: NDArray[np.float32],
    lattice: Lattice,
    points: tuple[int, int],
    sums_ML: NDArray[np.float32],
) -> None:
    for n in range(points[0], points[1]):
        for a in range(lattice.vertex_AN.shape[0]):
            m, weight = np.uint64(lattice.vertex_AN[a, n]), lattice.weight_AN[a, n]
            for lane in range(_LANES):
                sums_ML[m, lane] += weight * values_BL[n - points[0], lane]


@compile_loop
def _spread(
    here_ML: NDArray[np.float32],
    sides: tuple[NDArray[np.int32], NDArray[np.int32]],
    there_ML: NDArray[np.float32],
) -> None:
    for m in range(here_ML.shape[0] - 1):
        before, after = np.uint64(sides[0][m]), np.uint64(sides[1][m])
        for lane in range(_LANES):
            both = (here_ML[before, lane] + here_ML[after, lane]) * _HALF
            there_ML[m, lane] = here_ML[m, lane] + both


@compile_loop
def _slice(
    sums_ML: NDArray[np.float32],
    lattice: Lattice,
    points: tuple[int, int],
    values_BL: NDArray[np.float32],
) -> None:
    for n in range(points[0], points[1]):
        row = n - points[0]
        values_BL[row] = 0
        for a in range(lattice.vertex_AN.shape[0]):
            m, weight = np.uint64(lattice.vertex_AN[a, n]), lattice.weight_AN[a, n]
            for lane in range(_LANES):
                values_BL[row, lane] += weight * sums_ML[m, lane]
