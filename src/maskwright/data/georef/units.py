"""Units of ground coordinates: how long they are in metres, or why that is not known.

Only a projected reference system has metres. Degrees have none, nor has Web Mercator, whose
"metres" are too long by 1 / cos(latitude): half as long again at 48 degrees.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unit:
    """Length in metres; None where it has none, and `reason` then follows "this file ..."."""

    metres: float | None
    reason: str = ""


METRE = Unit(1.0)
DEGREE = Unit(None, "lies in degrees, which have no size in metres")
GEOCENTRIC = Unit(None, "lies in geocentric coordinates, which have no size in metres")
MERCATOR_METRE = Unit(None, "lies in Web Mercator, whose metres are not those on the ground")

WEB_MERCATOR = frozenset({3857, 3785, 900913, 102100, 102113})
"""EPSG codes, also those from before there was an official one."""

UTM = (*range(32601, 32661), *range(32701, 32761), *range(25828, 25839))
"""EPSG codes of the UTM zones on WGS 84 and ETRS89, whose unit is the metre."""
