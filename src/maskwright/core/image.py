"""Image and ValidMap: the pixels of an image, and which of them hold data."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]
"""H x W x C. Values that neither uint8 nor uint16 holds (signed, 32 bits, floats) are float32
in their own unit; they are finite where the image holds data."""

ValidMap = NDArray[np.bool_]
"""H x W, True where the image holds data. A pixel without data is IGNORE in labels and
predictions: it is neither trained on, nor scored, predicted or counted."""


class PixelData(NamedTuple):
    """An image and its ValidMap; None where every pixel holds data."""

    image_HWC: Image
    valid_HW: ValidMap | None = None
