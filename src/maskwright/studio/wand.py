"""The magic wand: pixels whose colour is near that of one pixel, by their distance in CIELAB.

Colours are kept as whole 64ths, so that moving the tolerance costs no conversion again.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from ..pages.pictures import RgbImage
from .edit import Wand
from .proposals import keep_connected
from .raster import require_inside
from .repairs import Mask

LabImage = NDArray[np.int16]
"""L, a and b of CIELAB in 64ths, (H, W, 3)."""

_PARTS = 64
_ROWS = 256
"""Rows that are compared at once: what they need stays in the cache of the processor."""


def to_lab(picture_HW3: RgbImage) -> LabImage:
    """The colours of a picture (sRGB, D65) in CIELAB."""
    lab_HW3 = np.empty(picture_HW3.shape, np.int16)
    for top in range(0, len(picture_HW3), _ROWS):
        part_HW3 = picture_HW3[top : top + _ROWS].astype(np.float32) / 255
        found_HW3 = cv2.cvtColor(part_HW3, cv2.COLOR_RGB2LAB)
        lab_HW3[top : top + _ROWS] = np.rint(_PARTS * found_HW3)
    return lab_HW3


def find_alike(lab_HW3: LabImage, wand: Wand) -> Mask:
    """The pixels near the colour of one pixel, connected with it by sides unless global.

    Raises:
        DataError: The pixel is outside of the image.
    """
    require_inside(wand.at, lab_HW3.shape[:2])
    x, y = wand.at
    alike_HW = np.empty(lab_HW3.shape[:2], np.bool_)
    for top in range(0, len(lab_HW3), _ROWS):
        away_HW3 = lab_HW3[top : top + _ROWS].astype(np.float32) - lab_HW3[y, x]
        square_HW = np.einsum("hwc,hwc->hw", away_HW3, away_HW3)
        alike_HW[top : top + _ROWS] = square_HW <= (_PARTS * wand.tolerance) ** 2
    return keep_connected(alike_HW, wand.at) if wand.connected else alike_HW
