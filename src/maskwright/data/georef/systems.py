"""Reference systems of the ground by their EPSG codes; pyproj is the extra `geo`."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ...core.extras import explain_missing


def transform_points(
    points_ground: NDArray[np.float64], from_epsg: int, to_epsg: int
) -> NDArray[np.float64]:
    """Points (..., 2), (east, north), of one system in another; infinite outside of it.

    Raises:
        DataError: A code that PROJ does not know.
        MissingDependencyError: pyproj is not installed.
    """
    if from_epsg == to_epsg:
        return points_ground
    x, y = np.moveaxis(np.asarray(points_ground, np.float64), -1, 0)
    moved = _open_transformer(from_epsg, to_epsg).transform(x, y)
    return np.stack(moved, axis=-1)


@lru_cache(maxsize=64)
def _open_transformer(from_epsg: int, to_epsg: int) -> Any:
    try:
        from pyproj import Transformer
        from pyproj.exceptions import ProjError
    except ModuleNotFoundError as error:
        raise explain_missing(error) from error
    try:
        return Transformer.from_crs(from_epsg, to_epsg, always_xy=True)
    except ProjError as error:
        raise DataError(
            f"EPSG:{from_epsg} or EPSG:{to_epsg} is not a reference system that PROJ knows "
            f"({error}); write the right code into the file"
        ) from error
