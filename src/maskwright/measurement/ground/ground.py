"""The size of a pixel of every map: as told, from the georeference of the files, or 1 px.

Without a georeference it is the spacing in the headers of medical images, where all say one.

A series is measured in one unit: some maps with a georeference and some without, or maps in
two reference systems, are refused. A map without a georeference of its own takes that of the
photograph of the same key.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ...core.errors import ConfigError, DataError
from ...data.pixels.imageref import ImageRef
from ...data.pixels.images import open_image
from .georeference import Georeference
from .geotags import read_geotags
from .scale import Scale
from .worldfile import read_world_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The Scale of every map, and where it lies. `origin` says in words how this is known."""

    flat: Scale
    georeferences: Mapping[str, Georeference] = field(default_factory=dict)
    scales: Mapping[str, Scale] = field(default_factory=dict)
    origin: str

    def scale(self, key: str) -> Scale:
        """The size of a pixel of one map."""
        found = self.georeferences.get(key)
        return self.scales.get(key, self.flat) if found is None else found.scale

    @property
    def unit(self) -> str:
        """Of all lengths: px, mm or m."""
        if self.georeferences:
            return "m"
        return next(iter(self.scales.values()), self.flat).unit

    @property
    def area_unit(self) -> str:
        """Of all areas: px2, mm2 or m2."""
        return f"{self.unit}2"

    @property
    def epsg(self) -> int | None:
        """The code of the one reference system of all maps, where they say it."""
        return next((g.epsg for g in self.georeferences.values()), None)


def find_ground(
    files: Mapping[str, ImageRef], photographs: Mapping[str, ImageRef], mm_per_px: float | None
) -> Ground:
    """The Ground of class maps by key; `mm_per_px` counts more than a georeference.

    Raises:
        ConfigError: `mm_per_px` is no number above 0.
        DataError: A georeference cannot be used, is missing for some, or differs in system.
    """
    if mm_per_px is not None:
        if not (math.isfinite(mm_per_px) and mm_per_px > 0):
            raise ConfigError(f"--mm-per-px {mm_per_px}: give a number above 0, such as 0.05")
        told = Scale.square("mm", mm_per_px)
        return Ground(flat=told, origin=f"as told, {mm_per_px:g} mm a pixel")
    found = dict(_georeferences(files, photographs))
    if not found:
        return _of_headers(files, photographs)
    _require_all(files, found)
    _require_one_system(found)
    first = next(iter(found.values()))
    return Ground(
        flat=Scale.pixels(), georeferences=found, origin=f"georeference, {first.system}"
    )


def _of_headers(files: Mapping[str, ImageRef], photographs: Mapping[str, ImageRef]) -> Ground:
    """From the spacing in medical headers, where that of every map is said."""
    scales: dict[str, Scale] = {}
    for key, path in files.items():
        sides = open_image(path).spacing_mm_HW
        if sides is None and key in photographs:
            sides = open_image(photographs[key]).spacing_mm_HW
        if sides is not None:
            scales[key] = Scale("mm", sides)
    if len(scales) == len(files):
        said = "spacing in the headers of the images, in mm"
        return Ground(flat=Scale.pixels(), scales=scales, origin=said)
    origin = "no georeference: lengths and areas in pixels"
    if scales:
        origin = f"{len(scales)} of {len(files)} headers say a spacing: all is in pixels"
    return Ground(flat=Scale.pixels(), origin=origin)


def find_georeference(image: ImageRef) -> Georeference | None:
    """From the tags of a GeoTIFF, else from a world file beside it; None where neither is.

    A page of a file of several has none.

    Raises:
        DataError: It is damaged, in degrees or Web Mercator, or in a unit that it hides.
    """
    if image.page is not None:
        return None
    return read_geotags(image.file) or read_world_file(image.file)


def _georeferences(
    files: Mapping[str, ImageRef], photographs: Mapping[str, ImageRef]
) -> Iterator[tuple[str, Georeference]]:
    for key, path in files.items():
        found = find_georeference(path)
        if found is None and key in photographs:
            found = find_georeference(photographs[key])
        if found is not None:
            yield key, found


def _require_all(files: Mapping[str, ImageRef], found: Mapping[str, Georeference]) -> None:
    without = [path for key, path in files.items() if key not in found]
    if without:
        raise DataError(
            f"{without[0]}: has no georeference, as {len(without)} of {len(files)} maps; "
            f"georeference all of them, or give the size of a pixel with --mm-per-px"
        )


def _require_one_system(found: Mapping[str, Georeference]) -> None:
    first = next(iter(found.values()))
    for other in found.values():
        if (other.epsg, other.metres) != (first.epsg, first.metres):
            raise DataError(
                f"{other.origin}: lies in {other.system}, {first.origin} in {first.system}; "
                f"measure each system in a run of its own"
            )
