"""The PixelScale of every map of a series: given, from a georeference or a header, or 1 px.

Without a georeference it is the spacing in the headers of medical images, if all have one.

A series is measured in one unit: some maps with a georeference and some without, or maps in
two reference systems, are refused. A map without a georeference of its own takes that of the
photograph of the same key. Pixels that do not lie at right angles on the ground are refused.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ...core.errors import ConfigError, DataError
from ...data.georef.geodesic import GeodesicScale, make_scale
from ...data.georef.pixel_scale import PixelScale, PixelSize
from ...data.georef.placement import Placement
from ...data.georef.units import DEGREE
from ...data.pixels.imageref import ImageRef
from ...data.pixels.images import open_image


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelScales:
    """The PixelScale of every map by key; `default` is that of maps that are not listed.

    `placements` are those of maps with a georeference. `origin` tells readers of reports where
    the scales come from.
    """

    default: PixelScale
    scales: Mapping[str, PixelScale] = field(default_factory=dict)
    placements: Mapping[str, Placement] = field(default_factory=dict)
    origin: str

    def of_map(self, key: str) -> PixelScale:
        """The PixelScale of one map."""
        return self.scales.get(key, self.default)

    @property
    def unit(self) -> str:
        """The unit of all lengths: px, mm or m."""
        return next(iter(self.scales.values()), self.default).unit

    @property
    def area_unit(self) -> str:
        """The unit of all areas: px2, mm2 or m2."""
        return f"{self.unit}2"

    @property
    def in_degrees(self) -> bool:
        """Whether the coordinates of the maps on the ground are degrees."""
        return any(placement.unit == DEGREE for placement in self.placements.values())

    @property
    def epsg(self) -> int | None:
        """The EPSG code of the reference system of all maps; None where it is not known."""
        return next((placement.epsg for placement in self.placements.values()), None)


def find_scales(
    maps: Mapping[str, ImageRef], photographs: Mapping[str, ImageRef], mm_per_px: float | None
) -> PixelScales:
    """Find the scales of class maps by key; `mm_per_px` takes precedence over a georeference.

    Raises:
        ConfigError: `mm_per_px` is not a number above 0.
        DataError: A georeference cannot be used, is missing for some, or differs in system.
    """
    if mm_per_px is not None:
        if not (math.isfinite(mm_per_px) and mm_per_px > 0):
            raise ConfigError(f"--mm-per-px {mm_per_px}: give a number above 0, such as 0.05")
        return PixelScales(
            default=PixelSize.square("mm", mm_per_px),
            origin=f"given: {mm_per_px:g} mm per pixel (--mm-per-px)",
        )
    placements = dict(_find_placements(maps, photographs))
    if not placements:
        return _read_headers(maps, photographs)
    scales = {key: make_scale(placement) for key, placement in placements.items()}
    _require_all(maps, placements)
    _require_one_system(placements)
    first = next(iter(placements.values()))
    return PixelScales(
        default=PixelSize.pixels(),
        scales=scales,
        placements=placements,
        origin=f"georeference, {first.system}{_describe_ellipsoid(scales)}",
    )


def _describe_ellipsoid(scales: Mapping[str, PixelScale]) -> str:
    geodesic = any(isinstance(scale, GeodesicScale) for scale in scales.values())
    return "; areas and lengths in metres on its ellipsoid" if geodesic else ""


def _read_headers(
    maps: Mapping[str, ImageRef], photographs: Mapping[str, ImageRef]
) -> PixelScales:
    """Read the spacing in medical headers, which must state that of every map."""
    scales: dict[str, PixelScale] = {}
    num_assumed = 0
    for key, image in maps.items():
        file = open_image(image)
        if file.spacing_mm_HW is None and key in photographs:
            file = open_image(photographs[key])
        if file.spacing_mm_HW is not None:
            scales[key] = PixelSize("mm", file.spacing_mm_HW)
            num_assumed += any(on == "unit" for on, _ in file.assumptions)
    if len(scales) == len(maps):
        origin = "spacing in the headers of the images, in mm"
        if num_assumed:
            origin += f" ({num_assumed} of {len(maps)} state no unit: taken as mm)"
        return PixelScales(default=PixelSize.pixels(), scales=scales, origin=origin)
    origin = "no georeference: lengths and areas in pixels"
    if scales:
        origin = f"{len(scales)} of {len(maps)} headers state a spacing: all is in pixels"
    return PixelScales(default=PixelSize.pixels(), origin=origin)


def _find_placements(
    maps: Mapping[str, ImageRef], photographs: Mapping[str, ImageRef]
) -> Iterator[tuple[str, Placement]]:
    for key, image in maps.items():
        placement = open_image(image).placement
        if placement is None and key in photographs:
            placement = open_image(photographs[key]).placement
        if placement is not None:
            yield key, placement


def _require_all(maps: Mapping[str, ImageRef], placements: Mapping[str, Placement]) -> None:
    without = [image for key, image in maps.items() if key not in placements]
    if without:
        raise DataError(
            f"{without[0]}: has no georeference, as {len(without)} of {len(maps)} maps; "
            f"georeference all of them, or give the size of a pixel with --mm-per-px"
        )


def _require_one_system(placements: Mapping[str, Placement]) -> None:
    first = next(iter(placements.values()))
    for other in placements.values():
        if (other.epsg, other.unit) != (first.epsg, first.unit):
            raise DataError(
                f"{other.origin}: lies in {other.system}, {first.origin} in {first.system}; "
                f"measure each system in a run of its own"
            )
