"""Weather and light of a road scene, drawn into a share of the crops."""

from dataclasses import dataclass

import numpy as np

from maskwright.corruption.road_weather import KINDS, apply_weather

from ..recipe import WeatherOptions
from .view import Pixels

MILDEST = 0.3
"""Smallest share of the recipe's strength that a crop draws; the largest is 1."""


@dataclass(frozen=True, slots=True)
class Weather:
    """Draws one kind of weather into a share of the crops, all kinds with equal probability."""

    options: WeatherOptions
    max_value: int = 255

    def __call__(self, image_HWC: Pixels, rng: np.random.Generator) -> Pixels:
        """The image (H, W, C), 0 to `max_value`, changed or as it was."""
        kinds = [kind for kind in KINDS if getattr(self.options, kind) > 0]
        if not kinds or rng.random() >= self.options.share:
            return image_HWC
        kind = kinds[int(rng.integers(len(kinds)))]
        strength = getattr(self.options, kind) * rng.uniform(MILDEST, 1)
        values_HWC = image_HWC.astype(np.float32) / np.float32(self.max_value)
        changed_HWC = apply_weather(kind, values_HWC, float(strength), rng)
        return np.rint(changed_HWC * self.max_value).astype(image_HWC.dtype)
