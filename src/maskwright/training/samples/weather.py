"""Weather and light of a road scene, drawn into a share of the crops."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from maskwright.corruption.road_weather import KINDS, apply_weather

from ..recipe import WeatherOptions

MILDEST = 0.3
"""Smallest share of the recipe's strength that a crop draws; the largest is 1."""


@dataclass(frozen=True, slots=True)
class Weather:
    """Draws one kind of weather into a share of the crops, all kinds with equal probability."""

    options: WeatherOptions

    def __call__(self, image: Tensor, rng: np.random.Generator) -> Tensor:
        """The image (C, H, W) in 0..1, changed or as it was."""
        kinds = [kind for kind in KINDS if getattr(self.options, kind) > 0]
        if not kinds or rng.random() >= self.options.share:
            return image
        kind = kinds[int(rng.integers(len(kinds)))]
        strength = getattr(self.options, kind) * rng.uniform(MILDEST, 1)
        # (C, H, W) -> (H, W, C) and back
        pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy(), np.float32)
        changed = apply_weather(kind, pixels, float(strength), rng)
        return torch.from_numpy(changed).permute(2, 0, 1).contiguous()
