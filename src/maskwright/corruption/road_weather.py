"""Rain, fog, snow, sun glare, night and motion blur of a road scene, of any strength.

Light changes and geometry does not, so labels stay valid. After the models of Koschmieder
(fog: a veil of airlight that grows with distance, here with height in the image) and of
Michaelis et al. 2019 (arXiv:1907.07484); all randomness comes from the argument `rng`.
"""

import math
from collections.abc import Callable

import cv2
import numpy as np

from .planes import Image, correlate


def apply_weather(kind: str, image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Draw one of `KINDS` into an image (H, W, C) in [0, 1]; 0 < strength <= 1."""
    return np.asarray(KINDS[kind](image, strength, rng).clip(0, 1), np.float32)


def _rain(image: Image, s: float, rng: np.random.Generator) -> Image:
    """Bright streaks, all of one direction, before a darker and flatter scene."""
    size_HW, side = image.shape[:2], min(image.shape[:2])
    angle = math.radians(90 + rng.uniform(-20, 20))
    streaks = np.zeros(size_HW, np.float32)
    for thick, share in ((0.0, 0.008), (0.7, 0.0015)):
        drops: Image = (rng.random(size_HW) < share * s).astype(np.float32)
        if thick:
            drops = np.asarray(cv2.GaussianBlur(drops, (0, 0), thick) * 4, np.float32)
        length = max(3.0, side * rng.uniform(0.04, 0.08) * (1 + thick))
        streaks += cv2.filter2D(drops, -1, _make_line_kernel(length, angle)) * length * 0.5
    veiled = _blend_grey(image, 0.25 * s, 0.6) * (1 - 0.25 * s)
    bright: Image = (0.3 + 0.2 * s) * np.clip(streaks, 0, 1)[..., None]
    return veiled + bright * (0.9 - veiled)


def _fog(image: Image, s: float, rng: np.random.Generator) -> Image:
    """exp(-distance) of the scene, the rest airlight; patchy, denser towards the top."""
    height, width = image.shape[:2]
    slope = rng.uniform(0.3, 1.0)
    distance_HW = 1 - slope * np.linspace(0, 1, height, dtype=np.float32)[:, None]
    distance_HW = distance_HW * (1 + 0.3 * _draw_clouds((height, width), rng))
    seen_HW1 = np.exp(-2.5 * s * distance_HW.clip(0.05))[..., None]
    airlight = _tint(image, (0.97, 0.99, 1.0)) * rng.uniform(0.65, 0.9)
    foggy: Image = image * seen_HW1 + airlight * (1 - seen_HW1)
    return foggy


def _snow(image: Image, s: float, rng: np.random.Generator) -> Image:
    """Flakes of three sizes drifting one way, before a paler scene."""
    size_HW, side = image.shape[:2], min(image.shape[:2])
    angle = math.radians(90 + rng.uniform(-40, 40))
    cover = np.zeros(size_HW, np.float32)
    for radius, share in ((0.6, 0.012), (1.2, 0.004), (2.2, 0.001)):
        radius *= max(1.0, side / 300)  # noqa: PLW2901  larger images, larger flakes
        flakes = (rng.random(size_HW) < share * s).astype(np.float32)
        flakes = cv2.GaussianBlur(flakes, (0, 0), radius) * (2 * math.pi * radius**2) * 1.2
        cover = np.maximum(
            cover, cv2.filter2D(flakes, -1, _make_line_kernel(1 + 2 * radius, angle))
        )
    paler = _blend_grey(image, 0.3 * s, 0.85)
    white: Image = cover.clip(0, 1)[..., None]
    return paler + white * (0.97 - paler)


def _glare(image: Image, s: float, rng: np.random.Generator) -> Image:
    """A low sun in the upper half that bleaches its surroundings and flattens the rest."""
    height, width = image.shape[:2]
    y, x = rng.uniform(0.0, 0.5) * height, rng.uniform(0, 1) * width
    y_H1, x_1W = np.ogrid[:height, :width]
    away_HW1 = (np.hypot(y_H1 - y, x_1W - x) / math.hypot(height, width))[..., None]
    light_HW1 = np.exp(-((away_HW1 / 0.07) ** 2)) + 0.6 * np.exp(-away_HW1 / 0.22)
    veiled = _blend_grey(image, 0.2 * s, 0.8)
    bright: Image = veiled + s * light_HW1 * _tint(image, (1.0, 0.95, 0.8))
    return bright


def _night(image: Image, s: float, rng: np.random.Generator) -> Image:
    """Dark, bluish, with the grain of a sensor at its limit."""
    dark = image ** (1 + 0.8 * s) * (1 - 0.75 * s)
    dark = dark * (1 - s * (1 - _tint(image, (0.8, 0.9, 1.1))))
    lit = dark + 0.02 * s
    grain = rng.standard_normal(image.shape, np.float32)
    noisy: Image = lit + grain * s * (0.01 + 0.06 * np.sqrt(lit.clip(0)))
    return noisy


def _motion_blur(image: Image, s: float, rng: np.random.Generator) -> Image:
    """Along a straight line through each pixel, so that nothing moves on the whole."""
    length = 2 + 0.05 * s * min(image.shape[:2])
    return correlate(image, _make_line_kernel(length, rng.uniform(0, math.pi)))


KINDS: dict[str, Callable[[Image, float, np.random.Generator], Image]] = {
    "rain": _rain,
    "fog": _fog,
    "snow": _snow,
    "glare": _glare,
    "night": _night,
    "motion_blur": _motion_blur,
}


def _blend_grey(image: Image, share: float, grey: float) -> Image:
    return image * (1 - share) + grey * share


def _tint(image: Image, rgb: tuple[float, float, float]) -> Image:
    """A colour for three channels, its mean for any other number of channels."""
    channels = image.shape[2]
    return np.array(rgb if channels == 3 else [sum(rgb) / 3] * channels, np.float32)


def _draw_clouds(size_HW: tuple[int, int], rng: np.random.Generator) -> Image:
    """Smooth noise (H, W) of about -1..1."""
    coarse = rng.uniform(-1, 1, (4, 5)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, size_HW[::-1], interpolation=cv2.INTER_CUBIC))


def _make_line_kernel(length: float, angle: float) -> Image:
    """Make a kernel of sum 1: a line of this length (px) and angle (rad) through its middle."""
    half = math.ceil(length / 2)
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    along = np.linspace(-length / 2, length / 2, 8 * half + 1)
    rows = np.rint(half + along * math.sin(angle)).astype(int)
    columns = np.rint(half + along * math.cos(angle)).astype(int)
    np.add.at(kernel, (rows, columns), 1 / len(along))
    return kernel
