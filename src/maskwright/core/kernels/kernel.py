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
from ..logits import Logits

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
        """Count boundary pixels by class, (5, C).

        The rows: boundary pixels of the truth; those of them near the prediction's boundary;
        boundary pixels of the prediction that can be judged; those of them near the truth's
        boundary; open boundary pixels of the truth.

        A pixel is on the boundary of class c where, of the pixel itself and its right, lower
        and lower right neighbours, two that share an edge do not agree on being c and neither
        is IGNORE. It is on the open boundary of c where one of the two is c and the other
        IGNORE. Pixels outside the map have no part in this. A boundary pixel is near where a
        boundary pixel of c of the other map is at most `reach_px` away (Euclidean, centre to
        centre). It can be judged where it is near, or where no pixel of the truth's open
        boundary of c is at most `reach_px` away.
        """

    @abstractmethod
    def mark_outside_band(
        self, labels_HW: LabelMap, depth_px: int, *, ignore_is_class: bool = False
    ) -> NDArray[np.uint8]:
        """255 where the square of 2 depth_px + 1 pixels around holds no border, else 0.

        A border lies between two pixels that share an edge and hold different values, neither
        of them IGNORE unless `ignore_is_class`, and between such a pixel and the outside of the
        map.
        """

    @abstractmethod
    def blur(self, planes_KN: NDArray[np.float32], lattice: "Lattice") -> None:
        """Replace each plane by its sums under the lattice's Gaussian, up to one factor.

        Adams et al. 2010, sections 3.2 to 3.4: splat, blur by (1/2, 1, 1/2) in each direction,
        slice. Rounds to float32 at every step, in the order of points, directions and vertices
        of a simplex. Holds at most eight values per vertex beside the planes.
        """

    @abstractmethod
    def upsample_argmax(self, logits: Logits) -> LabelMap:
        """Index of the largest logit of each pixel (H, W) after bilinear interpolation.

        Where several logits are equal, the lowest index. K <= 255; logits are finite.
        Interpolates in float32, first down the columns and then along the rows.
        """


@lru_cache(maxsize=1)
def kernel() -> Kernel:
    """The kernel of this installation."""
    name = "numba" if find_spec("numba") else "numpy"
    return parts.load(KERNELS, name, like=Kernel)
