"""Snow, frost, fog and brightness of Hendrycks and Dietterich 2019 (arXiv:1903.12261)."""

import math

import cv2
import numpy as np

from .blur import blur_line
from .planes import Image, compute_grey, zoom_centre

Rng = np.random.Generator

_SNOW = (
    (0.1, 0.3, 3.0, 0.5, 10, 4, 0.8),
    (0.2, 0.3, 2.0, 0.5, 12, 4, 0.7),
    (0.55, 0.3, 4.0, 0.9, 12, 8, 0.7),
    (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
    (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
)
"""Mean and deviation of the noise, its zoom, its threshold, radius and sigma of the blur, and
the weight of the image."""


def add_snow(image: Image, severity: int, rng: Rng) -> Image:
    """Streaks of enlarged, thresholded noise over a paler image."""
    mean, deviation, zoom, threshold, radius, sigma, weight = _SNOW[severity - 1]
    noise = mean + deviation * rng.standard_normal((*image.shape[:2], 1), np.float32)
    flakes = zoom_centre(np.asarray(noise, np.float32), zoom)
    flakes = np.where(flakes < threshold, np.float32(0), flakes.clip(0, 1))
    streaks = blur_line(flakes, radius, sigma, float(rng.uniform(-135, -45)))
    paler = np.maximum(image, compute_grey(image) * 1.5 + 0.5)
    whole = weight * image + (1 - weight) * paler
    return np.asarray(whole + streaks + np.rot90(streaks, 2), np.float32)


def add_frost(image: Image, severity: int, rng: Rng) -> Image:
    """Ice on the lens: a weighted sum of the image and of a texture that is drawn.

    The authors' textures are photographs; these are drawn crystals, so that scores under this
    corruption cannot be compared with published ones.
    """
    own, ice = ((1.0, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))[severity - 1]
    texture_HW = _draw_ice(image.shape[:2], rng)
    tint = np.array([0.92, 0.98, 1.0], np.float32) if image.shape[2] == 3 else np.float32(1)
    return np.asarray(own * image + ice * texture_HW[..., None] * tint, np.float32)


def _draw_ice(size_HW: tuple[int, int], rng: Rng) -> Image:
    """Crystals (H, W) in [0, 1]: ridged noise of five octaves, and feathers."""
    height, width = size_HW
    ridges = np.zeros(size_HW, np.float32)
    for octave in range(5):
        cells = 4 << octave
        coarse = rng.random((cells + 3, cells + 3), np.float32)
        noise = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        ridges += (1 - np.abs(2 * noise - 1)) ** 3 * 0.6**octave
    feathers = np.zeros(size_HW, np.float32)
    side = max(height, width)
    for _ in range(24):
        at = rng.uniform((0, 0), (width, height))
        _draw_feather(
            feathers, at, rng.uniform(0, 2 * math.pi), side * rng.uniform(0.1, 0.3), 3
        )
    feathers = np.asarray(cv2.GaussianBlur(feathers, (0, 0), 0.8), np.float32)
    ice = 0.45 * ridges / ridges.max() + 0.55 * feathers
    return np.asarray(ice.clip(0, 1), np.float32)


def _draw_feather(
    canvas: Image, start: np.ndarray, angle: float, length: float, depth: int
) -> None:
    """A line with branches at 60 degrees that get shorter towards its tip, in place."""
    direction = np.array([math.cos(angle), math.sin(angle)])
    begin, end = (np.rint(p * 16).astype(int) for p in (start, start + length * direction))
    cv2.line(
        canvas, begin.tolist(), end.tolist(), 0.4 + 0.15 * depth, max(1, depth), cv2.LINE_8, 4
    )
    if depth == 1:
        return
    for share in np.arange(0.15, 0.95, 0.16 if depth == 3 else 0.3):
        branch = start + share * length * direction
        for side in (-1, 1):
            _draw_feather(
                canvas,
                branch,
                angle + side * math.pi / 3,
                length * 0.5 * (1 - share),
                depth - 1,
            )


def add_fog(image: Image, severity: int, rng: Rng) -> Image:
    """A veil of fractal noise, the sum scaled back to the brightest value of the image."""
    strength, decay = ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4))[severity - 1]
    height, width = image.shape[:2]
    size = max(256, 1 << (max(height, width) - 1).bit_length())
    veil_HW1 = draw_plasma(size, decay, rng)[:height, :width, None]
    brightest = float(image.max())
    return (image + strength * veil_HW1) * np.float32(brightest / (brightest + strength))


def draw_plasma(size: int, decay: float, rng: Rng) -> Image:
    """Fractal noise (size, size) in [0, 1] by the diamond-square algorithm, periodic.

    Each new point is the mean of its four neighbours and a uniform draw whose width is the
    square of a number that begins at 100 and is divided by `decay` at each halving of the
    step, as the authors have it. `size` is a power of two.
    """
    heights = np.zeros((size, size), np.float64)
    step, width = size, 100.0
    while step >= 2:
        half = step // 2
        corners = heights[::step, ::step]
        total = corners + np.roll(corners, -1, 0)
        total += np.roll(total, -1, 1)
        heights[half::step, half::step] = total / 4 + _draw_noise(total.shape, width, rng)
        middles = heights[half::step, half::step]
        total = middles + np.roll(middles, 1, 0) + corners + np.roll(corners, -1, 1)
        heights[::step, half::step] = total / 4 + _draw_noise(total.shape, width, rng)
        total = middles + np.roll(middles, 1, 1) + corners + np.roll(corners, -1, 0)
        heights[half::step, ::step] = total / 4 + _draw_noise(total.shape, width, rng)
        step = half
        width /= decay
    heights -= heights.min()
    return np.asarray(heights / heights.max(), np.float32)


def _draw_noise(shape: tuple[int, ...], width: float, rng: Rng) -> np.ndarray:
    return rng.uniform(-(width**2), width**2, shape)


def raise_brightness(image: Image, severity: int, _rng: Rng) -> Image:
    """Add to the value of HSV; hue and saturation stay.

    The value is the largest band, so that all bands grow by one ratio; this defines it for any
    number of bands. A black pixel becomes grey.
    """
    added = (0.1, 0.2, 0.3, 0.4, 0.5)[severity - 1]
    value = image.max(axis=2, keepdims=True)
    raised = np.minimum(value + np.float32(added), np.float32(1))
    ratio = raised / np.maximum(value, np.float32(1e-12))
    return np.asarray(np.where(value > 0, image * ratio, raised), np.float32)
