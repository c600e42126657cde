"""Where the pixels of an image lie on the ground, in whatever system its file says.

From the tags of a GeoTIFF, else from a world file beside it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from .geotags import Affine, read_tags
from .worldfiles import epsg_of, read_affine, read_well_known_text, world_file_of

_GEOGRAPHIC = 2
_USER_DEFINED = 32767
Points = NDArray[np.float64]
"""N x 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """From pixels to the ground; `epsg` is the code of its system, where the file says it.

    Raises DataError where the pixels have no area.
    """

    affine: Affine
    epsg: int | None
    origin: Path

    def __post_init__(self) -> None:
        a, b, _, d, e, _ = self.affine
        if not np.isfinite(self.affine).all() or a * e == b * d:
            raise DataError(
                f"{self.origin}: the georeference {self.affine} gives no pixel size"
            )

    def to_ground(self, points_px_XY: Points) -> Points:
        """(x, y) in pixels -> (east, north)."""
        a, b, c, d, e, f = self.affine
        ground: Points = points_px_XY @ np.array([[a, d], [b, e]]) + (c, f)
        return ground

    def to_pixels(self, points_ground: Points) -> Points:
        """Undo `to_ground`."""
        a, b, c, d, e, f = self.affine
        inverse = np.array([[e, -d], [-b, a]]) / (a * e - b * d)
        pixels: Points = (points_ground - (c, f)) @ inverse
        return pixels


def read_placement(path: Path) -> Placement | None:
    """None where an image is not placed.

    Raises:
        DataError: Its tags or its world file are damaged.
    """
    found = read_tags(path)
    if found is not None:
        tags, affine = found
        kind = "Geographic" if tags.get("GTModelTypeGeoKey") == _GEOGRAPHIC else "ProjectedCS"
        epsg = int(tags.get(f"{kind}TypeGeoKey", 0))
        known = epsg if 0 < epsg < _USER_DEFINED else None
        return Placement(affine=affine, epsg=known, origin=path)
    file = world_file_of(path)
    if file is None:
        return None
    epsg_said = epsg_of(read_well_known_text(path))
    return Placement(affine=read_affine(file), epsg=epsg_said, origin=file)


def sidecars(path: Path) -> list[Path]:
    """The files beside an image that place it."""
    files = (world_file_of(path), path.with_suffix(".prj"))
    return [file for file in files if file is not None and file.is_file()]
