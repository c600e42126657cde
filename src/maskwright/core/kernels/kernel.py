"""The fastest installed inner loops: numba where the extra `fast` is installed, else NumPy.

Both give the same numbers to the last bit for every input; only the time differs.
"""

from abc import abstractmethod
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from .. import parts
from ..labels import LabelMap

if TYPE_CHECKING:
    from .lattice import Lattice

KERNELS = "maskwright.core.kernels.backends"


class Kernel(Protocol):
    """What each file in `core/kernels/backends` offers. A map may hold any value 0..255."""

    @abstractmethod
    def count_pairs(self, truth_HW: LabelMap, predicted_HW: LabelMap) -> NDArray[np.int64]:
        """Count the pixels with each pair of values, (256, 256); row = truth.

        Exact for a map of any size.
        """

    @abstractmethod
    def count_near(
        self, truth_HW: LabelMap, predicted_HW: LabelMap, *, num_classes: int, reach_px: int
    ) -> NDArray[np.int64]:
        """Count boundary pixels by class, (4, C).

        The rows: boundary pixels of the truth; those of them near the prediction's boundary;
        boundary pixels of the prediction; those of them near the truth's boundary.

        A pixel is on the boundary of class c where the pixel itself and its right, lower and
        lower right neighbours do not agree on being c (the nearest pixel inside replaces a
        neighbour outside the map). It is near where a boundary pixel of c of the other map is
        at most `reach_px` away (Euclidean, centre to centre).
        """

    @abstractmethod
    def mark_outside_band(self, labels_HW: LabelMap, depth_px: int) -> NDArray[np.uint8]:
        """255 where the square of 2 depth_px + 1 pixels around holds one value only, else 0.

        Pixels beyond the border of the map count as another value.
        """

    @abstractmethod
    def blur(self, planes_KN: NDArray[np.float32], lattice: "Lattice") -> None:
        """Replace each plane by its sums under the lattice's Gaussian, up to one factor.

        Adams et al. 2010, sections 3.2 to 3.4: splat, blur by (1/2, 1, 1/2) in each direction,
        slice. Rounds to float32 at every step, in the order of points, directions and vertices
        of a simplex. Holds at most eight values per vertex beside the planes.
        """


@lru_cache(maxsize=1)
def kernel() -> Kernel:
    """The kernel of this installation."""
    name = "numba" if find_spec("numba") else "numpy"
    return parts.load(KERNELS, name, like=Kernel)
