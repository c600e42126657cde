"""The georeference in the tags of a GeoTIFF; OGC GeoTIFF Standard 1.1 (OGC 19-008r4)."""

import struct
from pathlib import Path
from typing import Any

from ..core.errors import DataError
from .georeference import WAY_OUT, WEB_MERCATOR, Georeference

Affine = tuple[float, float, float, float, float, float]

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_DAMAGED = (OSError, LookupError, TypeError, ValueError, struct.error)
_USER_DEFINED = 32767
_GEOGRAPHIC, _GEOCENTRIC = 2, 3
_PIXEL_IS_POINT = 2
_METRES = {9001: 1.0, 9002: 0.3048, 9003: 1200 / 3937, 9036: 1000.0}
"""GeoKey 3076 -> metres: metre, foot, US survey foot, kilometre."""

_UTM = (*range(32601, 32661), *range(32701, 32761), *range(25828, 25839))
"""EPSG codes of the UTM zones on WGS 84 and ETRS89: metres, also where 3076 is left out."""


def read_geotags(path: Path) -> Georeference | None:
    """The georeference of the first image of a TIFF file; None where it has none.

    Raises:
        DataError: It is damaged, in degrees or Web Mercator, or in a unit that it hides.
    """
    with path.open("rb") as file:
        if file.read(4) not in _TIFF_STARTS:
            return None
    tags, orientation = _read(path)
    affine = _affine(path, tags)
    if affine is None:
        return None
    if orientation != 1:
        raise DataError(
            f"{path}: a GeoTIFF with orientation {orientation}; save it with its first row "
            f"on top"
        )
    epsg = int(tags.get("ProjectedCSTypeGeoKey", 0))
    return Georeference(
        affine=affine,
        epsg=epsg if 0 < epsg < _USER_DEFINED else None,
        metres=_metres(path, tags, epsg),
        origin=path,
    )


def _read(path: Path) -> tuple[dict[str, Any], int]:
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            page: Any = file.pages[0]
            turned = page.tags.get(274)
            return page.geotiff_tags or {}, 1 if turned is None else int(turned.value)
    except (tifffile.TiffFileError, *_DAMAGED) as error:
        raise DataError(
            f"{path}: the tags of the TIFF are damaged ({error}); copy it again"
        ) from error


def _affine(path: Path, tags: dict[str, Any]) -> Affine | None:
    """Raster to model; the tie point of PixelIsPoint is a pixel's centre, at (0.5, 0.5)."""
    shift = 0.5 if tags.get("GTRasterTypeGeoKey") == _PIXEL_IS_POINT else 0.0
    try:
        if "ModelTransformation" in tags:
            rows = tags["ModelTransformation"]
            (a, b, _, c), (d, e, _, f) = ([float(v) for v in row] for row in rows[:2])
        elif "ModelPixelScale" in tags and "ModelTiepoint" in tags:
            tie = tags["ModelTiepoint"]
            if len(tie) != 6:
                raise DataError(
                    f"{path}: {len(tie) // 6} tie points place the image; warp it to a grid"
                )
            (x, y, _, east, north, _), (width, height, _) = tie, tags["ModelPixelScale"]
            a, b, d, e = float(width), 0.0, 0.0, -float(height)
            c, f = east - a * x, north - e * y
        else:
            return None
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: the georeference is damaged ({error})") from error
    return a, b, c - shift * (a + b), d, e, f - shift * (d + e)


def _metres(path: Path, tags: dict[str, Any], epsg: int) -> float:
    model = tags.get("GTModelTypeGeoKey")
    if model in (_GEOGRAPHIC, _GEOCENTRIC):
        kind = "degrees" if model == _GEOGRAPHIC else "geocentric coordinates"
        raise DataError(f"{path}: lies in {kind}, which have no size in metres; {WAY_OUT}")
    if epsg in WEB_MERCATOR:
        raise DataError(f"{path}: lies in Web Mercator, whose metres are no metres; {WAY_OUT}")
    unit = tags.get("ProjLinearUnitsGeoKey")
    if unit is None and epsg in _UTM:
        return 1.0
    if unit is not None and int(unit) in _METRES:
        return _METRES[int(unit)]
    size = tags.get("ProjLinearUnitSizeGeoKey")
    if size is not None and float(size) > 0:
        return float(size)
    raise DataError(
        f"{path}: does not say the unit of its coordinates (EPSG:{epsg}, GeoKey 3076 {unit}); "
        f"{WAY_OUT}"
    )
