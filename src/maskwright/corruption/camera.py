"""What a new camera changes: gain and colour temperature. Own definitions, five severities."""

import numpy as np

from .planes import Image

Rng = np.random.Generator


def change_gain(image: Image, severity: int, rng: Rng) -> Image:
    """Multiply all values, by more or by less with equal probability: 10 % to 60 %."""
    factor = 1 + (0.1, 0.2, 0.3, 0.45, 0.6)[severity - 1]
    return image * np.float32(factor if rng.random() < 0.5 else 1 / factor)


def change_color_temperature(image: Image, severity: int, rng: Rng) -> Image:
    """Multiply the first band and divide the last one, or the reverse: warmer or cooler light.

    A single band does not change.
    """
    factor = 1 + (0.05, 0.1, 0.15, 0.22, 0.3)[severity - 1]
    exponent = np.linspace(1, -1, image.shape[2]) if image.shape[2] > 1 else np.zeros(1)
    sign = 1 if rng.random() < 0.5 else -1
    return image * np.asarray(factor ** (sign * exponent), np.float32)
