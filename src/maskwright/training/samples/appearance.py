"""Changes of colour, sharpness and noise that a crop alone gets, not its labels.

`change_photograph` works on values from 0 to a largest one, in their own type: brightness,
contrast, saturation and hue are one matrix. `change_values` works on network input, in
standard deviations, for values that are measurements.
"""

from statistics import NormalDist

import cv2
import numpy as np
from numpy.typing import NDArray

from ..recipe import AugmentOptions
from .view import Pixels

LUMA = np.array([0.299, 0.587, 0.114])
"""Weights of R, G and B in luma (ITU-R BT.601)."""

TO_YIQ = np.array([LUMA, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
"""From RGB to luma and the two axes of colour of NTSC, in which a hue is an angle."""
TO_RGB: NDArray[np.float64] = np.linalg.inv(TO_YIQ)

NOISE = (0.005, 0.03)
"""Least and largest standard deviation of noise, of a range of 1."""

NOISE_STD = (0.02, 0.13)
"""The same in standard deviations of the values: that of photographs is about 0.23."""

_NORMAL = np.array([NormalDist().inv_cdf((n + 0.5) / 256) for n in range(256)])
"""256 values of equal probability of the normal distribution."""


def change_photograph(
    image_HWC: Pixels, options: AugmentOptions, max_value: int, rng: np.random.Generator
) -> Pixels:
    """Change an image with values from 0 to `max_value`; JPEG takes 1 or 3 bands of 8 bits."""
    image_HWC = _change_color(image_HWC, options, max_value, rng)
    if rng.random() < options.blur:
        image_HWC = _blur(image_HWC, rng)
    if rng.random() < options.noise:
        image_HWC = _add_noise(image_HWC, max_value * rng.uniform(*NOISE), max_value, rng)
    if rng.random() < options.jpeg:
        image_HWC = _compress_jpeg(image_HWC, quality=int(rng.integers(40, 95)))
    return image_HWC


def change_values(
    x_HWC: NDArray[np.float32], options: AugmentOptions, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Change network input, whose mean and std over a set are 0 and 1."""
    if rng.random() < 0.8:
        x_HWC = x_HWC + np.float32(rng.uniform(-options.brightness, options.brightness))
        mean_C = x_HWC.mean(axis=(0, 1))
        x_HWC = (x_HWC - mean_C) * np.float32(_draw_factor(options.contrast, rng)) + mean_C
    if rng.random() < options.blur:
        x_HWC = np.asarray(_blur(x_HWC, rng), np.float32)
    if rng.random() < options.noise:
        grain = rng.standard_normal(x_HWC.shape, np.float32)
        x_HWC = x_HWC + grain * np.float32(rng.uniform(*NOISE_STD))
    return x_HWC


def _change_color(
    image_HWC: Pixels, options: AugmentOptions, max_value: int, rng: np.random.Generator
) -> Pixels:
    """Brightness times a factor, contrast about the mean, saturation about luma, and hue."""
    is_color = image_HWC.shape[2] == 3
    gain, offset, matrix = 1.0, 0.0, np.eye(3)
    if rng.random() < 0.8:
        gain = _draw_factor(options.brightness, rng)
        mean = gain * _mean(image_HWC)
        contrast = _draw_factor(options.contrast, rng)
        gain, offset = gain * contrast, mean * (1 - contrast)
        if is_color:
            saturation = _draw_factor(options.saturation, rng)
            matrix = saturation * np.eye(3) + (1 - saturation) * LUMA
    if is_color and options.hue and rng.random() < 0.5:
        matrix = _turn_hue(rng.uniform(-options.hue, options.hue)) @ matrix
    if gain == 1 and offset == 0 and np.array_equal(matrix, np.eye(3)):
        return image_HWC
    if is_color:
        matrix = np.column_stack([gain * matrix, [offset] * 3])
        return np.asarray(cv2.transform(image_HWC, matrix), image_HWC.dtype)
    if max_value == 255:
        table = np.clip(np.rint(np.arange(256) * gain + offset), 0, 255).astype(np.uint8)
        return np.asarray(cv2.LUT(image_HWC, table), np.uint8).reshape(image_HWC.shape)
    return _round(
        image_HWC.astype(np.float32) * np.float32(gain) + np.float32(offset), max_value
    )


def _turn_hue(turn: float) -> NDArray[np.float64]:
    """The matrix that turns hues by `turn` of a circle; greys and luma stay."""
    c, s = np.cos(2 * np.pi * turn), np.sin(2 * np.pi * turn)
    matrix: NDArray[np.float64] = TO_RGB @ [[1, 0, 0], [0, c, -s], [0, s, c]] @ TO_YIQ
    return matrix


def _mean(image_HWC: Pixels) -> float:
    # (H, W, C) -> (H, W x C): OpenCV takes the mean of at most four bands
    return float(cv2.mean(image_HWC.reshape(len(image_HWC), -1))[0])


def _blur(image_HWC: Pixels, rng: np.random.Generator) -> Pixels:
    blurred = cv2.GaussianBlur(image_HWC, (5, 5), rng.uniform(0.3, 1.5))
    return np.asarray(blurred).reshape(image_HWC.shape)  # OpenCV drops an axis of one band


def _add_noise(
    image_HWC: Pixels, std: float, max_value: int, rng: np.random.Generator
) -> Pixels:
    """Normal noise; for 8 bits of 256 equally probable values, drawn as bytes."""
    if max_value > 255:
        grain = rng.standard_normal(image_HWC.shape, np.float32) * np.float32(std)
        return _round(image_HWC + grain, max_value)
    index = np.frombuffer(rng.bytes(image_HWC.size), np.uint8).reshape(image_HWC.shape)
    grain_256 = np.rint(_NORMAL * std)
    up, down = (np.maximum(sign * grain_256, 0).astype(np.uint8) for sign in (1, -1))
    brighter = cv2.add(image_HWC, cv2.LUT(index, up).reshape(image_HWC.shape))
    darker = cv2.subtract(brighter, cv2.LUT(index, down).reshape(image_HWC.shape))
    return np.asarray(darker, np.uint8).reshape(image_HWC.shape)


def _compress_jpeg(image_HWC: Pixels, *, quality: int) -> Pixels:
    """Encode and decode an image of 8 bits."""
    _, encoded = cv2.imencode(".jpg", image_HWC, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED), np.uint8)
    return decoded.reshape(image_HWC.shape)


def _round(values: NDArray[np.float32], max_value: int) -> Pixels:
    return np.clip(np.rint(values), 0, max_value).astype(np.uint16)


def _draw_factor(spread: float, rng: np.random.Generator) -> float:
    return float(rng.uniform(1 - spread, 1 + spread))
