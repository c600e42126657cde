"""The TIFF files that predict writes: tiled, compressed, with a palette and overviews.

An overview has every second, fourth ... row and column of the map, down to one tile; so none
shows a class index that is not in the map. As GDAL writes them, overviews are further images of
the file with NewSubfileType 1, and the tag 42113 names the value of pixels without data.
Source: TIFF 6.0; gdal.org, GTiff driver.
"""

import os
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..data.georef.geotags import Tag, nodata_tag
from ..pages.pngfile import Mark

TILE_PX = 256

ReadRows = Callable[[int, int], NDArray[np.uint8]]
"""First row and the one after the last to the pixels of a map, (n, W)."""


class RawRows:
    """A file of rows as they are, of which another file is made at the end."""

    def __init__(self, path: Path, row_bytes: int, mark: Mark | None = None) -> None:
        self._row_bytes = row_bytes
        self._file = path.open("wb+" if mark is None else "rb+")
        if mark is not None:
            self._file.truncate(mark.num_bytes)

    def add_rows(self, rows: NDArray[Any]) -> None:
        """Add rows, the first axis, behind the last one."""
        self._file.seek(0, os.SEEK_END)
        self._file.write(rows.tobytes())

    def write_part(self, top: int, left: int, pixels_nw: NDArray[Any]) -> None:
        """Write a part of rows, (n, w) or (n, w, K), from row `top` and column `left` on."""
        pixel_bytes = pixels_nw[:1, :1].nbytes
        for row, pixels_w in enumerate(pixels_nw, start=top):
            self._file.seek(row * self._row_bytes + left * pixel_bytes)
            self._file.write(pixels_w.tobytes())

    def sync(self) -> Mark:
        """Bring what was added to the disk; from the mark the file can be continued."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return Mark(self._file.seek(0, os.SEEK_END))

    def read_rows(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Rows that were added, as bytes: (n, bytes of a row)."""
        self._file.seek(start * self._row_bytes)
        content = self._file.read((stop - start) * self._row_bytes)
        rows_nW = np.frombuffer(content, np.uint8)
        return rows_nW.reshape(-1, self._row_bytes)  # (n W,) -> (n, W)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def write_indexed_tiff(
    file: BinaryIO,
    read: ReadRows,
    size_HW: tuple[int, int],
    palette: NDArray[np.uint8],
    tags: Sequence[Tag],
    *,
    nodata: int,
    where: str,
) -> None:
    """Write a map with these tags of its place; the same bytes each time.

    Raises:
        DataError: The tags are damaged.
    """
    import tifffile

    height, width = size_HW
    try:
        with tifffile.TiffWriter(file) as tiff:
            for step in _list_steps(size_HW):
                tiff.write(
                    _cut_tiles(read, size_HW, step),
                    shape=(-(-height // step), -(-width // step)),
                    dtype=np.uint8,
                    subfiletype=int(step > 1),
                    photometric="palette",
                    colormap=palette.T.astype(np.uint16) * 257,
                    compression="zlib",
                    tile=(TILE_PX, TILE_PX),
                    metadata=None,
                    software=False,
                    extratags=(*(tags if step == 1 else ()), nodata_tag(nodata)),
                )
    except (ValueError, TypeError, struct.error) as error:
        raise DataError(f"{where}: the georeference is damaged ({error})") from error


def _list_steps(size_HW: tuple[int, int]) -> list[int]:
    """1 for the map, then the steps of its overviews."""
    steps = [1]
    while max(size_HW) > TILE_PX * steps[-1]:
        steps.append(2 * steps[-1])
    return steps


def _cut_tiles(
    read: ReadRows, size_HW: tuple[int, int], step: int
) -> Iterator[NDArray[np.uint8]]:
    """Yield the tiles of the map or of an overview, row by row, filled up with 0."""
    side = TILE_PX * step
    for top in range(0, size_HW[0], side):
        rows_hW = _read_every(read, top, min(top + side, size_HW[0]), step)
        below = TILE_PX - len(rows_hW)
        right = -rows_hW.shape[1] % TILE_PX
        rows_hW = np.pad(rows_hW, ((0, below), (0, right)))
        for left in range(0, rows_hW.shape[1], TILE_PX):
            yield np.ascontiguousarray(rows_hW[:, left : left + TILE_PX])


def _read_every(read: ReadRows, start: int, stop: int, step: int) -> NDArray[np.uint8]:
    """Every `step`-th row and column, without more than some rows in memory."""
    if step <= TILE_PX // 4:
        parts = [
            read(first, min(first + TILE_PX, stop))[::step, ::step]
            for first in range(start, stop, TILE_PX)
        ]
    else:
        parts = [read(row, row + 1)[:, ::step] for row in range(start, stop, step)]
    return np.concatenate(parts)
