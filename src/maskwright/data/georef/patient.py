"""PatientFrame: where the slices of a volume lie in the patient.

Points of a slice are (x, y, slice), with (0, 0) at the outer corner of the top left pixel, so
that its centre is (0.5, 0.5), and whole numbers at the middle of slices. Points in the patient
are millimetres to the right (R), to the front (A) and to the head (S), as in NIfTI.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Plane = Literal["sagittal", "coronal", "axial"]
PLANES: tuple[Plane, ...] = ("sagittal", "coronal", "axial")
"""By the axis of the body that is cut across: R, A or S."""


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
