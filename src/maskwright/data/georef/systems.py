"""Reference systems of the ground, by EPSG code or text; pyproj is the extra `geo`."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError, shorten
from ...core.extras import explain_missing


def transform_points(
    points_ground: NDArray[np.float64], from_system: int | str, to_system: int | str
) -> NDArray[np.float64]:
    """Points (..., 2), (east, north), of one system in another; infinite outside of it.

    A system is an EPSG code, or a text that PROJ reads, such as "EPSG:4326".

    Raises:
        DataError: A system that PROJ does not know.
        MissingDependencyError: pyproj is not installed.
    """
    if from_system == to_system:
        return points_ground
    x, y = np.moveaxis(np.asarray(points_ground, np.float64), -1, 0)
    moved = _open_transformer(from_system, to_system).transform(x, y)
    return np.stack(moved, axis=-1)


@lru_cache(maxsize=64)
def _open_transformer(from_system: int | str, to_system: int | str) -> Any:
    try:
        from pyproj import Transformer
        from pyproj.exceptions import ProjError
    except ModuleNotFoundError as error:
        raise explain_missing(error) from error
    try:
        return Transformer.from_crs(from_system, to_system, always_xy=True)
    except ProjError as error:
        raise DataError(
            f"{_name(from_system)} or {_name(to_system)} is not a reference system that PROJ "
            f"knows ({error}); write the right code into the file"
        ) from error


def _name(system: int | str) -> str:
    return f"EPSG:{system}" if isinstance(system, int) else shorten(system)
