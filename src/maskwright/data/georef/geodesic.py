"""GeodesicScale: metres on the ellipsoid for maps in degrees and in Web Mercator.

The area of a pixel is that of the polygon of its four corners, joined by geodesics, on the
ellipsoid of the reference system (Karney 2013, by pyproj); so the area of a region is that of
the polygon of its outline with a point at every corner of a pixel. All pixels of a row are
equal. Lengths are local: by the height and width of a pixel at their place.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ...core.extras import explain_missing
from .pixel_scale import PixelScale, PixelSize, Unit
from .placement import Placement
from .systems import transform_points
from .units import DEGREE, MERCATOR_METRE

_WGS84 = 4326
_LARGEST_SKEW = 1e-3
"""Cosine of the angle between the rows and columns of the grid, where 0 is a right angle."""


@dataclass(frozen=True, slots=True)
class GeodesicScale:
    """The size of a pixel in metres, by its row.

    Raises DataError where rows are no parallels of latitude.
    """

    placement: Placement

    def __post_init__(self) -> None:
        _, b, _, d, _, _ = self.placement.affine
        if b or d:
            raise DataError(
                f"{self.placement.origin}: the georeference {self.placement.affine} turns the "
                f"rows; resample the map to rows of equal latitude"
            )

    @property
    def unit(self) -> Unit:
        """Metres."""
        return "m"

    @property
    def area_unit(self) -> str:
        """Square metres."""
        return "m2"

    def at(self, y: float, x: float) -> PixelSize:
        """The height and width of a pixel around (y, x)."""
        geod = _open_geod(self.placement.epsg)
        ends = _to_degrees(
            self.placement, [(x, y - 0.5), (x, y + 0.5), (x - 0.5, y), (x + 0.5, y)]
        )
        (top, bottom, left, right) = ends.tolist()
        _, _, height = geod.inv(*top, *bottom)
        _, _, width = geod.inv(*left, *right)
        return PixelSize("m", (float(height), float(width)))

    def sum_areas(
        self,
        codes_HW: NDArray[Any],
        num_codes: int,
        *,
        inside_HW: NDArray[np.bool_] | None = None,
        top: int = 0,
    ) -> NDArray[np.float64]:
        """The area of the pixels of each code, (num_codes,); see `PixelScale`."""
        areas_H = np.array(
            [_measure_pixel(self.placement, top + row) for row in range(len(codes_HW))]
        )
        areas_HW = np.broadcast_to(areas_H[:, None], codes_HW.shape)
        inside = np.s_[...] if inside_HW is None else inside_HW
        codes, areas = codes_HW[inside].ravel(), areas_HW[inside].ravel()
        return np.bincount(codes, weights=areas, minlength=num_codes).astype(np.float64)


def _to_degrees(placement: Placement, points_px_XY: Any) -> NDArray[np.float64]:
    """Points (..., 2) of a map, (x, y) in pixels, as longitude and latitude."""
    ground = placement.to_ground(points_px_XY)
    if placement.unit == DEGREE or placement.epsg is None:
        return ground
    return transform_points(ground, placement.epsg, _WGS84)


@lru_cache(maxsize=1 << 17)
def _measure_pixel(placement: Placement, row: int) -> float:
    """The area of a pixel of one row in square metres."""
    corners = _to_degrees(placement, [(0, row), (1, row), (1, row + 1), (0, row + 1)])
    area, _ = _open_geod(placement.epsg).polygon_area_perimeter(corners[:, 0], corners[:, 1])
    return abs(float(area))


@lru_cache(maxsize=16)
def _open_geod(epsg: int | None) -> Any:
    """The ellipsoid of a reference system; that of WGS 84 where the map names none."""
    try:
        from pyproj import CRS, Geod
    except ModuleNotFoundError as error:
        raise explain_missing(error) from error
    return Geod(ellps="WGS84") if epsg is None else CRS.from_epsg(epsg).get_geod()


def make_scale(placement: Placement) -> PixelScale:
    """The size of a pixel in metres: geodesic for degrees and Web Mercator.

    Raises:
        DataError: The unit has no length in metres, or the pixels are skewed.
        MissingDependencyError: Degrees and Web Mercator need pyproj.
    """
    if placement.unit in (DEGREE, MERCATOR_METRE):
        return GeodesicScale(placement)
    return metric_size(placement)


def metric_size(placement: Placement) -> PixelSize:
    """The size of a pixel on the ground in metres.

    Raises:
        DataError: The unit has no length in metres, or the pixels are skewed.
    """
    if placement.unit.metres is None:
        raise DataError(
            f"{placement.origin}: {placement.unit.reason}; reproject it to a system in metres, "
            f"such as the UTM zone, or give the size of a pixel with --mm-per-px"
        )
    a, b, _, d, e, _ = placement.affine
    width, height = float(np.hypot(a, d)), float(np.hypot(b, e))
    if abs(a * b + d * e) > _LARGEST_SKEW * width * height:
        raise DataError(
            f"{placement.origin}: the georeference {placement.affine} skews the pixels; "
            f"resample the map to a grid with right angles"
        )
    return PixelSize("m", (placement.unit.metres * height, placement.unit.metres * width))
