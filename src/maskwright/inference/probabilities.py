"""Write the probability of each class at each pixel by rows, so that no image is held whole.

probabilities/<key>.npz   `probabilities` (H, W, K), and `classes`, the K names in order
probabilities/<key>.tif   instead, for an image with a georeference: a cloud-optimised GeoTIFF,
                          one band per class with its name; written by GDAL (extra `geo`)
probabilities/<key>.zarr  instead, for `probabilities:zarr` and `probabilities:zarr:float16`: an
                          array (H, W, K) of Zarr v3 in chunks (extra `zarr`), with the classes
                          and, of bytes, the scale as attributes, and without a georeference

Values are round(255 x probability) as uint8, or float16 for `...:float16`, which a
GeoTIFF holds as float32, since GDAL before 3.11 leaves bytes undefined in 16-bit files. They
are 0 where there is no data. They are the shares by which classes are decided: calibrated by
the temperature of the card, after refiners.
"""

import shutil
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError, MissingDependencyError
from ..core.labels import LabelSpec
from ..data.georef.geotags import Tag

FOLDER = "probabilities"
BYTES, HALVES = FOLDER, f"{FOLDER}:float16"
ZARR, ZARR_HALVES = f"{FOLDER}:zarr", f"{FOLDER}:zarr:float16"
PROBABILITIES = (BYTES, HALVES, ZARR, ZARR_HALVES)
"""The kinds of files: values as uint8 and as float16, and both as Zarr."""

_OF_BYTES, _OF_ZARR = (BYTES, ZARR), (ZARR, ZARR_HALVES)

_GDAL_METADATA, _ASCII = 42112, 2
_TILE_PX = 256
_CHUNK_HW = (64, 512)
"""Rows and columns of a chunk of Zarr: so many rows of an image are held until it is full."""

_LEVEL = 1
"""Of deflate: level 6 takes several times longer and saves a few percent."""


@dataclass(frozen=True, slots=True)
class ShareRows:
    """A file, or what takes bytes as one does, for rows of probabilities from top to bottom."""

    file: "IO[bytes] | _ZarrRows"
    kind: str
    dtype: np.dtype[Any]

    def add_rows(self, rows: NDArray[np.float32]) -> None:
        """Add rows, (n, W, K), in [0, 1]."""
        self.file.write(encode_shares(rows, self.kind, self.dtype).tobytes())


