"""Polygons of the class maps: `predict --vectorise geojson` or `gpkg`.

vectors/<key>.geojson, or .gpkg   one polygon for each region of a class whose pixels are joined
                                  by their sides; pixels that are IGNORE have none

Columns are `class` and the area: `area_m2` on the ground as `measure` gives it, `area_mm2` by
the spacing of a medical image, else `area_px2`. Areas are those of the pixels, before borders
are simplified. Borders that neighbours share are simplified once, so that polygons neither
overlap nor leave gaps (Visvalingam and Whyatt 1993, by GEOS; tolerance one pixel).
Coordinates are in the system of the image; without a georeference pixels, y down.
Needs the extra `geo`.
"""

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ConfigError, DataError, OutputError, first_line
from ..core.extras import explain_missing
from ..core.labels import IGNORE, LabelSpec
from ..core.progress import Progress
from ..core.versioned import Document
from ..data.georef.geodesic import make_scale
from ..data.georef.pixel_scale import PixelScale, PixelSize
from ..data.georef.placement import Placement
from ..data.pixels.imagefile import ImageFile
from ..data.pixels.imageref import ImageRef
from ..data.pixels.images import open_image

FOLDER = "vectors"
DRIVERS: Mapping[str, str] = {"geojson": "GeoJSON", "gpkg": "GPKG"}
"""GDAL's name of each format."""

_TOLERANCE_PX = 1.0
_TIME = "2000-01-01T00:00:00Z"
"""What a GeoPackage states as its time, so that the same map gives the same bytes."""


def require_vectors(form: str) -> None:
    """Refuse an unknown format, and one whose packages are not installed.

    Raises:
        ConfigError: Not in `DRIVERS`.
        MissingDependencyError: A package of the extra `geo` is not installed.
    """
    if form not in DRIVERS:
        raise ConfigError(f"vectorise is {form!r}; choose from {', '.join(DRIVERS)}")
    try:
        import pyogrio  # noqa: F401
        import rasterio  # noqa: F401
        import shapely  # noqa: F401
    except ModuleNotFoundError as error:
        raise explain_missing(error) from error


def write_vectors(
    form: str,
    folder: Path,
    maps: Mapping[str, ImageRef],
    images: Mapping[str, ImageRef],
    labels: LabelSpec,
    *,
    progress: Progress,
) -> None:
    """Write the polygons of every class map into `folder`.

    Args:
        form: One of `DRIVERS`.
        folder: Where the files are written, by the key of their image.
        maps: The class maps by key.
        images: The images by key, which place the maps.
        labels: The classes.
        progress: Called for every map.

    Raises:
        DataError: A map cannot be read.
        OutputError: A file cannot be written.
    """
    for key, class_map in progress(maps.items(), total=len(maps), what="tracing polygons"):
        path = folder / f"{key}.{form}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        image = open_image(images[key])
        polygons_N, classes_N = trace_polygons(class_map)
        _write_layer(path, image, polygons_N, [labels.names[index] for index in classes_N])


def trace_polygons(class_map: ImageRef) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The regions of a map, polygons along the edges of pixels, and their classes."""
    import rasterio
    import shapely
    from rasterio.features import shapes

    def keep(found: Iterable[tuple[Document, float]]) -> list[tuple[Any, int]]:
        shaped = ((shape["coordinates"], int(index)) for shape, index in found)
        return [(shapely.Polygon(r[0], r[1:]), n) for r, n in shaped if n != IGNORE]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a PNG has no georeference
        with rasterio.open(class_map.file) as raster:
            kept = keep(shapes(rasterio.band(raster, 1), connectivity=4))
            a, b, c, d, e, f = (~raster.transform)[:6]
    polygons_N = np.array([polygon for polygon, _ in kept], object)

    def to_pixels(points: NDArray[np.float64]) -> NDArray[np.float64]:
        """GDAL places the corners of pixels on the ground."""
        x, y = points.T
        corners: NDArray[np.float64] = np.stack([a * x + b * y + c, d * x + e * y + f], axis=-1)
        return np.rint(corners).astype(np.float64)

    return shapely.transform(polygons_N, to_pixels), np.array([n for _, n in kept], np.int64)


def measure_areas(
    polygons_N: NDArray[Any], scale: PixelScale, height: int
) -> NDArray[np.float64]:
    """The area of polygons along the edges of pixels, (N,): the sum of that of their pixels.

    By Green's theorem with the area of a pixel of each row in place of dy.
    """
    import shapely

    row_H1 = np.arange(height)[:, None]
    below = np.concatenate([[0.0], np.cumsum(scale.sum_areas(row_H1, height))])
    rings, owner = shapely.get_rings(polygons_N, return_index=True)
    is_first = np.diff(owner, prepend=-1) > 0
    areas_N = np.zeros(len(polygons_N))
    for ring, index, is_outer in zip(rings, owner.tolist(), is_first.tolist(), strict=True):
        x, y = shapely.get_coordinates(ring).T
        area = abs(float((x[:-1] * np.diff(below[y.astype(np.int64)])).sum()))
        areas_N[index] += area if is_outer else -area
    return areas_N


def simplify_borders(polygons_N: NDArray[Any]) -> NDArray[Any]:
    """Polygons along the edges of pixels with simpler borders, each simplified once."""
    import shapely

    if not len(polygons_N):
        return polygons_N
    # a corner at every pixel: where three regions meet, all of them need one
    simple_N: NDArray[Any] = shapely.coverage_simplify(
        shapely.segmentize(polygons_N, 1), _TOLERANCE_PX
    )
    return simple_N


def _find_scale(image: ImageFile, placement: Placement | None) -> PixelScale:
    """The size of a pixel; 1 px where it is not known."""
    if placement is None:
        spacing = image.spacing_mm_HW
        return PixelSize.pixels() if spacing is None else PixelSize("mm", spacing)
    try:
        return make_scale(placement)
    except DataError:  # a system whose unit has no length
        return PixelSize.pixels()


def _write_layer(
    path: Path, image: ImageFile, polygons_N: NDArray[Any], names: list[str]
) -> None:
    import pyogrio
    import shapely

    placement = image.placement
    scale = _find_scale(image, placement)
    areas_N = measure_areas(polygons_N, scale, image.size_HW[0])
    polygons_N = simplify_borders(polygons_N)
    epsg = None
    if placement is not None:
        polygons_N, epsg = shapely.transform(polygons_N, placement.to_ground), placement.epsg
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": _TIME})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pixels have no reference system
            pyogrio.raw.write(
                path,
                geometry=shapely.to_wkb(polygons_N),
                field_data=[np.array(names, object), areas_N],
                fields=["class", f"area_{scale.area_unit}"],
                geometry_type="Polygon",
                crs=None if epsg is None else f"EPSG:{epsg}",
                driver=DRIVERS[path.suffix[1:]],
                layer="classes",
            )
    except (pyogrio.errors.DataSourceError, pyogrio.errors.FeatureError, OSError) as error:
        raise OutputError(f"{path}: cannot write: {first_line(error)}") from error
