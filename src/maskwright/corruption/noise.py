"""Gaussian, shot and impulse noise of Hendrycks and Dietterich 2019 (arXiv:1903.12261)."""

import numpy as np

from .planes import Image

Rng = np.random.Generator


def add_gaussian_noise(image: Image, severity: int, rng: Rng) -> Image:
    """Noise of a sensor in low light: the same deviation at every pixel and band."""
    deviation = (0.08, 0.12, 0.18, 0.26, 0.38)[severity - 1]
    return image + deviation * rng.standard_normal(image.shape, np.float32)


def add_shot_noise(image: Image, severity: int, rng: Rng) -> Image:
    """Poisson noise of light that comes in quanta: this many at full brightness."""
    num_quanta = (60, 25, 12, 5, 3)[severity - 1]
    return np.asarray(rng.poisson(image * num_quanta) / num_quanta, np.float32)


def add_impulse_noise(image: Image, severity: int, rng: Rng) -> Image:
    """Salt and pepper: this share of the values becomes 1 or 0, each as often."""
    share = (0.03, 0.06, 0.09, 0.17, 0.27)[severity - 1]
    drawn = rng.random(image.shape, np.float32)
    noisy = np.where(drawn < share, np.float32(0), image)
    return np.where(drawn < share / 2, np.float32(1), noisy)
