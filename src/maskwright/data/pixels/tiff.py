"""TIFF by tifffile: what Pillow cannot hold, and the pages of a file."""

import logging
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...core.errors import DataError
from .imagefile import (
    MAX_PIXELS,
    ORIENTATION,
    TURNS,
    diagnosis,
    explained,
    opened,
    too_large,
    unturned,
)
from .imageref import MAX_PAGES, ImageRef

_MAX_CHANNELS = 16
"""More pages without a meaning than this are images, fewer the channels of one."""

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_DAMAGED_TIFF = (
    *(LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError),
    AssertionError,
)
"""What tifffile raises besides, found by damaging files at random."""

_MAX_TIFF_BYTES = 1 << 32
_GEO_TAGS = (33550, 33922, 34264, 34735, 34736, 34737)
"""Scale, tie points, matrix and keys of a GeoTIFF; OGC 19-008r4, section 7.1."""

Tag = tuple[int, int, int, Any, bool]
"""As tifffile writes it: code, type, count, value, once."""

for _reader in ("tifffile", "PIL.TiffImagePlugin"):
    logging.getLogger(_reader).addHandler(logging.NullHandler())  # its words are in our errors


def is_tiff(ref: ImageRef) -> bool:
    """Whether a file, or that of a page, begins as TIFF does."""
    with ref.file.open("rb") as file:
        return file.read(4) in _TIFF_STARTS


def fits_pillow(ref: ImageRef) -> bool:
    """Whether Pillow reads this TIFF without losing pages, channels or bits."""
    with _tiff_series(ref.file) as series:
        return len(series) == 1 and _loses_nothing(series.keyframe)


def tiff_size(ref: ImageRef) -> tuple[int, int]:
    """(H, W) of a file or a page, oriented."""
    if ref.page is not None:
        with _page(ref) as (page, _):
            return _turned_size(page.imagelength, page.imagewidth, page)
    with _tiff_series(ref.file) as series:
        shape = [series.shape[axis] for axis in _tiff_axes(series)[:2]]
        return _turned_size(shape[0], shape[1], series.keyframe)


def read_tiff(ref: ImageRef) -> NDArray[Any]:
    """The one image of a file, oriented."""
    with _tiff_series(ref.file) as series:
        pixels = _unpacked(ref, series.keyframe, series.asarray)
        turn = TURNS.get(_tiff_orientation(series.keyframe), unturned)
        return np.ascontiguousarray(turn(pixels.transpose(_tiff_axes(series))))


def num_tiff_pages(path: Path) -> int:
    """How many images a file holds, each a page; 1 where all is one image, or is refused.

    Raises:
        DataError: Damaged, or more pages than `MAX_PAGES`.
    """
    if _has_one_page(path):
        return 1
    with _file(path) as file:
        series = file.series
        if len(series) == 1:
            first = series[0]
            pages = first.axes[1:] in ("YX", "YXS") and not _tiff_axes(first)
            return int(first.shape[0]) if pages else 1
        alone = all(
            len(one.pages) == 1 and one.keyframe.index == n and not one.keyframe.is_reduced
            for n, one in enumerate(series)
        )
        return len(series) if alone else 1


def geo_tags(ref: ImageRef) -> list[Tag]:
    """The tags that place a GeoTIFF on the ground, for another file of the same grid.

    None of a page of several, and none where the orientation turns the pixels: they would
    place them wrongly.
    """
    if ref.page is not None or not is_tiff(ref):
        return []
    with explained(ref), _file(ref.file) as file:
        page = file.pages[0]
        if _tiff_orientation(page) != 1:
            return []
        found = [page.tags.get(code) for code in _GEO_TAGS]
        return [(t.code, int(t.dtype), t.count, t.value, True) for t in found if t is not None]


def read_tiff_page(
    ref: ImageRef, decode: Callable[[Image.Image], NDArray[Any]]
) -> NDArray[Any]:
    """One page, oriented: by Pillow and `decode` where it loses nothing, else by tifffile."""
    number = ref.page or 0
    with _page(ref) as (page, read):
        if page.index == number and _loses_nothing(page):
            with opened(ref.file) as image:
                image.seek(number)
                return np.ascontiguousarray(decode(image))
        pixels = _unpacked(ref, page, read)
        if page.axes == "SYX":
            pixels = np.moveaxis(pixels, 0, -1)
        if pixels.shape[:2] != (page.imagelength, page.imagewidth):
            raise ValueError(f"its pixels are {pixels.shape}")
        turn = TURNS.get(_tiff_orientation(page), unturned)
        return np.ascontiguousarray(turn(pixels))


@contextmanager
def _page(ref: ImageRef) -> Iterator[tuple[Any, Callable[[], NDArray[Any]]]]:
    """The directory of one page, its size checked, and how its pixels are read."""
    number = ref.page or 0
    with _file(ref.file) as file:
        try:
            page: Any = file.pages[number]
            read = page.asarray
        except IndexError:
            series = file.series[0]
            if series.dataoffset is None or not 0 <= number < series.shape[0]:
                raise DataError(f"{ref.file}: has no page {number}") from None
            page, read = series.keyframe, partial(_read_stacked, file, series, number)
        declared = page.imagelength * page.imagewidth
        if page.axes not in ("YX", "YXS", "SYX"):
            raise DataError(
                f"{ref}: a page with axes {page.axes!r}, expected rows, columns and channels; "
                f"save it as an image of its own"
            )
        if declared > MAX_PIXELS or page.nbytes > _MAX_TIFF_BYTES:
            raise too_large(ref, declared)
        yield page, read