def encode_shares(rows: NDArray[np.float32], kind: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Probabilities as a file of this kind stores them."""
    if kind in _OF_BYTES:
        rows = np.rint(rows * np.float32(255))
    stored: NDArray[Any] = rows.astype(np.uint8 if kind in _OF_BYTES else np.float16)
    return stored.astype(dtype)


def find_stored_type(kind: str, tags: Sequence[Tag]) -> np.dtype[Any]:
    """The type of the values in a file of this kind, of an image with these tags."""
    if kind in _OF_BYTES:
        return np.dtype(np.uint8)
    return np.dtype(np.float32 if tags and kind not in _OF_ZARR else np.float16)


@contextmanager
def write_shares(
    path: Path,
    size_HW: tuple[int, int],
    labels: LabelSpec,
    *,
    kind: str,
    tags: Sequence[Tag] = (),
) -> Iterator[ShareRows]:
    """Yield a file for the rows of one image, which gets its name when all of them are there.

    Args:
        path: Without the suffix, which follows from `kind` and `tags`.
        size_HW: Of the image.
        labels: The classes.
        kind: One of `PROBABILITIES`.
        tags: Those that place the image on the ground.

    Raises:
        DataError: The tags are damaged.
        MissingDependencyError: There are tags, and rasterio is not installed, or zarr is not.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    suffixes = (".npz", ".tif", ".zarr")
    for suffix in suffixes:  # an interrupted run may have written another
        _remove(path.with_name(path.name + suffix))
    suffix = suffixes[2 if kind in _OF_ZARR else bool(tags)]
    target = path.with_name(path.name + suffix)
    partial = target.with_name(f"{target.name}.tmp")
    _remove(partial)
    shape = (*size_HW, len(labels))
    try:
        with _begin(partial, shape, labels, kind, tags) as rows:
            yield rows
        partial.replace(target)
    finally:
        _remove(partial)


def _begin(
    path: Path, shape: tuple[int, ...], labels: LabelSpec, kind: str, tags: Sequence[Tag]
) -> AbstractContextManager[ShareRows]:
    """The file of this kind, at a path that has not its name yet."""
    if kind in _OF_ZARR:
        return _write_zarr(path, shape, labels, kind)
    if tags:
        return _write_cog(path, shape, labels, kind, tags)
    return _write_npz(path, shape, labels, kind)


def _remove(path: Path) -> None:
    """Remove a file, or the folder of an array of Zarr, where there is one."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _write_zarr(
    path: Path, shape: tuple[int, ...], labels: LabelSpec, kind: str
) -> Iterator[ShareRows]:
    try:
        import zarr
    except ImportError as error:
        raise MissingDependencyError("zarr", "zarr") from error
    dtype = find_stored_type(kind, ())
    chunks = (*map(min, _CHUNK_HW, shape[:2]), shape[2])
    attributes: dict[str, Any] = {"classes": list(labels.names)}
    if kind == ZARR:
        attributes["scale"] = 1 / 255
    array = zarr.create_array(
        path,
        shape=shape,
        chunks=chunks,
        dtype=dtype,
        fill_value=0,
        zarr_format=3,
        attributes=attributes,
        dimension_names=("y", "x", "class"),
    )
    rows = _ZarrRows(array, chunks[0])
    yield ShareRows(rows, kind, dtype)
    rows.flush()


@dataclass(slots=True)
class _ZarrRows:
    """Takes the bytes of rows, and writes them where the chunks of some rows are full."""

    array: Any
    num_rows: int
    _top: int = 0
    _waiting: bytearray = field(default_factory=bytearray)

    def write(self, content: bytes) -> None:
        self._waiting += content
        _, width, num_classes = self.array.shape
        size = self.num_rows * width * num_classes * self.array.dtype.itemsize
        while len(self._waiting) >= size:
            self._put(self._waiting[:size])
            del self._waiting[:size]

    def flush(self) -> None:
        """Write the last rows, fewer than a chunk has."""
        if self._waiting:
            self._put(self._waiting)

    def _put(self, content: bytearray) -> None:
        rows_nWK = np.frombuffer(content, self.array.dtype).reshape(-1, *self.array.shape[1:])
        self.array[self._top : self._top + len(rows_nWK)] = rows_nWK
        self._top += len(rows_nWK)


@contextmanager
def _write_npz(
    path: Path, shape: tuple[int, ...], labels: LabelSpec, kind: str
) -> Iterator[ShareRows]:
    dtype = find_stored_type(kind, ())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        with _open_entry(archive, "classes") as file:
            np.save(file, np.array(labels.names), allow_pickle=False)
        with _open_entry(archive, "probabilities") as file:
            header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            yield ShareRows(file, kind, dtype)


def _open_entry(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    """An array in an .npz file; its time is fixed, so that the bytes are the same each time."""
    entry = zipfile.ZipInfo(f"{name}.npy")
    entry.compress_type = zipfile.ZIP_DEFLATED
    return archive.open(entry, "w", force_zip64=True)


@contextmanager
def _write_cog(
    path: Path, shape: tuple[int, ...], labels: LabelSpec, kind: str, tags: Sequence[Tag]
) -> Iterator[ShareRows]:
    """Collect the rows on disk; a tiled TIFF is made of them, and the final file of that."""
    import tifffile

    try:
        from rasterio.errors import RasterioError
        from rasterio.shutil import copy
    except ImportError as error:
        raise MissingDependencyError("rasterio", "geo") from error
    dtype = find_stored_type(kind, tags)
    tiled = path.with_name(f"{path.name}.tiles")
    with TemporaryFile(dir=path.parent) as scratch:
        yield ShareRows(scratch, kind, dtype)
        scratch.flush()
        try:
            tifffile.imwrite(
                tiled,
                np.memmap(scratch, dtype, "r", shape=shape),
                photometric="minisblack",
                planarconfig="contig",
                tile=(_TILE_PX, _TILE_PX),
                metadata=None,
                software=False,
                extratags=[*tags, _describe_bands(labels, kind)],
            )
            options = {"COMPRESS": "DEFLATE", "LEVEL": _LEVEL, "BLOCKSIZE": _TILE_PX}
            copy(tiled, path, driver="COG", **options)
        except (ValueError, TypeError, RasterioError) as error:
            raise DataError(f"{path.name}: the georeference is damaged ({error})") from error
        finally:
            tiled.unlink(missing_ok=True)


def _describe_bands(labels: LabelSpec, kind: str) -> Tag:
    """The tag by which GDAL knows the name and the scale of each band."""
    items = [
        f'<Item name="DESCRIPTION" sample="{index}" role="description">{escape(name)}</Item>'
        for index, name in enumerate(labels.names)
    ]
    if kind == BYTES:
        items += [
            f'<Item name="SCALE" sample="{index}" role="scale">{1 / 255}</Item>'
            for index in range(len(labels))
        ]
    text = f"<GDALMetadata>{''.join(items)}</GDALMetadata>"
    return _GDAL_METADATA, _ASCII, len(text.encode()) + 1, text, True
