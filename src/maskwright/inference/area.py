"""The area of interest of a prediction: polygons outside of which pixels are IGNORE.

A pixel belongs to the area when its centre is inside, as for regions of interest of `measure`.
Polygons are in the reference system that their file names; a GeoJSON file without `crs` is in
degrees (RFC 7946) where all its coordinates can be degrees, else in the system of the image.
For an image without a georeference, coordinates are pixels, y down, from its upper left corner,
and a file that names a system is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.image import ValidMap
from ..core.jsonfile import read_json
from ..data.georef.systems import transform_points
from ..data.pixels.imagefile import ImageFile, Window
from ..data.reading.vectors import open_layer
from ..data.shapes.raster import fill

_MAX_JSON_BYTES = 64 << 20
_DEGREES = 360.0, 90.0


@dataclass(frozen=True, slots=True, eq=False)
class ImageArea:
    """The area of interest of one image: valid polygons in pixels."""

    polygons_N: NDArray[Any]
    _tree: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        import shapely

        object.__setattr__(self, "_tree", shapely.STRtree(self.polygons_N))

    def touches(self, rows: slice, columns: slice) -> bool:
        """Whether a window and the area have a point in common."""
        return bool(len(self._find(rows, columns, predicate="intersects")))

    def misses(self, size_HW: tuple[int, int]) -> bool:
        """Whether no part of an image is in the area."""
        return not self.touches(slice(0, size_HW[0]), slice(0, size_HW[1]))

    def mask(self, window: Window) -> NDArray[np.bool_]:
        """Which pixels of a window are in the area."""
        rows, columns = window
        inside_HW = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.bool_)
        for polygon in self.polygons_N[self._find(rows, columns)]:
            rings = [
                np.array(ring.coords)[:-1, :2] - (columns.start, rows.start)
                for ring in (polygon.exterior, *polygon.interiors)
            ]
            crop = fill(rings, inside_HW.shape, "center")
            inside_HW[crop.slices] |= crop.inside_hw
        return inside_HW

    def restrict(self, valid_HW: ValidMap | None, size_HW: tuple[int, int]) -> ValidMap:
        """The map of the pixels of an image that hold data and are in the area."""
        inside_HW = self.mask((slice(0, size_HW[0]), slice(0, size_HW[1])))
        return inside_HW if valid_HW is None else valid_HW & inside_HW

    def _find(
        self, rows: slice, columns: slice, *, predicate: str | None = None
    ) -> NDArray[np.int64]:
        import shapely

        box = shapely.box(columns.start, rows.start, columns.stop, rows.stop)
        found: NDArray[np.int64] = self._tree.query(box, predicate=predicate)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class AreaOfInterest:
    """The polygons of a vector file; `system` is None where it is that of each image.

    `names_system` says whether the file itself has it. `digest` identifies the content.
    """

    file: Path
    polygons_N: NDArray[Any]
    system: str | None
    names_system: bool
    digest: str

    @classmethod
    def open(cls, file: Path) -> "AreaOfInterest":
        """Read a GeoJSON file, a GeoPackage or a shapefile.

        Raises:
            DataError: Damaged, several layers, or no polygon.
            MissingDependencyError: pyogrio or shapely is not installed.
        """
        import shapely

        if not file.is_file():
            raise DataError(f"{file}: no such file; --aoi takes a file of polygons")
        layer = open_layer(file, None, None)
        system = layer.system
        names_system = system is not None
        if file.suffix.lower() == ".geojson":
            west, south, east, north = layer.bounds
            far = max(-west, east) > _DEGREES[0] or max(-south, north) > _DEGREES[1]
            document = read_json(file, most_bytes=_MAX_JSON_BYTES)
            names_system = isinstance(document, dict) and "crs" in document
            if far and not names_system:
                system = None
        polygons_N = shapely.get_parts(shapely.make_valid(layer.polygons_N))
        polygons_N = polygons_N[shapely.area(polygons_N) > 0]
        digest = sha256(b"".join(shapely.to_wkb(polygons_N))).hexdigest()
        return cls(file, polygons_N, system, names_system, digest)

    def place(self, image: ImageFile) -> ImageArea:
        """The area on the pixels of an image.

        Raises:
            DataError: The polygons are in a named system, and the image names no EPSG code.
        """
        import shapely

        placement = image.placement
        in_pixels = placement is None and not self.names_system
        epsg = None if placement is None else placement.epsg
        if epsg is None and self.system is not None and not in_pixels:
            raise DataError(
                f"{image.ref}: names no EPSG code, and the area of {self.file} is in "
                f"{self.system}; save the image with its reference system"
            )
        if placement is None:
            return ImageArea(self.polygons_N)

        def to_pixels(points: NDArray[np.float64]) -> NDArray[np.float64]:
            if self.system is not None and placement.epsg is not None:
                points = transform_points(points, self.system, placement.epsg)
            return placement.to_pixels(points)

        # sides are straight in the system of the file: points on them keep that in another
        lines_N = shapely.segmentize(self.polygons_N, self._longest_side())
        moved_N = shapely.transform(lines_N, to_pixels)
        finite = [bool(np.isfinite(shapely.get_coordinates(one)).all()) for one in moved_N]
        return ImageArea(_split_valid(moved_N[np.array(finite, np.bool_)]))

    def _longest_side(self) -> float:
        import shapely

        west, south, east, north = shapely.total_bounds(self.polygons_N).tolist()
        return float(max(east - west, north - south)) / 64


def _split_valid(polygons_N: NDArray[Any]) -> NDArray[Any]:
    import shapely

    parts: Sequence[Any] = shapely.get_parts(shapely.make_valid(polygons_N))
    kept = [p for one in parts for p in shapely.get_parts(one) if p.geom_type == "Polygon"]
    return np.array(kept, object)