def _read_stacked(file: Any, series: Any, number: int) -> NDArray[Any]:
    """One image of those that ImageJ writes one after the other below one directory."""
    shape = series.shape[1:]
    values = int(np.prod(shape))
    dtype = np.dtype(series.dtype).newbyteorder(file.byteorder)
    file.filehandle.seek(series.dataoffset + number * values * dtype.itemsize)
    content = file.filehandle.read(values * dtype.itemsize)
    return np.frombuffer(content, dtype).reshape(shape).astype(series.dtype)


@contextmanager
def _tiff_series(path: Path) -> Iterator[Any]:
    """The one image of a TIFF file, maybe of several pages, its size checked.

    Raises:
        DataError: Several images, a volume, or more than `MAX_PIXELS`.
    """
    with _file(path) as file:
        series: Any = file.series[0]
        if len(file.series) > 1 or not _tiff_axes(series):
            raise DataError(
                f"{path}: holds {len(file.series)} images, the first with axes "
                f"{series.axes} {series.shape}, expected one of rows, columns and "
                f"channels; give the folder it lies in where they are pages, or save each "
                f"image as a file"
            )
        declared = series.keyframe.imagelength * series.keyframe.imagewidth
        if declared > MAX_PIXELS or series.nbytes > _MAX_TIFF_BYTES:
            raise too_large(path, declared)
        yield series


@contextmanager
def _file(path: Path) -> Iterator[Any]:
    """The opened file, where it has no more directories than are read."""
    import tifffile

    if num_directories(path) > MAX_PAGES:
        raise DataError(
            f"{path}: holds over {MAX_PAGES:,} pages; save it as several files, or remove it "
            f"if it is damaged"
        )
    try:
        with tifffile.TiffFile(path) as file:
            yield file
    except (tifffile.TiffFileError, *_DAMAGED_TIFF) as error:
        raise DataError(diagnosis(path, error)) from error


def num_directories(path: Path) -> int:
    """How many image directories a TIFF file chains, `MAX_PAGES` + 1 where there are more.

    A chain that leaves the file ends there.

    Raises:
        OSError: The file cannot be read.
    """
    count = 0
    with path.open("rb") as file:
        head = file.read(16)
        order = "<" if head[:2] == b"II" else ">"
        big = head[2:4] in (b"+\0", b"\0+")
        try:
            place = struct.unpack_from(f"{order}{'8xQ' if big else '4xI'}", head)[0]
            while place and count <= MAX_PAGES:
                place, count = _next_directory(file, place, order, big=big), count + 1
        except (struct.error, OSError, OverflowError):
            return count
    return count


def _next_directory(file: BinaryIO, place: int, order: str, *, big: bool) -> int:
    """TIFF 6.0, section 2: a count, entries of 12 (20) bytes, the place of the next."""
    file.seek(place)
    (entries,) = struct.unpack(f"{order}{'Q' if big else 'H'}", file.read(8 if big else 2))
    file.seek(entries * (20 if big else 12), 1)
    (after,) = struct.unpack(f"{order}{'Q' if big else 'I'}", file.read(8 if big else 4))
    return int(after)


def _has_one_page(path: Path) -> bool:
    """Quickly: one directory, and not ImageJ's, which may stand for a stack."""
    if num_directories(path) != 1:
        return False
    with _file(path) as file:
        return not file.is_imagej


def _unpacked(ref: ImageRef, page: Any, read: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """The pixels, or the package that they need."""
    try:
        return read()
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        raise DataError(
            f"{ref}: TIFF compression {page.compression.name} needs the "
            f"package imagecodecs; run: pip install imagecodecs, or save it uncompressed"
        ) from error


def _loses_nothing(page: Any) -> bool:
    """Whether Pillow reads this page with all channels and bits."""
    depths = set(np.atleast_1d(page.bitspersample).tolist())
    return depths <= {1, 8} and page.samplesperpixel in (1, 3, 4)


def _tiff_axes(series: Any) -> tuple[int, ...]:
    """The order of axes that gives rows, columns, channels; nothing where it is no image.

    Pages without a meaning are channels, up to `_MAX_CHANNELS`, unless there are fewer columns
    than either: an array of H x W x C that was written without saying so becomes H pages.
    """
    if len(series.shape) == 2:
        return (0, 1)
    if len(series.shape) != 3:
        return ()
    first, last = series.axes[0], series.axes[-1]
    if last in "SC" or (first in "QI" and series.shape[2] < min(series.shape[:2])):
        return (0, 1, 2)
    few = first in "QI" and series.shape[0] <= _MAX_CHANNELS
    return (1, 2, 0) if first in "SC" or few else ()


def _turned_size(height: int, width: int, page: Any) -> tuple[int, int]:
    return (width, height) if _tiff_orientation(page) >= 5 else (height, width)


def _tiff_orientation(page: Any) -> int:
    tag = page.tags.get(ORIENTATION)
    return int(tag.value) if tag is not None else 1
