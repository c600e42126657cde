"""Contrast, pixelation and JPEG of Hendrycks and Dietterich 2019 (arXiv:1903.12261)."""

import io

import numpy as np
from PIL import Image as PillowImage

from .planes import Image

Rng = np.random.Generator


def lower_contrast(image: Image, severity: int, _rng: Rng) -> Image:
    """Draw each band towards its mean."""
    share = (0.4, 0.3, 0.2, 0.1, 0.05)[severity - 1]
    mean = image.mean(axis=(0, 1), keepdims=True, dtype=np.float64)
    return np.asarray((image - mean) * share + mean, np.float32)


def pixelate(image: Image, severity: int, _rng: Rng) -> Image:
    """Shrink by means of boxes, and enlarge by repeating pixels."""
    share = (0.6, 0.5, 0.4, 0.3, 0.25)[severity - 1]
    height, width = image.shape[:2]
    small = (max(1, int(width * share)), max(1, int(height * share)))
    box = PillowImage.Resampling.BOX
    bands = [
        np.asarray(
            PillowImage.fromarray(np.ascontiguousarray(image[..., band]))
            .resize(small, box)
            .resize((width, height), box)
        )
        for band in range(image.shape[2])
    ]
    return np.stack(bands, axis=2)


def compress_jpeg(image: Image, severity: int, _rng: Rng) -> Image:
    """Compress and decompress: three bands as colour, any other number one by one as grey."""
    quality = (25, 18, 15, 10, 7)[severity - 1]
    pixels = np.rint(image * 255).astype(np.uint8)
    if pixels.shape[2] == 3:
        done = _through_jpeg(pixels, quality)
    else:
        bands = [_through_jpeg(pixels[..., band], quality) for band in range(pixels.shape[2])]
        done = np.stack(bands, axis=2)
    return np.asarray(done / 255, np.float32)


def _through_jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    PillowImage.fromarray(np.ascontiguousarray(pixels)).save(file, "JPEG", quality=quality)
    with PillowImage.open(file) as decoded:
        return np.asarray(decoded)
