"""VectorLayer: the polygons of one layer of a GeoPackage, a shapefile or a GeoJSON file.

Read by pyogrio and shapely, the extra `geo`; a layer is kept until its file changes, since it
holds the labels of many images.
"""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ...core.extras import explain_missing
from ...core.files import open_file
from ...pages.text import list_names
from ..pixels.faults import explain_damage

SUFFIXES = (".gpkg", ".shp", ".geojson")
_STARTS = {".gpkg": b"SQLite format 3\0", ".shp": b"\0\0\x27\x0a"}
_MAX_BYTES = 64 << 30
_LONGEST_START = 64
_DAMAGED = "the vector file is damaged"
_POLYGONS = (3, 6)
"""Type numbers of polygons and multi-polygons in shapely."""


@dataclass(frozen=True, eq=False, kw_only=True)
class VectorLayer:
    """Polygons by index, with the value of one column; `system` is a text that PROJ reads.

    `columns` are the names of all columns. `skipped` counts features that are not polygons, by
    kind, and `invalid` says what is wrong with polygons, by feature id.
    """

    file: Path
    name: str
    system: str | None
    columns: tuple[str, ...]
    polygons_N: NDArray[Any]
    values_N: tuple[str | None, ...]
    ids_N: tuple[str, ...]
    skipped: Counter[str]
    invalid: dict[str, str]

    def __str__(self) -> str:
        return f"{self.file}, layer {self.name!r}"

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east and north of all polygons, in the system of the layer."""
        import shapely

        west, south, east, north = shapely.total_bounds(self.polygons_N).tolist()
        return west, south, east, north

    def find(self, box: tuple[float, float, float, float]) -> list[int]:
        """Indices of the polygons whose bounding boxes meet a box, in the order of the file."""
        import shapely

        found = self._tree.query(shapely.box(*box))
        return sorted(found.tolist())

    @cached_property
    def _tree(self) -> Any:
        import shapely

        return shapely.STRtree(self.polygons_N)


def open_layer(file: Path, layer: str | None, column: str | None) -> VectorLayer:
    """Read a layer, with the text of one column; the only layer of polygons unless named.

    Raises:
        DataError: Damaged, no such layer or column, several layers, or no polygon.
        MissingDependencyError: pyogrio or shapely is not installed.
    """
    status = file.stat()
    return _open_unchanged(file, layer, column, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4)
def _open_unchanged(
    file: Path,
    layer: str | None,
    column: str | None,
    size: int,  # noqa: ARG001 - cache keys
    mtime_ns: int,  # noqa: ARG001
) -> VectorLayer:
    _require_start(file)
    try:
        import pyogrio
        import shapely
    except ModuleNotFoundError as error:
        raise explain_missing(error) from error
    errors = (
        pyogrio.errors.DataSourceError,
        pyogrio.errors.DataLayerError,
        shapely.errors.ShapelyError,
        *(ValueError, OSError, RuntimeError),
    )
    with explain_damage(file, _DAMAGED, errors):
        name = layer or _find_layer(file, pyogrio.list_layers(file))
        columns = tuple(pyogrio.read_info(file, layer=name)["fields"].tolist())
        if column is not None and column not in columns:
            raise DataError(
                f"{file}: has no column {column!r}, it has {list_names(columns)}; name one of "
                f"them as 'label_key' in dataset.yaml"
            )
        meta, ids, wkb, fields = pyogrio.raw.read(
            file, layer=name, columns=[] if column is None else [column], return_fids=True
        )
        shapes_N = shapely.force_2d(shapely.from_wkb(wkb))
    values = [None] * len(shapes_N) if column is None else [_to_text(v) for v in fields[0]]
    types_N = shapely.get_type_id(shapes_N)
    kept = np.flatnonzero(np.isin(types_N, _POLYGONS) & ~shapely.is_empty(shapes_N))
    names = {int(kind): kind.name.lower() for kind in shapely.GeometryType}
    others = Counter(names[t] for t in types_N[~np.isin(types_N, _POLYGONS)].tolist())
    polygons_N = shapes_N[kept]
    if not len(polygons_N):
        raise DataError(f"{file}, layer {name!r}: has no polygon; draw some, or remove it")
    bad = np.flatnonzero(~shapely.is_valid(polygons_N)).tolist()
    ids_N = tuple(str(ids[index]) for index in kept.tolist())
    return VectorLayer(
        file=file,
        name=name,
        system=meta["crs"],
        columns=columns,
        polygons_N=polygons_N,
        values_N=tuple(values[index] for index in kept.tolist()),
        ids_N=ids_N,
        skipped=Counter({f"features of type {kind}": n for kind, n in others.items()}),
        invalid={ids_N[i]: shapely.is_valid_reason(polygons_N[i]) for i in bad},
    )


def _find_layer(file: Path, layers: NDArray[Any]) -> str:
    """The only layer that may hold polygons."""
    names = [str(name) for name, kind in layers if kind is None or "Poly" in str(kind)]
    names = names or [str(name) for name, kind in layers if kind is not None]
    if len(names) != 1:
        raise DataError(
            f"{file}: has {len(names)} layers of polygons, {list_names(names)}; name one in "
            f"dataset.yaml, as 'masks: {file.name}/{names[0] if names else 'LAYER'}'"
        )
    return names[0]


def _to_text(value: Any) -> str | None:
    """A value of a column as the name of a class; None where there is none."""
    if value is None or (isinstance(value, float | np.floating) and not np.isfinite(value)):
        return None
    if isinstance(value, float | np.floating):
        return f"{float(value):g}"
    return str(value).strip() or None


def _require_start(file: Path) -> None:
    """Require a file that begins as its ending says, so that no other driver reads it."""
    with open_file(file, most_bytes=_MAX_BYTES) as content:
        start = content.read(_LONGEST_START)
    expected = _STARTS.get(file.suffix.lower())
    text = start.lstrip(b"\xef\xbb\xbf \r\n\t")
    sound = start.startswith(expected) if expected else text[:1] == b"{"
    if not sound:
        raise DataError(
            f"{file}: {_DAMAGED} (does not begin as a {file.suffix} file does); copy it again "
            f"or remove it"
        )
