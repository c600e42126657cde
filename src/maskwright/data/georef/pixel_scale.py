"""The size of a pixel at a point of the image, which turns pixels into real units.

Lengths are in `unit`, areas in `area_unit`: px and px2, mm and mm2, m and m2, in ASCII so that
rules and column names can be typed. Pixels need not be square.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self, get_args

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core.errors import ConfigError

Unit = Literal["px", "mm", "m"]


class PixelScale(Protocol):
    """The size of a pixel as a function of (y, x), as a camera over a plane has."""

    @property
    def unit(self) -> Unit:
        """The unit of all lengths: px, mm or m."""

    @property
    def area_unit(self) -> str:
        """The unit of all areas, in ASCII: px2, mm2 or m2."""

    def at(self, y: float, x: float) -> "PixelSize":
        """The size of a pixel at (y, x), in pixels from the top left corner of the image."""

    def sum_areas(
        self,
        codes_HW: NDArray[Any],
        num_codes: int,
        *,
        inside_HW: NDArray[np.bool_] | None = None,
        top: int = 0,
    ) -> NDArray[np.float64]:
        """The area of the pixels of each code from 0 to `num_codes` - 1, (num_codes,).

        `top` is the row of the image in which `codes_HW` begins.
        """


@dataclass(frozen=True, slots=True)
class PixelSize:
    """The height and the width of one pixel in `unit`; as a PixelScale, the same everywhere.

    Raises ConfigError for another unit, and for a size that is not a number above 0.
    """

    unit: Unit
    pixel_HW: tuple[float, float]

    def __post_init__(self) -> None:
        if self.unit not in get_args(Unit):
            units = ", ".join(get_args(Unit))
            raise ConfigError(f"pixel size: unit {self.unit!r} is not one of {units}")
        if not all(math.isfinite(side) and side > 0 for side in self.pixel_HW):
            raise ConfigError(
                f"pixel size: one pixel is {self.pixel_HW} {self.unit} (height, width); "
                "give two numbers above 0"
            )

    @classmethod
    def pixels(cls) -> Self:
        """The size without a real unit: one pixel is 1 px by 1 px."""
        return cls("px", (1.0, 1.0))

    @classmethod
    def square(cls, unit: Unit, side: float) -> Self:
        """Square pixels, `side` units long."""
        return cls(unit, (side, side))

    @property
    def area_unit(self) -> str:
        """The unit of areas, in ASCII: px2, mm2 or m2."""
        return f"{self.unit}2"

    def at(self, y: float, x: float) -> Self:  # noqa: ARG002 - the same at every place
        """The same size at every place."""
        return self

    def sum_areas(
        self,
        codes_HW: NDArray[Any],
        num_codes: int,
        *,
        inside_HW: NDArray[np.bool_] | None = None,
        top: int = 0,  # noqa: ARG002 - the same at every place
    ) -> NDArray[np.float64]:
        """The area of the pixels of each code; see `PixelScale`."""
        codes = codes_HW if inside_HW is None else codes_HW[inside_HW]
        counts = np.bincount(codes.ravel(), minlength=num_codes)
        return np.asarray(counts * self.pixel_area, np.float64)

    @property
    def pixel_area(self) -> float:
        """Area of one pixel in `area_unit`."""
        return self.pixel_HW[0] * self.pixel_HW[1]

    def area(self, num_px: float) -> float:
        """Area of `num_px` pixels in `area_unit`."""
        return num_px * self.pixel_area

    def points(self, points_px_XY: ArrayLike) -> NDArray[np.float64]:
        """Convert points or vectors (..., 2), (x, y), from pixels to the unit."""
        return np.asarray(points_px_XY, dtype=np.float64) * self.pixel_HW[::-1]

    def length(self, vector_px_XY: ArrayLike) -> float:
        """Length in the unit of one vector, (x, y) in pixels."""
        return math.hypot(*self.points(vector_px_XY))


def middle_of_mask(mask_HW: NDArray[np.bool_]) -> tuple[float, float]:
    """The middle (y, x) of the bounding box of a mask; of the image where it is empty."""
    left, top, width, height = cv2.boundingRect(np.ascontiguousarray(mask_HW).view(np.uint8))
    if not width:
        return middle_of_image(mask_HW.shape)
    return top + height / 2, left + width / 2


def middle_of_image(size_HW: tuple[int, ...]) -> tuple[float, float]:
    """The middle (y, x) of an image."""
    return size_HW[0] / 2, size_HW[1] / 2
