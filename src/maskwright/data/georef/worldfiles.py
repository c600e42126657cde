"""World files: six lines (A, D, B, E, C, F) beside an image, with the system in a .prj file.

C and F are the centre of the top left pixel. A world file does not name a unit; the .prj file
(well-known text) does. Without a .prj file the unit is the metre, unless the numbers can only
be degrees.
"""

import re
from pathlib import Path

from ...core.errors import DataError
from ...core.textfile import read_text
from .geotags import Affine
from .units import DEGREE, MERCATOR_METRE, WEB_MERCATOR, Unit

_EPSG = re.compile(r'(?:AUTHORITY|ID)\s*\[\s*"EPSG"\s*,\s*"?(\d+)"?\s*\]\s*\]\s*$')
"""The code at the end of well-known text: that of the whole system."""

_UNIT = re.compile(r'UNIT\s*\[\s*"[^"]*"\s*,\s*([-+.\deE]+)')
_MOST_BYTES = 1 << 20
_LARGEST_DEGREES = 360.0
_FINEST_METRES = 1e-3
"""Pixels finer than this, near (0, 0), are degrees: a millimetre is 1e-8 degrees."""


def unit_of(text: str, affine: Affine) -> Unit:
    """The unit of the system that well-known text describes, "" where there is none.

    Raises:
        ValueError: The length of the unit is not a number.
    """
    a, b, c, d, e, f = affine
    near_origin = max(abs(c), abs(f)) <= _LARGEST_DEGREES
    fine = max(map(abs, (a, b, d, e))) < _FINEST_METRES
    if text.startswith(("GEOG", "BASEGEOG")) or (not text and near_origin and fine):
        return DEGREE
    named_mercator = "pseudo-mercator" in text.lower() or "Auxiliary_Sphere" in text
    if named_mercator or epsg_of(text) in WEB_MERCATOR:
        return MERCATOR_METRE
    lengths = _UNIT.findall(text)
    return Unit(float(lengths[-1]) if lengths else 1.0)


def epsg_of(text: str) -> int | None:
    """The code of the system that well-known text describes, where it names one."""
    match = _EPSG.search(text)
    return int(match[1]) if match else None


def world_file_of(path: Path) -> Path | None:
    """The world file beside an image, say `a.pgw` or `a.wld` for `a.png`; None without."""
    suffix = path.suffix
    names = {f".{suffix[1]}{suffix[-1]}w", f"{suffix}w", ".wld"}
    lower = [path.with_suffix(name) for name in sorted(names)]
    files = [f for file in lower for f in (file, file.with_suffix(file.suffix.upper()))]
    return next((file for file in files if file.is_file()), None)


def read_affine(file: Path) -> Affine:
    """From the outer corner of the top left pixel on; the file gives its centre.

    Raises:
        DataError: It does not hold six numbers.
    """
    words = read_text(file, most_bytes=_MOST_BYTES).split()
    try:
        numbers = [float(word) for word in words]
    except ValueError as error:
        raise DataError(f"{file}: a world file has six numbers; {error}") from error
    if len(numbers) != 6:
        raise DataError(f"{file}: a world file has six numbers, got {len(numbers)}")
    a, d, b, e, c, f = numbers
    return a, b, c - (a + b) / 2, d, e, f - (d + e) / 2


def read_well_known_text(path: Path) -> str:
    """The .prj file beside an image; "" without."""
    file = path.with_suffix(".prj")
    return read_text(file, most_bytes=_MOST_BYTES).strip() if file.is_file() else ""
