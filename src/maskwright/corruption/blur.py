"""Defocus, glass, motion and zoom blur of Hendrycks and Dietterich 2019 (arXiv:1903.12261)."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from .planes import Image, blur_gaussian, correlate, zoom_centre

Rng = np.random.Generator


def blur_defocus(image: Image, severity: int, _rng: Rng) -> Image:
    """Convolve with a disk whose border is softened."""
    radius, softness = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))[severity - 1]
    half = max(8, radius)
    offset = np.arange(-half, half + 1)
    disk = (offset[:, None] ** 2 + offset**2 <= radius**2).astype(np.float32)
    side = 3 if radius <= 8 else 5
    kernel = cv2.GaussianBlur(disk / disk.sum(), (side, side), softness)
    return correlate(image, np.asarray(kernel, np.float32))


def blur_glass(image: Image, severity: int, rng: Rng) -> Image:
    """Blur, replace each pixel by one that is near, and blur again.

    The authors' loop is meant to exchange two pixels, but copies one over the other. The
    published images are made so, and so are these.
    """
    sigma, most, repeats = (
        (0.7, 1, 2),
        (0.9, 2, 1),
        (1.0, 2, 3),
        (1.1, 3, 2),
        (1.5, 4, 2),
    )[severity - 1]
    height, width = image.shape[:2]
    index = np.arange(height * width)
    if min(height, width) > 2 * most:
        for _ in range(repeats):
            index = index[draw_near_pixels((height, width), most, rng)]
    blurred = np.floor(blur_gaussian(image, sigma) * 255) / 255  # the authors' 8 bits between
    shuffled = blurred.reshape(-1, image.shape[2])[index].reshape(image.shape)
    return blur_gaussian(np.asarray(shuffled, np.float32), sigma)


def draw_near_pixels(size_HW: tuple[int, int], most: int, rng: Rng) -> NDArray[np.int64]:
    """For each pixel (H * W), the index of the one that the authors' loop copies to it.

    The loop goes from the last pixel to the first and copies to each a pixel that is -d to
    d - 1 away, d = `most`, which may have been replaced before. Those chains are followed here
    for all pixels at once, each round twice as far as the one before.
    """
    height, width = size_HW
    rows = np.arange(height - most, most, -1)
    columns = np.arange(width - most, most, -1)
    here_hw = rows[:, None] * width + columns
    dx_hw, dy_hw = np.moveaxis(rng.integers(-most, most, (*here_hw.shape, 2)), 2, 0)
    source = np.arange(height * width)
    is_replaced = np.zeros(height * width, bool)
    source[here_hw], is_replaced[here_hw] = here_hw + dy_hw * width + dx_hw, True
    goes_on = is_replaced[source] & (source > np.arange(height * width))
    while goes_on.any():
        source, goes_on = np.where(goes_on, source[source], source), goes_on & goes_on[source]
    return source


def blur_motion(image: Image, severity: int, rng: Rng) -> Image:
    """Blur along a line of a random angle within 45 degrees of the horizontal."""
    radius, sigma = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))[severity - 1]
    return blur_line(image, radius, sigma, float(rng.uniform(-45, 45)))


def blur_line(image: Image, radius: int, sigma: float, angle_deg: float) -> Image:
    """Blur along a line that begins at the pixel, with Gaussian weights, as ImageMagick does.

    Source: `MotionBlurImage` of ImageMagick 6, which the authors call: 2 * radius + 1 weights,
    each at the nearest pixel of the line; the edge pixels are repeated.
    """
    along = np.arange(2 * radius + 1)
    weights = np.exp(-(along**2) / (2 * sigma**2))
    angle = math.radians(angle_deg)
    columns = np.ceil(along * math.cos(angle) - 0.5).astype(int)
    rows = np.ceil(along * math.sin(angle) - 0.5).astype(int)
    half = 2 * radius
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    np.add.at(kernel, (half + rows, half + columns), weights / weights.sum())
    return correlate(image, kernel, cv2.BORDER_REPLICATE)


def blur_zoom(image: Image, severity: int, _rng: Rng) -> Image:
    """The mean of the image and of its enlargements about the middle."""
    most, step = ((0.11, 0.01), (0.16, 0.01), (0.21, 0.02), (0.26, 0.02), (0.31, 0.03))[
        severity - 1
    ]
    factors = np.arange(1, 1 + most, step)
    total = image.copy()
    for factor in factors:
        total += zoom_centre(image, float(factor))
    return total / np.float32(len(factors) + 1)
