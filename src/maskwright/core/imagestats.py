"""ImageStatistics: scale and colours of the images that a network learnt from.

`predict` compares each image with them: a photograph of another scale or of other light than
the training images is predicted, and a remark says so.
"""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .image import Image
from .inputspec import InputSpec

_MOST_PX = 1 << 16
"""Pixels of an image that are looked at, evenly spread."""
_SCALE_FACTOR = 2.0
"""Images whose sides are longer or shorter by more than this are of another scale."""
_LEAST_SHIFT, _SHIFT_FACTOR = 0.15, 4.0
"""A channel is far off where its mean is off by this, and by so many times the usual spread;
values that are no photograph's, by their standard deviation in place of the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageStatistics:
    """Measures of a set of images; `size_HW` is the median height and width.

    Per channel: `mean` and `std` of the pixels, and `spread`, the standard deviation of the
    means of single images; in [0, 1] for photographs, else in the unit of the values.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    spread: tuple[float, ...]
    size_HW: tuple[int, int]

    @classmethod
    def from_images(cls, images: Iterable[Image], spec: InputSpec) -> "ImageStatistics":
        """Measure images that `spec` has prepared, one after the other.

        Raises:
            ValueError: There is none.
        """
        moments_N2C, sizes_N2 = [], []
        for image_HWC in images:
            moments_N2C.append(_compute_moments(image_HWC, spec.unit))
            sizes_N2.append(image_HWC.shape[:2])
        if not moments_N2C:
            raise ValueError("no image to measure")
        means_NC, squares_NC = np.stack(moments_N2C, axis=1)  # N x (2, C) -> (2, N, C)
        mean_C = means_NC.mean(axis=0)
        variance_C = np.maximum(squares_NC.mean(axis=0) - mean_C**2, 0)
        height, width = np.median(sizes_N2, axis=0).round().astype(int).tolist()
        return cls(
            mean=_to_tuple(mean_C),
            std=_to_tuple(np.sqrt(variance_C)),
            spread=_to_tuple(means_NC.std(axis=0)),
            size_HW=(height, width),
        )

    def is_other_scale(self, size_HW: tuple[int, ...]) -> bool:
        """Whether the sides of an image, in geometric mean, differ by more than a factor 2."""
        ratio = (math.prod(size_HW) / math.prod(self.size_HW)) ** 0.5
        return not 1 / _SCALE_FACTOR <= ratio <= _SCALE_FACTOR

    def is_other_color(self, image_HWC: Image, spec: InputSpec) -> bool:
        """Whether the mean of a channel is far from those of the images learnt from.

        Never for kind "mr", whose values have no fixed unit.
        """
        if spec.kind == "mr":
            return False
        mean_C = _compute_moments(image_HWC, spec.unit)[0]
        least_C = _LEAST_SHIFT if spec.kind == "photograph" else np.asarray(self.std)
        limit_C = np.maximum(least_C, _SHIFT_FACTOR * np.asarray(self.spread))
        return bool((np.abs(mean_C - np.asarray(self.mean)) > limit_C).any())

    def to_json(self) -> dict[str, object]:
        """A flat object; `from_json` undoes it."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Undo `to_json`."""
        height, width = document["size_HW"]
        moments = {name: tuple(document[name]) for name in ("mean", "std", "spread")}
        return cls(**moments, size_HW=(height, width))


def _compute_moments(image_HWC: Image, unit: int) -> NDArray[np.float64]:
    """Mean of the values and of their squares per channel, (2, C)."""
    step = max(1, round((image_HWC.shape[0] * image_HWC.shape[1] / _MOST_PX) ** 0.5))
    part_hwC = image_HWC[::step, ::step]
    x_PC = part_hwC.reshape(-1, part_hwC.shape[2]) / unit  # (h, w, C) -> (P, C)
    return np.stack([x_PC.mean(axis=0), np.square(x_PC).mean(axis=0)])


def _to_tuple(values_C: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(values_C.round(6).tolist())
