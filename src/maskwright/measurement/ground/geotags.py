"""The georeference in the tags of a GeoTIFF; OGC GeoTIFF Standard 1.1 (OGC 19-008r4)."""

from pathlib import Path
from typing import Any

from ...core.errors import DataError
from ...data.georef.geotags import read_tags
from .georeference import WAY_OUT, WEB_MERCATOR, Georeference

_USER_DEFINED = 32767
_GEOGRAPHIC, _GEOCENTRIC = 2, 3
_METRES = {9001: 1.0, 9002: 0.3048, 9003: 1200 / 3937, 9036: 1000.0}
"""GeoKey 3076 -> metres: metre, foot, US survey foot, kilometre."""

_UTM = (*range(32601, 32661), *range(32701, 32761), *range(25828, 25839))
"""EPSG codes of the UTM zones on WGS 84 and ETRS89: metres, also where 3076 is left out."""


def read_geotags(path: Path) -> Georeference | None:
    """The georeference of the first image of a TIFF file; None where it has none.

    Raises:
        DataError: It is damaged, in degrees or Web Mercator, or in a unit that it hides.
    """
    found = read_tags(path)
    if found is None:
        return None
    tags, affine = found
    epsg = int(tags.get("ProjectedCSTypeGeoKey", 0))
    return Georeference(
        affine=affine,
        epsg=epsg if 0 < epsg < _USER_DEFINED else None,
        metres=_metres(path, tags, epsg),
        origin=path,
    )


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
