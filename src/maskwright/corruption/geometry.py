"""Corruptions that move pixels, as maps: labels are moved with the image.

Elastic deformation of Hendrycks and Dietterich 2019 (arXiv:1903.12261), and the shifted crop of
a camera that was mounted anew (own definition).
"""

from dataclasses import dataclass

import cv2
import numpy as np

from .planes import Image, take_pixels

Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Displacement:
    """Where each pixel of the result comes from: places (y, x) in the image, in pixels."""

    x_HW: Image
    y_HW: Image
    border: int

    def move_image(self, image: Image) -> Image:
        """The image at these places, bilinear; past the edge it is reflected."""
        return take_pixels(image, self.x_HW, self.y_HW, self.border)

    def move_labels(self, labels_HW: np.ndarray, outside: int) -> np.ndarray:
        """The nearest labels at these places; `outside` where they lie past the edge."""
        return cv2.remap(
            labels_HW,
            self.x_HW,
            self.y_HW,
            cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=outside,
        )


def draw_elastic(size_HW: tuple[int, int], severity: int, rng: Rng) -> Displacement:
    """A random affine map of three points, and a smooth random field on top of it.

    The field is uniform noise blurred by a Gaussian. Its constants are those of images of
    224 x 224 px (the authors write 244), and stay so for other sizes.
    """
    strength, sigma, corner = (
        (244 * 2, 244 * 0.7, 244 * 0.1),
        (244 * 2, 244 * 0.08, 244 * 0.2),
        (244 * 0.05, 244 * 0.01, 244 * 0.02),
        (244 * 0.07, 244 * 0.01, 244 * 0.02),
        (244 * 0.12, 244 * 0.01, 244 * 0.02),
    )[severity - 1]
    height, width = size_HW
    middle = np.array([width // 2, height // 2], np.float32)
    third = min(size_HW) // 3
    before = middle + third * np.array([[1, 1], [1, -1], [-1, -1]], np.float32)
    after = before + rng.uniform(-corner, corner, (3, 2)).astype(np.float32)
    forward = cv2.getAffineTransform(before, after)
    back = cv2.invertAffineTransform(forward)
    dx_HW, dy_HW = (strength * draw_smooth_field(size_HW, sigma, rng) for _ in range(2))
    x_HW = np.arange(width, dtype=np.float32) + dx_HW
    y_HW = np.arange(height, dtype=np.float32)[:, None] + dy_HW
    return Displacement(
        np.asarray(back[0, 0] * x_HW + back[0, 1] * y_HW + back[0, 2], np.float32),
        np.asarray(back[1, 0] * x_HW + back[1, 1] * y_HW + back[1, 2], np.float32),
        cv2.BORDER_REFLECT_101,
    )


def draw_smooth_field(size_HW: tuple[int, int], sigma_px: float, rng: Rng) -> Image:
    """Uniform noise in [-1, 1], blurred by a Gaussian; the image is reflected at its edges.

    A Gaussian much wider than the image would cost as many operations per pixel as it is wide.
    In the basis of the cosine transform, in which reflection is periodic, it is a product, and
    only the lowest frequencies are left.
    """
    noise_HW = rng.uniform(-1, 1, size_HW).astype(np.float32)
    rows, columns = (_low_cosines(size, sigma_px) for size in size_HW)
    return np.asarray(rows.T @ (rows @ noise_HW @ columns.T) @ columns, np.float32)


def _low_cosines(size: int, sigma_px: float) -> Image:
    """Orthonormal cosines (K, size), each times the root of the gain of the Gaussian."""
    frequency_K = np.arange(size) * (np.pi / size)
    gain_K = np.exp(-((frequency_K * sigma_px) ** 2) / 2)
    kept = max(1, int((gain_K > 1e-6).sum()))
    at = np.arange(size) + 0.5
    cosines = np.cos(frequency_K[:kept, None] * at) * np.sqrt(2 / size)
    cosines[0] /= np.sqrt(2)
    return np.asarray(cosines * np.sqrt(gain_K[:kept, None]), np.float32)


def draw_crop_shift(size_HW: tuple[int, int], severity: int, rng: Rng) -> Displacement:
    """A shift by 2 % to 20 % of the size in a random direction, and 1 % to 10 % closer."""
    share = (0.02, 0.05, 0.08, 0.13, 0.2)[severity - 1]
    height, width = size_HW
    angle = rng.uniform(0, 2 * np.pi)
    zoom = 1 + share / 2
    y_H1, x_1W = np.ogrid[:height, :width]
    x_HW = (x_1W - width / 2) / zoom + width / 2 + share * width * np.cos(angle)
    y_HW = (y_H1 - height / 2) / zoom + height / 2 + share * height * np.sin(angle)
    return Displacement(
        np.asarray(np.broadcast_to(x_HW, size_HW), np.float32),
        np.asarray(np.broadcast_to(y_HW, size_HW), np.float32),
        cv2.BORDER_REFLECT_101,
    )
