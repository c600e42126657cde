"""The georeference in a world file (six lines: A, D, B, E, C, F) and the .prj file beside it.

A world file says no unit. With a .prj (well-known text) beside it, that says the unit; without
one the unit is the metre, unless the numbers can only be degrees. Its C and F are the centre
of the top left pixel.
"""

import re
from pathlib import Path

from ...core.errors import DataError
from ...data.georef.worldfiles import epsg_of, read_affine, read_well_known_text, world_file_of
from .georeference import WAY_OUT, WEB_MERCATOR, Georeference

_LARGEST_DEGREES = 360.0
_FINEST_METRES = 1e-3
"""Pixels finer than this, near (0, 0), are degrees: a millimetre is 1e-8 degrees."""

_UNIT = re.compile(r'UNIT\s*\[\s*"[^"]*"\s*,\s*([-+.\deE]+)')


def read_world_file(path: Path) -> Georeference | None:
    """From the world file beside an image, say `a.pgw` or `a.wld` for `a.png`; None without.

    Raises:
        DataError: It is damaged, or in degrees or Web Mercator.
    """
    file = world_file_of(path)
    if file is None:
        return None
    affine = read_affine(file)
    a, b, c, d, e, f = affine
    wkt = read_well_known_text(path)
    pixel = max(map(abs, (a, b, d, e)))
    near = max(abs(c), abs(f)) <= _LARGEST_DEGREES
    if wkt.startswith(("GEOG", "BASEGEOG")) or (not wkt and near and pixel < _FINEST_METRES):
        raise DataError(f"{file}: lies in degrees, which have no size in metres; {WAY_OUT}")
    code = epsg_of(wkt)
    if code in WEB_MERCATOR or "pseudo-mercator" in wkt.lower() or "Auxiliary_Sphere" in wkt:
        raise DataError(f"{file}: lies in Web Mercator, whose metres are no metres; {WAY_OUT}")
    units = _UNIT.findall(wkt)
    return Georeference(
        affine=affine,
        epsg=code,
        metres=float(units[-1]) if units else 1.0,
        origin=file,
    )
