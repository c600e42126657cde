"""Labels at the pixels of another grid, by the nearest pixel: classes are never blended.

Pixels of the other grid that lie outside of the labels are IGNORE. Where its pixels are larger
than those of the labels, most of the labels are not seen.
"""

from collections.abc import Callable, Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ...core.labels import IGNORE, LabelMap
from ..georef.placement import Placement
from .alignment import describe_misalignment, read_grid
from .grids import TOLERANCE_PX, Grid, to_system
from .imageref import ImageRef

ReadLabels = Callable[[ImageRef], LabelMap]
"""Reads the LabelMap of one file or page."""

_ROWS = 512
"""So many rows of the other grid are located at a time."""


def read_aligned(read: ReadLabels, labels: ImageRef, reference: ImageRef) -> LabelMap:
    """Read labels on the grid of `reference`: resampled where the two do not lie alike.

    Raises:
        DataError: A file is damaged, the two systems cannot be compared, or the two files
            have no pixel in common.
        MissingDependencyError: Two systems of the ground need pyproj.
    """
    own, there = read_grid(labels), read_grid(reference)
    if own is None or there is None or not describe_misalignment(labels, reference):
        return read(labels)
    if own.placement is not None and there.placement is not None:
        resampled_HW = _resample_on_ground(
            read(labels), own.placement, there.placement, there.size_HW
        )
        if resampled_HW is None:
            raise _explain_apart(labels, reference)
        return resampled_HW
    if _are_apart(own, there):
        raise _explain_apart(labels, reference)
    return _resample_in_patient(read, labels, own, there, reference.page or 0)


def _explain_apart(labels: ImageRef, reference: ImageRef) -> DataError:
    return DataError(
        f"{labels}: has no pixel in common with {reference}, it "
        f"{describe_misalignment(labels, reference)}; correct the georeference or the affine "
        f"of one of them, or leave it out"
    )


def _are_apart(own: Grid, there: Grid) -> bool:
    """Whether two volumes have no point in common, as all corners of one are on one side."""
    # slice k reaches from k - 0.5 to k + 0.5
    x, y, z = (0, there.size_HW[1]), (0, there.size_HW[0]), (-0.5, there.num_slices - 0.5)
    corners_84 = np.array([*product(x, y, z, (1,))])
    points_83 = (corners_84 @ (np.linalg.inv(own.affine_44) @ there.affine_44).T)[:, :3]
    low_3 = np.array([0, 0, -0.5]) + TOLERANCE_PX
    high_3 = np.array([own.size_HW[1], own.size_HW[0], own.num_slices - 0.5]) - TOLERANCE_PX
    return bool(((points_83 < low_3).all(axis=0) | (points_83 > high_3).all(axis=0)).any())


def _resample_on_ground(
    labels_HW: LabelMap, own: Placement, there: Placement, size_HW: tuple[int, int]
) -> LabelMap | None:
    """The labels on the other grid; None where none of its pixels lies on them."""
    resampled_HW = np.full(size_HW, IGNORE, np.uint8)
    meet = False
    for rows, points_hW2 in _list_centres(size_HW):
        ground = to_system(there.to_ground(points_hW2), there, own)
        x, y = np.moveaxis(own.to_pixels(ground), -1, 0)
        inside = _is_inside(x, labels_HW.shape[1]) & _is_inside(y, labels_HW.shape[0])
        meet = meet or bool(inside.any())
        resampled_HW[rows][inside] = labels_HW[y[inside].astype(int), x[inside].astype(int)]
    return resampled_HW if meet else None


def _resample_in_patient(
    read: ReadLabels, labels: ImageRef, own: Grid, there: Grid, page: int
) -> LabelMap:
    resampled_HW = np.full(there.size_HW, IGNORE, np.uint8)
    to_own_44 = np.linalg.inv(own.affine_44) @ there.affine_44
    for rows, points_hW2 in _list_centres(there.size_HW):
        ends = np.full((*points_hW2.shape[:2], 2), (page, 1.0))
        points = np.concatenate([points_hW2, ends], axis=-1) @ to_own_44.T
        x, y, z = np.moveaxis(points[..., :3], -1, 0)
        z = z + 0.5  # slice k reaches from k - 0.5 to k + 0.5
        inside = _is_inside(x, own.size_HW[1]) & _is_inside(y, own.size_HW[0])
        inside &= _is_inside(z, own.num_slices)
        slices = np.where(inside, z, -1).astype(int)
        for index in np.unique(slices[inside]).tolist():
            labels_HW = read(labels if own.num_slices == 1 else labels.with_page(index))
            here = slices == index
            resampled_HW[rows][here] = labels_HW[y[here].astype(int), x[here].astype(int)]
    return resampled_HW


def _list_centres(size_HW: tuple[int, int]) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """The centres (h, W, 2), (x, y), of the pixels of a grid, some rows at a time."""
    height, width = size_HW
    x_W = np.arange(width) + 0.5
    for top in range(0, height, _ROWS):
        rows = slice(top, min(height, top + _ROWS))
        y_h = np.arange(rows.start, rows.stop) + 0.5
        yield rows, np.stack(np.broadcast_arrays(x_W[None, :], y_h[:, None]), axis=-1)


def _is_inside(position: NDArray[np.float64], size: int) -> NDArray[np.bool_]:
    return (position >= 0) & (position < size)
