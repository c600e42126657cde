"""AreaMean: an image that comes in strips, reduced by the mean over the area of each pixel."""

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...core.image import Image, PixelData, ValidMap

_MOST_CHANNELS = 4
"""OpenCV averages so many at a time."""


@dataclass(slots=True)
class AreaMean:
    """Reduces an image of `size_HW` to `small_hw`, each side by any ratio of 1 or more.

    Pixels without data do not count; a reduced pixel holds data where half of its area does.
    """

    size_HW: tuple[int, int]
    small_hw: tuple[int, int]
    _sum_hwC: NDArray[np.float64] | None = None
    _data_hw: NDArray[np.float64] = field(init=False)
    _top: int = 0
    _dtype: Any = None

    def __post_init__(self) -> None:
        self._data_hw = np.zeros(self.small_hw)

    def add(self, image_HWC: Image, valid_HW: ValidMap | None = None) -> None:
        """Take the next strip."""
        pixels_HWC: NDArray[Any] = image_HWC.astype(np.float32)
        data_HW = np.ones(image_HWC.shape[:2], np.float32)
        if valid_HW is not None:
            pixels_HWC[~valid_HW] = 0
            data_HW = valid_HW.astype(np.float32)
        rows_hH = self._weigh_rows(len(image_HWC))
        sum_hwC = np.tensordot(rows_hH, self._reduce_columns(pixels_HWC), 1)
        self._sum_hwC = sum_hwC if self._sum_hwC is None else self._sum_hwC + sum_hwC
        self._data_hw += rows_hH @ self._reduce_columns(data_HW[..., None])[..., 0]
        self._top += len(image_HWC)
        self._dtype = image_HWC.dtype

    def finish(self) -> PixelData:
        """The reduced image, in the type of the strips; all of them were taken."""
        if self._sum_hwC is None:
            raise ValueError("no strip was added")
        mean_hwC = self._sum_hwC / np.maximum(self._data_hw, 1e-9)[..., None]
        if self._dtype != np.float32:
            mean_hwC = np.rint(mean_hwC)
        valid_hw = self._data_hw >= 0.5
        small_hwC = mean_hwC.astype(self._dtype)
        return PixelData(small_hwC, None if valid_hw.all() else valid_hw)

    def _weigh_rows(self, number: int) -> NDArray[np.float64]:
        """The share of each reduced row, (h, H), that each row of the next strip makes up."""
        height = self.size_HW[0] / self.small_hw[0]
        begin_h = np.arange(self.small_hw[0])[:, None] * height
        row_H = np.arange(self._top, self._top + number)
        shared = np.minimum(begin_h + height, row_H + 1) - np.maximum(begin_h, row_H)
        weight_hH: NDArray[np.float64] = shared.clip(0) / height
        return weight_hH

    def _reduce_columns(self, pixels_HWC: NDArray[np.float32]) -> NDArray[np.float32]:
        size = (self.small_hw[1], len(pixels_HWC))
        channels = range(0, pixels_HWC.shape[2], _MOST_CHANNELS)
        parts = [
            cv2.resize(
                np.ascontiguousarray(pixels_HWC[..., first : first + _MOST_CHANNELS]),
                size,
                interpolation=cv2.INTER_AREA,
            ).reshape(size[1], size[0], -1)
            for first in channels
        ]
        return np.concatenate(parts, axis=2)


def shrink(size_HW: tuple[int, int], side_px: int) -> tuple[int, int]:
    """The size at which the longer side has at most `side_px`, and no side none."""
    ratio = min(1.0, side_px / max(size_HW))
    return max(1, round(size_HW[0] * ratio)), max(1, round(size_HW[1] * ratio))
