"""Where class maps lie on the ground, and so how large their pixels are in metres.

Pixel points are (x, y) with (0, 0) at the outer corner of the top left pixel, whose centre is
thus (0.5, 0.5). Ground points are (east, north) in the units of the reference system.

Only a projected reference system gives metres. Degrees are refused, and so is Web Mercator,
whose "metres" are too long by 1 / cos(latitude): half as long again at 48 degrees.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core.errors import DataError
from .scale import Scale

Points = NDArray[np.float64]
"""N x 2."""

WEB_MERCATOR = frozenset({3857, 3785, 900913, 102100, 102113})
WAY_OUT = (
    "reproject it to a system in metres, such as the UTM zone, or give the size of a pixel "
    "with --mm-per-px"
)

_LARGEST_SKEW = 1e-3
"""Cosine of the angle between the rows and columns of the grid, where 0 is a right angle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Georeference:
    """From pixels to the ground: X = a x + b y + c and Y = d x + e y + f.

    `affine` is (a, b, c, d, e, f), `epsg` the code of the reference system where the file
    says it, `metres` the length of its unit, `origin` the file this comes from.

    Raises DataError where rows and columns do not meet at right angles.
    """

    affine: tuple[float, float, float, float, float, float]
    epsg: int | None
    metres: float
    origin: Path

    def __post_init__(self) -> None:
        a, b, _, d, e, _ = self.affine
        across, down = np.array([a, d]), np.array([b, e])
        size = float(np.hypot(*across) * np.hypot(*down))
        if not np.isfinite(self.affine).all() or size == 0:
            raise DataError(
                f"{self.origin}: the georeference {self.affine} gives no pixel size"
            )
        if abs(float(across @ down)) > _LARGEST_SKEW * size:
            raise DataError(
                f"{self.origin}: the georeference {self.affine} skews the pixels; "
                f"resample the map to a grid with right angles"
            )

    @property
    def scale(self) -> Scale:
        """Height and width of a pixel in metres."""
        a, b, _, d, e, _ = self.affine
        return Scale("m", (self.metres * _length(b, e), self.metres * _length(a, d)))

    @property
    def system(self) -> str:
        """The reference system in words: "EPSG:32616"."""
        return f"EPSG:{self.epsg}" if self.epsg else f"the system of {self.origin.name}"

    @property
    def flips(self) -> bool:
        """Whether a ring of positive area in pixels has a negative one on the ground."""
        a, b, _, d, e, _ = self.affine
        return a * e - b * d < 0

    def to_ground(self, points_px_XY: ArrayLike) -> Points:
        """Points (..., 2) from pixels (x, y) to (east, north)."""
        a, b, c, d, e, f = self.affine
        x, y = np.moveaxis(np.asarray(points_px_XY, np.float64), -1, 0)
        return np.stack((a * x + b * y + c, d * x + e * y + f), axis=-1)

    def to_pixels(self, points_ground: ArrayLike) -> Points:
        """Undo `to_ground`."""
        a, b, c, d, e, f = self.affine
        away = np.asarray(points_ground, np.float64) - (c, f)
        pixels: Points = away @ np.linalg.inv(np.array([[a, b], [d, e]])).T
        return pixels


def _length(x: float, y: float) -> float:
    return float(np.hypot(x, y))
