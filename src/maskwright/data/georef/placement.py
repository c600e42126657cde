"""Placement: where the pixels of an image lie on the ground, in the system that its file names.

Pixel points are (x, y) with (0, 0) at the outer corner of the top left pixel, whose centre is
thus (0.5, 0.5). Ground points are (east, north) in the unit of the reference system.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core.errors import DataError
from .geotags import Affine, read_tags, system_of
from .units import Unit
from .worldfiles import epsg_of, read_affine, read_well_known_text, unit_of, world_file_of

Points = NDArray[np.float64]
"""(..., 2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """From pixels to the ground: X = a x + b y + c and Y = d x + e y + f.

    `affine` is (a, b, c, d, e, f), `epsg` the code of the reference system where the file names
    it, `unit` the unit of ground coordinates, `origin` the file that places the image.

    Raises DataError where the pixels have no area.
    """

    affine: Affine
    epsg: int | None
    unit: Unit
    origin: Path

    def __post_init__(self) -> None:
        a, b, _, d, e, _ = self.affine
        if not np.isfinite(self.affine).all() or a * e == b * d:
            raise DataError(
                f"{self.origin}: the georeference {self.affine} gives no pixel size"
            )

    @property
    def system(self) -> str:
        """The reference system in words: "EPSG:32616"."""
        return f"EPSG:{self.epsg}" if self.epsg else f"the system of {self.origin.name}"

    @property
    def flips(self) -> bool:
        """Whether a ring of positive area in pixels has a negative one on the ground."""
        a, b, _, d, e, _ = self.affine
        return a * e - b * d < 0

    def to_ground(self, points_px_XY: ArrayLike) -> Points:
        """Points (..., 2) from pixels (x, y) to (east, north)."""
        a, b, c, d, e, f = self.affine
        x, y = np.moveaxis(np.asarray(points_px_XY, np.float64), -1, 0)
        return np.stack((a * x + b * y + c, d * x + e * y + f), axis=-1)

    def to_pixels(self, points_ground: ArrayLike) -> Points:
        """Undo `to_ground`."""
        a, b, c, d, e, f = self.affine
        from_origin = np.asarray(points_ground, np.float64) - (c, f)
        pixels: Points = from_origin @ np.linalg.inv(np.array([[a, b], [d, e]])).T
        return pixels


def read_placement(path: Path) -> Placement | None:
    """From the tags of a GeoTIFF, else from a world file beside it; None where neither is.

    Raises:
        DataError: The tags or the world file are damaged.
    """
    try:
        return _from_tags(path) or _from_world_file(path)
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: the georeference is damaged ({error})") from error


def sidecars(path: Path) -> list[Path]:
    """The files beside an image that place it."""
    files = (world_file_of(path), path.with_suffix(".prj"))
    return [file for file in files if file is not None and file.is_file()]


def _from_tags(path: Path) -> Placement | None:
    georeferenced = read_tags(path)
    if georeferenced is None:
        return None
    tags, affine = georeferenced
    epsg, unit = system_of(tags)
    return Placement(affine=affine, epsg=epsg, unit=unit, origin=path)


def _from_world_file(path: Path) -> Placement | None:
    file = world_file_of(path)
    if file is None:
        return None
    affine, text = read_affine(file), read_well_known_text(path)
    return Placement(affine=affine, epsg=epsg_of(text), unit=unit_of(text, affine), origin=file)
