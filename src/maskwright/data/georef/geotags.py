"""The tags of a GeoTIFF that place its pixels; OGC GeoTIFF Standard 1.1 (19-008r4)."""

import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...core.errors import DataError
from ...core.files import open_file
from .units import DEGREE, GEOCENTRIC, MERCATOR_METRE, METRE, UTM, WEB_MERCATOR, Unit

Affine = tuple[float, float, float, float, float, float]
"""a, b, c, d, e, f of X = a x + b y + c and Y = d x + e y + f, of points in pixels with (0, 0)
at the outer corner of the top left pixel."""

GeoTags = dict[str, Any]
"""The values of tags and keys, by the names that tifffile gives them."""

Tag = tuple[int, int, int, Any, bool]
"""As tifffile writes it: code, type, count, value, once."""

_PLACING = (33550, 33922, 34264, 34735, 34736, 34737)
"""Scale, tie points, matrix and keys of a GeoTIFF; OGC 19-008r4, section 7.1."""

_AFFINE = {33550: "ModelPixelScale", 33922: "ModelTiepoint", 34264: "ModelTransformation"}
"""Of these, the tags of the affine, by the names that tifffile gives them."""

_MAX_BYTES = 64 << 30
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_DAMAGED = (OSError, LookupError, TypeError, ValueError, struct.error)
_PIXEL_IS_AREA, _PIXEL_IS_POINT = 1, 2
_MODEL_TYPE, _RASTER_TYPE, _KEYS = 1024, 1025, 34735
_ASCII, _SHORT, _DOUBLE = 2, 3, 12
_USER_DEFINED = 32767
_PROJECTED, _GEOGRAPHIC, _GEOCENTRIC = 1, 2, 3
_METRES = {9001: 1.0, 9002: 0.3048, 9003: 1200 / 3937, 9036: 1000.0}
"""GeoKey 3076 -> metres: metre, foot, US survey foot, kilometre."""


def copy_tags(path: Path) -> tuple[Tag, ...]:
    """The tags that place a GeoTIFF on the ground, for another file of the same grid.

    None of another file, and none where the orientation turns the pixels: they would place
    them wrongly.

    Raises:
        DataError: The file is damaged.
    """
    if not _is_tiff(path):
        return ()
    with _first_page(path) as page:
        if _orientation(page) != 1:
            return ()
        tags = [page.tags.get(code) for code in _PLACING]
        return tuple((t.code, int(t.dtype), t.count, t.value, True) for t in tags if t)


def make_tags(affine: Affine, epsg: int | None, *, is_geographic: bool) -> tuple[Tag, ...]:
    """The tags of a GeoTIFF that lies at `affine`, in the system `epsg` where it is known."""
    keys = [(_RASTER_TYPE, 0, 1, _PIXEL_IS_AREA)]
    if epsg is not None:
        model, code = (_GEOGRAPHIC, 2048) if is_geographic else (_PROJECTED, 3072)
        keys = [(_MODEL_TYPE, 0, 1, model), *keys, (code, 0, 1, epsg)]
    directory = (1, 1, 0, len(keys), *(value for key in keys for value in key))
    return move_tags([(_KEYS, _SHORT, len(directory), directory, True)], affine)


def nodata_tag(value: float) -> Tag:
    """The tag by which GDAL names the value of pixels without data, NaN too."""
    text = f"{value:g}"
    return 42113, _ASCII, len(text) + 1, text, True


def move_tags(tags: Iterable[Tag], affine: Affine) -> tuple[Tag, ...]:
    """Tags of the same reference system for an image that lies at `affine`."""
    kept = [_as_area(tag) for tag in tags if tag[0] in (_KEYS, 34736, 34737)]
    a, b, c, d, e, f = affine
    if b == d == 0 and a > 0 > e:
        scale, tie = (a, -e, 0.0), (0.0, 0.0, 0.0, c, f, 0.0)
        return ((33550, _DOUBLE, 3, scale, True), (33922, _DOUBLE, 6, tie, True), *kept)
    matrix = (a, b, 0.0, c, d, e, 0.0, f, *(0.0,) * 7, 1.0)
    return ((34264, _DOUBLE, 16, matrix, True), *kept)


def _as_area(tag: Tag) -> Tag:
    """The key directory with pixels that are areas: the affine is that of outer corners."""
    code, kind, count, value, once = tag
    if code != _KEYS:
        return tag
    numbers = list(value)
    for start in range(4, len(numbers) - 3, 4):
        if numbers[start] == _RASTER_TYPE:
            numbers[start + 3] = _PIXEL_IS_AREA
    return code, kind, count, tuple(numbers), once


def read_tags(path: Path) -> tuple[GeoTags, Affine] | None:
    """Tags and affine of the first image of a TIFF file; None where it has no place.

    Raises:
        DataError: It is damaged, placed by many tie points, or stored turned.
    """
    if not _is_tiff(path):
        return None
    with _first_page(path) as page:
        tags, orientation = page.geotiff_tags or _place_alone(page), _orientation(page)
    affine = _affine(path, tags)
    if affine is None:
        return None
    if orientation != 1:
        raise DataError(
            f"{path}: a GeoTIFF with orientation {orientation}; save it with its first row "
            f"on top"
        )
    return tags, affine


def system_of(tags: GeoTags) -> tuple[int | None, Unit]:
    """The EPSG code of the reference system, where the tags name one, and its unit."""
    model = tags.get("GTModelTypeGeoKey")
    kind = "Geographic" if model == _GEOGRAPHIC else "ProjectedCS"
    code = int(tags.get(f"{kind}TypeGeoKey", 0))
    return (code if 0 < code < _USER_DEFINED else None), _unit(tags, model, code)


def _unit(tags: GeoTags, model: int | None, code: int) -> Unit:
    if model in (_GEOGRAPHIC, _GEOCENTRIC):
        return DEGREE if model == _GEOGRAPHIC else GEOCENTRIC
    if code in WEB_MERCATOR:
        return MERCATOR_METRE
    unit = tags.get("ProjLinearUnitsGeoKey")
    if unit is None and code in UTM:
        return METRE
    if unit is not None and int(unit) in _METRES:
        return Unit(_METRES[int(unit)])
    size = tags.get("ProjLinearUnitSizeGeoKey")
    if size is not None and float(size) > 0:
        return Unit(float(size))
    if model is None and not code:
        return Unit(None, "names no reference system, so that the unit is not known")
    return Unit(
        None, f"does not name the unit of its coordinates (EPSG:{code}, GeoKey 3076 {unit})"
    )


def _is_tiff(path: Path) -> bool:
    with open_file(path, most_bytes=_MAX_BYTES) as file:
        return file.read(4) in _TIFF_STARTS


@contextmanager
def _first_page(path: Path) -> Iterator[Any]:
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            yield file.pages[0]
    except (tifffile.TiffFileError, *_DAMAGED) as error:
        raise DataError(
            f"{path}: the tags of the TIFF are damaged ({error}); copy it again"
        ) from error


def _place_alone(page: Any) -> GeoTags:
    """The tags of the affine of a file that has no keys, and so no reference system."""
    found = {name: page.tags.get(code) for code, name in _AFFINE.items()}
    tags = {name: tag.value for name, tag in found.items() if tag is not None}
    if len(matrix := tags.get("ModelTransformation", ())) == 16:
        tags["ModelTransformation"] = [matrix[row : row + 4] for row in range(0, 16, 4)]
    return tags


def _orientation(page: Any) -> int:
    tag = page.tags.get(274)
    return 1 if tag is None else int(tag.value)


def _affine(path: Path, tags: GeoTags) -> Affine | None:
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
