"""The tags of a GeoTIFF that say where its pixels lie; OGC GeoTIFF Standard 1.1 (19-008r4)."""

import struct
from pathlib import Path
from typing import Any

from ...core.errors import DataError

Affine = tuple[float, float, float, float, float, float]
"""a, b, c, d, e, f of X = a x + b y + c and Y = d x + e y + f, of points in pixels with (0, 0)
at the outer corner of the top left pixel."""

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_DAMAGED = (OSError, LookupError, TypeError, ValueError, struct.error)
_PIXEL_IS_POINT = 2


def read_tags(path: Path) -> tuple[dict[str, Any], Affine] | None:
    """Tags and affine of the first image of a TIFF file; None where it has no place.

    Raises:
        DataError: It is damaged, placed by many tie points, or stored turned.
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
    return tags, affine


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
