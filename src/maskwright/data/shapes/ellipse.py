"""Ellipses -> pixels, as CVAT fills them: OpenCV's, with centre and axes in whole pixels."""

import cv2
import numpy as np

from .raster import Crop, crop_of


def fill_ellipse(
    center: tuple[float, float],
    axes: tuple[float, float],
    turn_deg: float,
    size_HW: tuple[int, int],
) -> Crop:
    """The pixels of an ellipse, cut at the image's border.

    `center` and `axes` are (x, y), the axes half the ellipse; it is turned clockwise.
    Source: CVAT, formats/transformations.py, EllipsesToMasks.
    """
    middle, half = [round(value) for value in center], [round(value) for value in axes]
    reach = max(half) + 2
    left, top = (max(middle[axis] - reach, 0) for axis in (0, 1))
    right, bottom = (min(middle[axis] + reach + 1, size_HW[1 - axis]) for axis in (0, 1))
    if right <= left or bottom <= top:
        return Crop(0, 0, np.zeros((0, 0), np.bool_))
    canvas = np.zeros((bottom - top, right - left), np.uint8)
    shifted = (middle[0] - left, middle[1] - top)
    cv2.ellipse(canvas, shifted, (half[0], half[1]), turn_deg, 0, 360, 1, thickness=-1)
    crop = crop_of(canvas.view(np.bool_))
    return Crop(crop.top + top, crop.left + left, crop.inside_hw)
