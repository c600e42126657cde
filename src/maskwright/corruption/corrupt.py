"""Corrupt an image by name: the 15 corruptions of ImageNet-C, and what a new camera changes.

Hendrycks and Dietterich 2019 (arXiv:1903.12261); the constants are those of the authors' code
for ImageNet (224 x 224 px) and are kept for images of any size.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from maskwright.core.errors import ConfigError, UnknownNameError
from maskwright.core.labels import IGNORE

from . import blur, camera, digital, geometry, noise, weather
from .planes import Image

Rng = np.random.Generator
SEVERITIES = (1, 2, 3, 4, 5)

_CHANGES: Mapping[str, Callable[[Image, int, Rng], Image]] = {
    "gaussian_noise": noise.add_gaussian_noise,
    "shot_noise": noise.add_shot_noise,
    "impulse_noise": noise.add_impulse_noise,
    "defocus_blur": blur.blur_defocus,
    "glass_blur": blur.blur_glass,
    "motion_blur": blur.blur_motion,
    "zoom_blur": blur.blur_zoom,
    "snow": weather.add_snow,
    "frost": weather.add_frost,
    "fog": weather.add_fog,
    "brightness": weather.raise_brightness,
    "contrast": digital.lower_contrast,
    "pixelate": digital.pixelate,
    "jpeg": digital.compress_jpeg,
    "gain": camera.change_gain,
    "color_temperature": camera.change_color_temperature,
}
_MOVES: Mapping[str, Callable[[tuple[int, int], int, Rng], geometry.Displacement]] = {
    "elastic": geometry.draw_elastic,
    "crop_shift": geometry.draw_crop_shift,
}
CAMERA = ("gain", "color_temperature", "crop_shift")
"""What a new camera changes."""

IMAGENET_C = tuple(sorted({*_CHANGES, *_MOVES} - set(CAMERA)))
"""The 15 corruptions of the benchmark."""

KINDS = (*IMAGENET_C, *CAMERA)


def corrupt(
    image_HWC: NDArray[np.generic],
    kind: str,
    severity: int,
    rng: Rng,
    *,
    max_value: float | None = None,
) -> NDArray[np.generic]:
    """Corrupt an image of any number of bands; `elastic` and `crop_shift` move its pixels.

    Args:
        image_HWC: 8 or 16 bits without a sign, or floating point; not changed.
        kind: One of `KINDS`.
        severity: 1 (mildest) to 5.
        rng: The source of all randomness.
        max_value: The value of white; by default the largest of the type, 1 for floating point.

    Returns:
        A new image of the same shape and type, clipped to 0..`max_value`.

    Raises:
        UnknownNameError: There is no such kind.
        ConfigError: Another severity, shape or type.
    """
    return corrupt_sample(image_HWC, None, kind, severity, rng, max_value=max_value)[0]


def corrupt_sample(
    image_HWC: NDArray[np.generic],
    labels_HW: NDArray[np.uint8] | None,
    kind: str,
    severity: int,
    rng: Rng,
    *,
    max_value: float | None = None,
) -> tuple[NDArray[np.generic], NDArray[np.uint8] | None]:
    """Corrupt an image and move its labels where the corruption moves pixels.

    Labels that come from past the edge are IGNORE; for the rest see `corrupt`.
    """
    white = _require_image(image_HWC, kind, severity, max_value)
    image = np.asarray(image_HWC, np.float32) / np.float32(white)
    if kind in _CHANGES:
        changed = _CHANGES[kind](image, severity, rng)
    else:
        displacement = _MOVES[kind](image.shape[:2], severity, rng)
        changed = displacement.move_image(image)
        if labels_HW is not None:
            labels_HW = displacement.move_labels(labels_HW, IGNORE).astype(np.uint8)
    changed = changed.clip(0, 1) * np.float32(white)
    if np.issubdtype(image_HWC.dtype, np.integer):
        changed = np.rint(changed)
    return changed.astype(image_HWC.dtype), labels_HW


def _require_image(
    image_HWC: NDArray[np.generic], kind: str, severity: int, max_value: float | None
) -> float:
    if kind not in KINDS:
        raise UnknownNameError("corruption", kind, KINDS)
    if severity not in SEVERITIES:
        raise ConfigError(f"severity is {severity}, expected 1 to 5")
    if image_HWC.ndim != 3 or 0 in image_HWC.shape:
        raise ConfigError(f"image has shape {image_HWC.shape}, expected (H, W, C)")
    if image_HWC.dtype in (np.uint8, np.uint16):
        largest = 255.0 if image_HWC.dtype == np.uint8 else 65535.0
        return largest if max_value is None else max_value
    if not np.issubdtype(image_HWC.dtype, np.floating):
        raise ConfigError(
            f"image has type {image_HWC.dtype}, expected uint8, uint16 or floating point"
        )
    return 1.0 if max_value is None else max_value
