"""Grids: where the pixels of a file lie, and how two files lie beside each other.

Files lie alike where their pixels lie at the same points of the ground or of the patient, to
`TOLERANCE_PX`, and their sizes are equal. Two systems of the ground are compared by pyproj (the
extra `geo`), where it is installed; without it, another code is another place.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError, MissingDependencyError
from ..georef.patient import PatientFrame
from ..georef.placement import Placement, Points
from ..georef.systems import transform_points
from ..georef.units import DEGREE
from .imagefile import ImageFile

TOLERANCE_PX = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Where the pixels of a file lie: on the ground by a placement, or in a patient."""

    size_HW: tuple[int, int]
    placement: Placement | None = None
    frame: PatientFrame | None = None

    @classmethod
    def from_image(cls, opened: ImageFile) -> Self | None:
        """The grid of an opened file; None where the file does not state where it lies.

        Raises:
            DataError: The georeference or the header is damaged.
        """
        frame, placement = opened.patient_frame, opened.placement
        if frame is None and placement is None:
            return None
        return cls(size_HW=opened.size_HW, frame=frame, placement=placement)

    @property
    def num_slices(self) -> int:
        """The number of slices, 1 on the ground."""
        return 1 if self.frame is None else self.frame.num_slices

    @property
    def states_no_origin(self) -> bool:
        """Whether it is a volume whose file states spacing alone."""
        return self.frame is not None and not self.frame.stated

    @property
    def affine_44(self) -> NDArray[np.float64]:
        """From (x, y, slice, 1) to the ground or the patient."""
        if self.frame is not None:
            return self.frame.affine_44
        if self.placement is None:
            raise ValueError("a grid without a place")
        a, b, c, d, e, f = self.placement.affine
        rows = ((a, b, 0, c), (d, e, 0, f), (0, 0, 1, 0), (0, 0, 0, 1))
        return np.array(rows, np.float64)

    @property
    def sides(self) -> NDArray[np.float64]:
        """Width and height of a pixel and distance of slices, in the unit of the system."""
        return np.asarray(np.linalg.norm(self.affine_44[:3, :3], axis=0))

    def list_corners(self) -> NDArray[np.float64]:
        """The corners (8, 3) of the grid: x, y and slice."""
        height, width = self.size_HW
        ends = ((0, width), (0, height), (0, self.num_slices - 1))
        # (3, 2, 2, 2) -> (8, 3)
        return np.stack(np.meshgrid(*ends, indexing="ij")).reshape(3, -1).T.astype(np.float64)


def list_differences(own: Grid, there: Grid) -> Iterator[str]:
    """List the differences, "is shifted by 7 px (70 m)"; nothing where two grids lie alike."""
    if own.size_HW != there.size_HW or own.num_slices != there.num_slices:
        yield f"has {_format_size(own)} pixels, the other {_format_size(there)}"
        yield from _list_causes(own, there)
        return
    if own.states_no_origin or there.states_no_origin:
        yield from _list_causes(own, there)
        return
    corners = there.list_corners()
    offset = _measure_offset(own, there, corners)
    if offset is None:
        yield from _list_causes(own, there)
        return
    offset_px, length = offset
    if offset_px <= TOLERANCE_PX:
        return
    causes = list(_list_causes(own, there))
    yield from causes
    how = "lies up to" if causes else "is shifted by"
    yield f"{how} {offset_px:.4g} px ({_format_length(length, there)}){' off' * bool(causes)}"


def _measure_offset(
    own: Grid, there: Grid, corners: NDArray[np.float64]
) -> tuple[float, float] | None:
    """The largest offset of a corner: in pixels of `there`, and in the unit of its system.

    None where the two systems cannot be compared.
    """
    corners_4 = np.c_[corners, np.ones(len(corners))]  # (8, 3) -> (8, 4)
    mine, theirs = (
        corners_4 @ own.affine_44.T,
        corners_4 @ there.affine_44.T,
    )
    if own.placement is not None and there.placement is not None:
        try:
            mine[:, :2] = to_system(mine[:, :2], own.placement, there.placement)
        except (DataError, MissingDependencyError):
            return None
    if not np.isfinite(mine).all():
        return None
    offset_px = (mine - theirs) @ np.linalg.inv(there.affine_44).T
    lengths = np.linalg.norm((mine - theirs)[:, :3], axis=1)
    return float(np.abs(offset_px[:, :3]).max()), float(lengths.max())


def to_system(points: Points, own: Placement, there: Placement) -> Points:
    """Points of one system in another; unchanged where both are one, or one is not named.

    Raises:
        DataError: The units differ where a system is not named, or a code is not known.
        MissingDependencyError: pyproj is not installed.
    """
    if own.epsg and there.epsg:
        return transform_points(points, own.epsg, there.epsg)
    if own.unit != there.unit:
        raise DataError(
            f"{own.origin}: lies in {own.system}, {there.origin} in {there.system}, which "
            f"cannot be compared; write the code of the system into both files"
        )
    return points


def _list_causes(own: Grid, there: Grid) -> Iterator[str]:
    if own.frame is not None and there.frame is not None:
        yield from _list_causes_in_patient(own, there, own.frame, there.frame)
    elif own.placement is not None and there.placement is not None:
        yield from _list_causes_on_ground(own, there, own.placement, there.placement)


def _list_causes_in_patient(
    own: Grid, there: Grid, mine: PatientFrame, theirs: PatientFrame
) -> Iterator[str]:
    if mine.stored != theirs.stored and not theirs.stated:
        yield f"is stored in the order {mine.stored}, the other states no orientation"
    elif mine.stored != theirs.stored and not mine.stated:
        yield f"states no orientation, the other is stored in the order {theirs.stored}"
    if mine.plane != theirs.plane:
        yield f"is cut in {mine.plane} slices, the other in {theirs.plane} ones"
    if not np.allclose(own.sides, there.sides, rtol=1e-4):
        yield f"has voxels of {_format_sides(own)}, the other of {_format_sides(there)}"


def _list_causes_on_ground(
    own: Grid, there: Grid, mine: Placement, theirs: Placement
) -> Iterator[str]:
    named = mine.epsg and theirs.epsg
    if (mine.epsg != theirs.epsg) if named else (mine.unit != theirs.unit):
        yield f"lies in {mine.system}, the other in {theirs.system}"
    elif not np.allclose(own.sides, there.sides, rtol=1e-6):
        yield f"has pixels of {_format_sides(own)}, the other of {_format_sides(there)}"
    if mine.flips != theirs.flips:
        yield "has its rows in the other order (south up)"


def _format_size(grid: Grid) -> str:
    height, width = grid.size_HW
    depth = f"{grid.num_slices} x " if grid.frame is not None else ""
    return f"{depth}{height} x {width}"


def _format_sides(grid: Grid) -> str:
    width, height, depth = grid.sides
    if grid.frame is not None:
        return f"{depth:.4g} x {height:.4g} x {width:.4g} mm"
    unit = _unit_of(grid)
    return f"{height:.6g} x {width:.6g}{f' {unit}' if unit else ''}"


def _format_length(length: float, grid: Grid) -> str:
    """In mm or metres; in degrees, or in the unit of the system, where it has no metres."""
    if grid.placement is not None and grid.placement.unit.metres is not None:
        return f"{length * grid.placement.unit.metres:.4g} m"
    return f"{length:.4g} {_unit_of(grid) or 'of its unit'}"


def _unit_of(grid: Grid) -> str:
    if grid.placement is None:
        return "mm"
    if grid.placement.unit == DEGREE:
        return "degrees"
    return "m" if grid.placement.unit.metres == 1.0 else ""
