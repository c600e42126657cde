"""Filters and maps of images of any number of bands, with OpenCV."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
"""(H, W, C), in [0, 1]."""

_MOST_BANDS = 4
"""OpenCV maps at most four bands at a time."""


def map_bands(image: Image, change: Callable[[Image], NDArray[np.generic]]) -> Image:
    """Apply `change`, which takes one to four bands, to all bands of `image` (H, W, C)."""
    changed = [
        np.atleast_3d(change(np.ascontiguousarray(image[..., first : first + _MOST_BANDS])))
        for first in range(0, image.shape[2], _MOST_BANDS)
    ]
    whole = changed[0] if len(changed) == 1 else np.concatenate(changed, axis=2)
    return np.asarray(whole, np.float32)


def blur_gaussian(image: Image, sigma_px: float) -> Image:
    """Blur as scikit-image's `gaussian`: cut at four sigma, the edge pixels repeated."""
    size = 2 * int(4 * sigma_px + 0.5) + 1
    return map_bands(
        image,
        lambda bands: cv2.GaussianBlur(
            bands, (size, size), sigma_px, borderType=cv2.BORDER_REPLICATE
        ),
    )


def correlate(image: Image, kernel: Image, border: int = cv2.BORDER_REFLECT_101) -> Image:
    """Correlate each band with `kernel`."""
    return map_bands(image, lambda bands: cv2.filter2D(bands, -1, kernel, borderType=border))


def zoom_centre(image: Image, factor: float) -> Image:
    """Enlarge the middle of `image` by `factor` >= 1, bilinear, to the same size.

    As SciPy's `zoom` of order 1: the first and the last pixel of the cut keep their places.
    """
    height, width = image.shape[:2]
    scale_y, top = _zoom_axis(height, factor)
    scale_x, left = _zoom_axis(width, factor)
    matrix = np.array([[scale_x, 0, left], [0, scale_y, top]], np.float64)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return map_bands(
        image,
        lambda bands: cv2.warpAffine(
            bands, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
        ),
    )


def _zoom_axis(size: int, factor: float) -> tuple[float, float]:
    """Pixels of the source for each of the result along one axis, and the first of them."""
    cut = int(np.ceil(size / factor))
    first = (size - cut) // 2
    enlarged = max(round(cut * factor), size)
    scale = (cut - 1) / max(1, enlarged - 1)
    return scale, first + (enlarged - size) // 2 * scale


def take_pixels(
    image: Image, x_HW: Image, y_HW: Image, border: int = cv2.BORDER_REFLECT
) -> Image:
    """The image at the places (y, x), bilinear."""
    return map_bands(
        image, lambda bands: cv2.remap(bands, x_HW, y_HW, cv2.INTER_LINEAR, borderMode=border)
    )


def compute_grey(image: Image) -> Image:
    """Luminance (H, W, 1) of three bands by ITU-R BT.601; the mean of any other number."""
    if image.shape[2] == 3:
        weights = np.array([0.299, 0.587, 0.114], np.float32)
        return np.asarray((image @ weights)[..., None], np.float32)
    return np.asarray(image.mean(axis=2, keepdims=True), np.float32)
