"""Engine: the one thing that runs a network; it knows no labels and no image sizes."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Engine(Protocol):
    """A callable from network input to logits; the same input gives the same logits."""

    def __call__(self, image_BCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        """logits_BKHW, float32, of the input's height and width, for any B, H, W >= 1.

        Raises:
            MemoryError: The input is too large for this machine.
        """
        ...
