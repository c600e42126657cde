"""PatientFrame: where the slices of a volume lie in the patient.

Points of a slice are (x, y, slice), with (0, 0) at the outer corner of the top left pixel, so
that its centre is (0.5, 0.5), and whole numbers at the middle of slices. Points in the patient
are millimetres to the right (R), to the front (A) and to the head (S), as in NIfTI. DICOM
counts to the left and to the back (LPS).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Plane = Literal["sagittal", "coronal", "axial"]
PLANES: tuple[Plane, ...] = ("sagittal", "coronal", "axial")
"""By the axis of the body that is cut across: R, A or S."""

Vector = tuple[float, float, float]

LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])
UNEVEN = 0.1
"""Slices may lie so far, in distances of slices, from where even spacing puts them: positions
are rounded, in some files to 0.1 mm."""

_LARGEST_MM = 1e6
_SQUARE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PatientFrame:
    """From the points of all slices of a file to the patient.

    `affine_44` maps (x, y, slice, 1) to (R, A, S, 1). `stored` names the axes of the file as
    they are stored, by the direction in which they grow: "RAS", "LPS". `stated` is false where
    the file states no orientation, and its axes are taken as RAS.
    """

    affine_44: NDArray[np.float64]
    num_slices: int
    plane: Plane
    stored: str
    stated: bool

    def to_pixels(self, points_LPS: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (N, 3) of DICOM's system as (x, y, slice)."""
        points_4 = np.c_[points_LPS * LPS_TO_RAS, np.ones(len(points_LPS))]
        return np.asarray((points_4 @ np.linalg.inv(self.affine_44).T)[:, :3])


@dataclass(frozen=True, slots=True)
class SlicePlane:
    """Where DICOM places one slice, in LPS; PS3.3, section C.7.6.2.

    `position` is the centre of the top left pixel, `along_row` the direction in which column
    indices grow, `along_column` that of row indices; both of length 1.
    """

    position: Vector
    along_row: Vector
    along_column: Vector

    @property
    def is_sound(self) -> bool:
        """Whether the numbers are finite and the directions are perpendicular, of length 1."""
        ends = np.array([self.along_row, self.along_column])
        small = np.abs(self.position).max() < _LARGEST_MM  # False for NaN too
        return bool(small and np.allclose(ends @ ends.T, np.eye(2), atol=_SQUARE))

    @property
    def normal_RAS(self) -> NDArray[np.float64]:
        """The direction across the slice, to the right, the front or the head."""
        normal = np.cross(self.along_row, self.along_column) * LPS_TO_RAS
        return np.asarray(normal if normal[_nearest_axis(normal)] > 0 else -normal)

    def is_parallel(self, other: "SlicePlane") -> bool:
        """Whether another slice has the same two directions."""
        mine, theirs = ((*p.along_row, *p.along_column) for p in (self, other))
        return bool(np.allclose(mine, theirs, atol=_SQUARE))


def order_planes(planes: Sequence[SlicePlane]) -> list[int]:
    """The indices of parallel slices, from feet to head, back to front or left to right."""
    heights = [float(planes[0].normal_RAS @ (plane.position * LPS_TO_RAS)) for plane in planes]
    return sorted(range(len(planes)), key=lambda index: heights[index])


def measure_steps(planes: Sequence[SlicePlane]) -> NDArray[np.float64]:
    """The distances across the slices from each slice to the next, in mm."""
    positions_N3 = np.array([plane.position for plane in planes]) * LPS_TO_RAS
    return np.diff(positions_N3 @ planes[0].normal_RAS)


def are_even(planes: Sequence[SlicePlane]) -> bool:
    """Whether slices, in this order, lie on a line at equal distances."""
    positions_N3 = np.array([plane.position for plane in planes])
    ends_23 = positions_N3[[0, -1]]
    share_N1 = np.linspace(0, 1, len(planes))[:, None]
    off_mm = np.linalg.norm(
        positions_N3 - ends_23[0] - share_N1 * (ends_23[1] - ends_23[0]), axis=1
    )
    return bool(off_mm.max() <= UNEVEN * np.abs(measure_steps(planes)).mean())


def frame_slices(
    planes: Sequence[SlicePlane], spacing_mm_HW: tuple[float, float], depth_mm: float
) -> PatientFrame:
    """The frame of even, parallel slices; `depth_mm` is the thickness of a lone slice."""
    first = planes[0]
    height, width = spacing_mm_HW
    start, end = (np.array(p.position) * LPS_TO_RAS for p in (first, planes[-1]))
    alone = len(planes) == 1
    step = first.normal_RAS * depth_mm if alone else (end - start) / (len(planes) - 1)
    x, y = np.array(first.along_row) * width, np.array(first.along_column) * height
    affine_44 = np.eye(4)
    affine_44[:3, :3] = np.stack([x * LPS_TO_RAS, y * LPS_TO_RAS, step], axis=1)
    # the centre of the first pixel is at (0.5, 0.5)
    affine_44[:3, 3] = start - affine_44[:3, :2].sum(axis=1) / 2
    return PatientFrame(
        affine_44=affine_44,
        num_slices=len(planes),
        plane=PLANES[_nearest_axis(first.normal_RAS)],
        stored="".join(map(_name_direction, affine_44[:3, :3].T)),
        stated=True,
    )


def _nearest_axis(direction: NDArray[np.float64]) -> int:
    return int(np.abs(direction).argmax())


def _name_direction(direction: NDArray[np.float64]) -> str:
    axis = _nearest_axis(direction)
    return "RAS"[axis] if direction[axis] > 0 else "LPI"[axis]
