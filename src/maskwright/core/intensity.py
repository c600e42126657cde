"""Intensity: how the values of an image become the values that a network sees.

| kind | values | clipped | z-score |
|---|---|---|---|
| photograph | shares of 255, or of 65,535 | no | by the mean and std of a set |
| ct | Hounsfield units | to a window | by the mean and std of a set |
| mr | of no fixed unit | no | by the mean and std of each image |
| reflectance | as stored, by band | to a window per band | by the mean and std of a set |

The mean and std of a single image are those of its values above its mean, which leaves out air
(the masking by the mean of TorchIO, Pérez-García et al. 2021); they are measured before the
image is resized or cropped.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from .image import Image, ValidMap

Kind = Literal["photograph", "ct", "mr", "reflectance"]

KINDS: tuple[Kind, ...] = get_args(Kind)

CALIBRATED: frozenset[Kind] = frozenset({"ct", "reflectance"})
"""Kinds whose absolute values tell classes apart: augmentation does not change them."""

SIGNED_OFFSET = 32_768
"""Models of version 0.1 read medical values that may be below 0 as uint16 with this added."""

_MOST_PX = 1 << 18
"""Pixels of an image that are looked at, evenly spread."""
_LEAST_STD = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scaling:
    """From the stored values of one image to network input, per channel.

    x = clip(value, low, high) * scale - shift; `neutral_C` are the values that give 0.
    """

    scale_C: NDArray[np.float32]
    shift_C: NDArray[np.float32]
    neutral_C: tuple[float, ...]
    window_C2: NDArray[np.float32] | None = None

    def normalize(self, image_HWC: Image) -> NDArray[np.float32]:
        """Network input, C x H x W float32, contiguous.

        Works channel by channel, so that no second image of float32 is held.
        """
        x_CHW = np.empty((image_HWC.shape[2], *image_HWC.shape[:2]), np.float32)
        for channel in range(len(x_CHW)):
            x_CHW[channel] = image_HWC[..., channel]
            if self.window_C2 is not None:
                np.clip(x_CHW[channel], *self.window_C2[channel], out=x_CHW[channel])
            x_CHW[channel] *= self.scale_C[channel]
            x_CHW[channel] -= self.shift_C[channel]
        return x_CHW


def measure_foreground(
    image_HWC: Image, valid_HW: ValidMap | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and std per channel, (C,), of the values above the mean of their channel.

    A channel of one value has that mean and the std 1; a large image is measured on a grid.
    """
    step = max(1, round((image_HWC.shape[0] * image_HWC.shape[1] / _MOST_PX) ** 0.5))
    part_hwC = image_HWC[::step, ::step]
    inside_hw = np.isfinite(part_hwC).all(axis=2)
    if valid_HW is not None:
        inside_hw &= valid_HW[::step, ::step]
    values_PC = part_hwC[inside_hw].astype(np.float64)
    moments_C2 = [_measure_above_mean(values_P) for values_P in values_PC.T]
    mean_C, std_C = np.array(moments_C2, np.float64).T
    return mean_C, std_C


def _measure_above_mean(values_P: NDArray[np.float64]) -> tuple[float, float]:
    if not len(values_P):
        return 0.0, 1.0
    above_P = values_P[values_P > values_P.mean()]
    if not len(above_P):  # all values are equal
        return float(values_P[0]), 1.0
    mean, std = float(above_P.mean()), float(above_P.std())
    return mean, std if std > _LEAST_STD * max(1.0, abs(mean)) else 1.0
