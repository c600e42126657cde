"""Regions of interest: named polygons with holes, read from GeoJSON (RFC 7946).

A pixel belongs to a region when its centre lies inside, by the even-odd rule; a centre exactly
on a border belongs to one side only, so regions that share a border never share a pixel.

Coordinates are in pixels, (0, 0) at the outer corner of the top left one, y down; for maps with
a georeference they are in the reference system of the maps. RFC 7946 allows degrees only; the
older member `crs` may name another system, which must be that of the maps. Zones of a
rules.yaml are in pixels or in shares of the frame, whatever the maps state.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...core.errors import ConfigError, DataError
from ...core.jsonfile import read_json
from ...data.georef.placement import Placement, Points

Mask = NDArray[np.bool_]
Polygon = tuple[Points, ...]
"""Rings, each N x 2: the outline, then its holes."""

_MAX_BYTES = 64 << 20
_NAMES = ("name", "Name", "NAME", "label", "id")
_KINDS = {"Polygon", "MultiPolygon"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Roi:
    """A named region of interest.

    `unit` is that of its polygons: `map` means pixels, or the ground for maps with a
    georeference; `share` means shares of the width and the height of the map, in [0, 1].
    """

    name: str
    polygons: tuple[Polygon, ...]
    unit: Literal["map", "px", "share"] = "map"

    def mask(self, size_HW: tuple[int, int], placement: Placement | None) -> Mask:
        """Rasterize the region for a map, H x W; polygons on the ground need its placement."""
        inside_HW = np.zeros(size_HW, np.bool_)
        for polygon in self.polygons:
            rings = [self._to_pixels(ring, size_HW, placement) for ring in polygon]
            inside_HW |= fill_rings(rings, size_HW)
        return inside_HW

    def _to_pixels(
        self, ring: Points, size_HW: tuple[int, int], placement: Placement | None
    ) -> Points:
        if self.unit == "share":
            return ring * np.array(size_HW[::-1], np.float64)
        return ring if placement is None or self.unit == "px" else placement.to_pixels(ring)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rois:
    """All regions of interest of a file; `epsg` is None where the file names no system."""

    path: Path
    regions: tuple[Roi, ...]
    epsg: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names in the order of the file."""
        return tuple(r.name for r in self.regions)

    def join(self, zones: Sequence[Roi], *, path: Path) -> "Rois":
        """These regions and the `zones` of the file `path`.

        Raises:
            ConfigError: A name is in both files.
        """
        both = sorted({zone.name for zone in zones} & set(self.names))
        if both:
            raise ConfigError(
                f"{path}: the zone {both[0]!r} is a region of {self.path} too; rename one"
            )
        return replace(self, regions=(*self.regions, *zones))

    def require_fit(self, epsg: int | None, *, in_degrees: bool = False) -> None:
        """Refuse coordinates in another reference system than `epsg`, that of the maps.

        `in_degrees`: coordinates of the maps are degrees, as RFC 7946 has them.

        Raises:
            DataError: Another reference system than that of the maps, or degrees.
        """
        on_ground = [roi for roi in self.regions if roi.unit == "map"]
        if epsg is None or not on_ground or (in_degrees and self.epsg is None):
            return
        corners = np.concatenate([r for roi in on_ground for p in roi.polygons for r in p])
        degrees = self.epsg is None and bool((np.abs(corners) <= (360, 90)).all())
        if degrees or self.epsg not in (None, epsg):
            system = "what look like degrees" if degrees else f"EPSG:{self.epsg}"
            raise DataError(
                f"{self.path}: is in {system}, the maps are in EPSG:{epsg}; "
                f"export the polygons in EPSG:{epsg}"
            )


def read_rois(path: Path) -> Rois:
    """Read polygons and multi-polygons of a GeoJSON file, each with the property `name`.

    A region without `name` (`label`, `id`) gets the name region_1, region_2 ... by its index
    from 1; polygons with the same name are one region.

    Raises:
        DataError: The file is not GeoJSON, has another geometry, or has no polygon.
    """
    document = read_json(path, most_bytes=_MAX_BYTES, fix="export it again")
    kind = document.get("type") if isinstance(document, dict) else None
    features = document.get("features") if kind == "FeatureCollection" else [document]
    if kind not in {"FeatureCollection", "Feature", *_KINDS} or not isinstance(features, list):
        raise DataError(
            f"{path}: not GeoJSON with polygons; its 'type' is {kind!r}, expected "
            f"'FeatureCollection'"
        )
    polygons: dict[str, list[Polygon]] = {}
    for index, feature in enumerate(features, start=1):
        polygons.setdefault(_find_name(feature, index), []).extend(
            _parse_polygons(feature, path, index)
        )
    if not polygons:
        raise DataError(f"{path}: has no polygon; draw at least one region of interest")
    regions = tuple(Roi(name=name, polygons=tuple(p)) for name, p in polygons.items())
    return Rois(path=path, regions=regions, epsg=_find_epsg(document))


def fill_rings(rings: Sequence[Points], size_HW: tuple[int, int]) -> Mask:
    """Find the pixels whose centre lies inside an odd number of `rings` (in pixels), H x W.

    Each edge flips all pixels to its right in the rows whose centre line it crosses.
    """
    height, width = size_HW
    flips_HW = np.zeros((height, width + 1), np.bool_)
    for ring in rings:
        for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            low, high = sorted((y0, y1))
            first = int(np.clip(np.ceil(low - 0.5), 0, height))
            last = int(np.clip(np.ceil(high - 0.5), 0, height))
            if first >= last:
                continue
            row = np.arange(first, last)
            x = x0 + (row + 0.5 - y0) * ((x1 - x0) / (y1 - y0))
            flips_HW[row, np.clip(np.ceil(x - 0.5), 0, width).astype(np.intp)] ^= True
    return np.logical_xor.accumulate(flips_HW[:, :width], axis=1)


def _find_name(feature: Any, index: int) -> str:
    properties = feature.get("properties") if isinstance(feature, dict) else None
    tags = properties if isinstance(properties, dict) else {}
    values = (tags.get(key) for key in _NAMES)
    return next((str(v) for v in values if v not in (None, "")), f"region_{index}")


def _parse_polygons(feature: Any, path: Path, index: int) -> list[Polygon]:
    member = feature.get("geometry", feature) if isinstance(feature, dict) else None
    geometry: dict[str, Any] = member if isinstance(member, dict) else {}
    kind = geometry.get("type")
    if kind not in _KINDS:
        raise DataError(f"{path}: feature {index} is {kind!r}; only polygons have an area")
    coordinates: Any = geometry.get("coordinates")
    try:
        nested = [coordinates] if kind == "Polygon" else list(coordinates)
        return [tuple(_parse_ring(ring) for ring in polygon) for polygon in nested]
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: feature {index}: bad coordinates ({error})") from error


def _parse_ring(ring: Any) -> Points:
    points = np.array([point[:2] for point in ring], np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
        raise ValueError(f"a ring of {len(ring)} points, expected at least three (x, y)")
    if not np.isfinite(points).all():
        raise ValueError("a coordinate is not a finite number")
    return points


def _find_epsg(document: Any) -> int | None:
    """Find the code in {"crs": {"properties": {"name": "urn:ogc:def:crs:EPSG::32616"}}}."""
    match = re.search(r"EPSG:+(?:[\d.]*:)?(\d+)\b", json.dumps(document.get("crs")))
    return int(match[1]) if match else None
