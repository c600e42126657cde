"""The georeference in a world file (six lines: A, D, B, E, C, F) and the .prj file beside it.

A world file says no unit. With a .prj (well-known text) beside it, that says the unit; without
one the unit is the metre, unless the numbers can only be degrees. Its C and F are the centre
of the top left pixel.
"""

import re
from pathlib import Path

from ..core.errors import DataError
from .georeference import WAY_OUT, WEB_MERCATOR, Georeference

_LARGEST_DEGREES = 360.0
_FINEST_METRES = 1e-3
"""Pixels finer than this, near (0, 0), are degrees: a millimetre is 1e-8 degrees."""

_UNIT = re.compile(r'UNIT\s*\[\s*"[^"]*"\s*,\s*([-+.\deE]+)')
_EPSG = re.compile(r'(?:AUTHORITY|ID)\s*\[\s*"EPSG"\s*,\s*"?(\d+)"?\s*\]\s*\]\s*$')
"""The code at the end of well-known text: that of the whole system."""


def read_world_file(path: Path) -> Georeference | None:
    """From the world file beside an image, say `a.pgw` or `a.wld` for `a.png`; None without.

    Raises:
        DataError: It is damaged, or in degrees or Web Mercator.
    """
    file = _beside(path)
    if file is None:
        return None
    a, d, b, e, c, f = _numbers(file)
    origin = c - (a + b) / 2, f - (d + e) / 2
    wkt = _read_text(path.with_suffix(".prj")) if path.with_suffix(".prj").is_file() else ""
    pixel = max(map(abs, (a, b, d, e)))
    near = max(map(abs, origin)) <= _LARGEST_DEGREES
    if wkt.startswith(("GEOG", "BASEGEOG")) or (not wkt and near and pixel < _FINEST_METRES):
        raise DataError(f"{file}: lies in degrees, which have no size in metres; {WAY_OUT}")
    epsg = _EPSG.search(wkt)
    code = int(epsg[1]) if epsg else None
    if code in WEB_MERCATOR or "pseudo-mercator" in wkt.lower() or "Auxiliary_Sphere" in wkt:
        raise DataError(f"{file}: lies in Web Mercator, whose metres are no metres; {WAY_OUT}")
    units = _UNIT.findall(wkt)
    return Georeference(
        affine=(a, b, origin[0], d, e, origin[1]),
        epsg=code,
        metres=float(units[-1]) if units else 1.0,
        origin=file,
    )


def _beside(path: Path) -> Path | None:
    suffix = path.suffix
    names = {f".{suffix[1]}{suffix[-1]}w", f"{suffix}w", ".wld"}
    found = [path.with_suffix(name) for name in sorted(names)]
    found = [p for near in found for p in (near, near.with_suffix(near.suffix.upper()))]
    return next((p for p in found if p.is_file()), None)


def _numbers(file: Path) -> list[float]:
    words = _read_text(file).split()
    try:
        numbers = [float(word) for word in words]
    except ValueError as error:
        raise DataError(f"{file}: a world file has six numbers; {error}") from error
    if len(numbers) != 6:
        raise DataError(f"{file}: a world file has six numbers, got {len(numbers)}")
    return numbers


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read ({error})") from error
