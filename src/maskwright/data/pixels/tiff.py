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

from ...core.errors import DataError
from ...pages.text import format_count
from .faults import MAX_PIXELS, diagnose, too_large
from .imagefile import ImageKind, Window
from .imageref import MAX_PAGES, ImageRef
from .orientation import ORIENTATION, turn_upright, upright_size
from .pillow import Decode, find_kind, open_pillow
from .tiff_bounds import (
    require_fitting_segment,
    require_fitting_segments,
    require_sound_page,
)

_MAX_CHANNELS = 16
"""More pages without a meaning than this are images, fewer the channels of one."""

_DAMAGED_TIFF = (
    *(LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError),
    AssertionError,
)
"""What tifffile also raises; these were met by damaging files at random."""

_GDAL_NODATA = 42113
_MAX_TIFF_BYTES = 1 << 32
for _reader in ("tifffile", "PIL.TiffImagePlugin"):
    logging.getLogger(_reader).addHandler(logging.NullHandler())  # errors quote its messages


def tiff_size(ref: ImageRef) -> tuple[int, int]:
    """(H, W) of a file or a page, oriented."""
    if ref.page is not None:
        with _page(ref) as (page, _):
            return upright_size(page.imagelength, page.imagewidth, _tiff_orientation(page))
    with _tiff_series(ref.file) as series:
        shape = [series.shape[axis] for axis in _tiff_axes(series)[:2]]
        return upright_size(shape[0], shape[1], _tiff_orientation(series.keyframe))


def read_tiff(ref: ImageRef, decode: Decode) -> NDArray[Any]:
    """The image of a file or page, oriented: by Pillow and `decode` where it loses nothing."""
    if ref.page is not None:
        return _read_page(ref, decode)
    with _tiff_series(ref.file) as series:
        pages = [page for page in series.pages if page is not None]  # ImageJ lists the first
        for page in pages:
            require_sound_page(ref, page)
        by_pillow = len(series) == 1 and _loses_nothing(series.keyframe)
        if not by_pillow:
            for page in pages:
                require_fitting_segments(ref, series.parent, page)
            pixels = _read_pixels(ref, series.keyframe, series.asarray)
            upright = pixels.transpose(_tiff_axes(series))  # any order -> (H, W, C)
            return turn_upright(upright, _tiff_orientation(series.keyframe))
    with open_pillow(ref.file) as image:
        return np.ascontiguousarray(decode(image))


def read_tiff_window(ref: ImageRef, window: Window) -> NDArray[Any] | None:
    """Only the strips or tiles that a window touches, as H x W or H x W x C.

    None where the window must be cut out of the decoded image: it is empty or has steps, or the
    pixels are turned, stored in planes, or shown in other values than those that are stored.
    """
    with _file(ref.file) as file:
        if (ref.page is None and len(file.pages) > 1) or (ref.page or 0) >= len(file.pages):
            return None
        page: Any = file.pages[ref.page or 0]
        if page.axes not in ("YX", "YXS") or not _is_shown_as_stored(page) or file.is_imagej:
            return None
        declared = page.imagelength * page.imagewidth
        if declared > MAX_PIXELS or page.nbytes > _MAX_TIFF_BYTES:
            raise too_large(ref, declared)
        rows, columns = range(page.imagelength)[window[0]], range(page.imagewidth)[window[1]]
        if not rows or not columns or (rows.step, columns.step) != (1, 1):
            return None
        require_sound_page(ref, page)
        return _decode_window(page, rows, columns, partial(_decode_tile, ref, file, page))


def _is_shown_as_stored(page: Any) -> bool:
    """Whether no palette, colour space, orientation or alpha stands between file and image."""
    plain = page.photometric.name in ("MINISBLACK", "RGB") and page.compression.name != "JPEG"
    bits = page.bitspersample in (8, 16) and not page.extrasamples
    return plain and bits and _tiff_orientation(page) == 1


def _decode_window(
    page: Any, rows: range, columns: range, decode_tile: Callable[[int], NDArray[Any]]
) -> NDArray[Any]:
    height, width = page.chunks[:2]
    num_across = page.chunked[1]
    part = np.zeros((len(rows), len(columns), *page.shape[2:]), page.dtype)
    for y in range(rows.start // height, (rows.stop - 1) // height + 1):
        for x in range(columns.start // width, (columns.stop - 1) // width + 1):
            tile = decode_tile(y * num_across + x)
            top, left = max(y * height, rows.start), max(x * width, columns.start)
            inside = tile[top - y * height :, left - x * width :]
            target = part[top - rows.start :, left - columns.start :]
            h, w = (min(a, b) for a, b in zip(inside.shape[:2], target.shape[:2], strict=True))
            target[:h, :w] = inside[:h, :w]
    return part


def _decode_tile(ref: ImageRef, file: Any, page: Any, index: int) -> NDArray[Any]:
    """One strip or tile, h x w or h x w x C; those at the border may reach past the image."""
    file.filehandle.seek(page.dataoffsets[index])
    content = file.filehandle.read(page.databytecounts[index])
    require_fitting_segment(ref, page, content)
    tile_1hwC = _read_pixels(ref, page, lambda: page.decode(content, index)[0])
    return tile_1hwC[0] if page.axes == "YXS" else tile_1hwC[0, ..., 0]


def count_tiff_pages(path: Path) -> int:
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


def find_tiff_kind(ref: ImageRef) -> ImageKind:
    """The kind of image that `read_tiff` gives of a photograph, from the header."""
    if ref.page is not None:
        with _page(ref) as (page, _):
            by_pillow = page.index == ref.page and _loses_nothing(page)
            shape, axes, dtype = page.shape, page.axes, page.dtype
        channels = {"YX": 1, "YXS": shape[-1], "SYX": shape[0]}[axes]
    else:
        with _tiff_series(ref.file) as series:
            by_pillow = len(series) == 1 and _loses_nothing(series.keyframe)
            order, dtype = _tiff_axes(series), series.dtype
            channels = 1 if len(order) == 2 else series.shape[order[2]]
    if by_pillow:
        with open_pillow(ref.file) as image:
            image.seek(ref.page or 0)
            kind = find_kind(image)
        if kind is not None:
            return kind
    return ImageKind(int(channels), str(dtype))


def read_nodata(path: Path) -> float | None:
    """The value that the tag GDAL_NODATA of the first page states; None without the tag.

    Source: gdal.org, GTiff driver: the tag 42113 holds the value as text.
    """
    with _file(path) as file:
        page: Any = file.pages[0]
        tag = page.tags.get(_GDAL_NODATA)
        try:
            return None if tag is None else float(str(tag.value).strip("\0 "))
        except ValueError:
            return None


def _read_page(ref: ImageRef, decode: Decode) -> NDArray[Any]:
    """One page, oriented: by Pillow and `decode` where it loses nothing, else by tifffile."""
    number = ref.page or 0
    with _page(ref) as (page, read):
        require_sound_page(ref, page)
        if page.index == number and _loses_nothing(page):
            with open_pillow(ref.file) as image:
                image.seek(number)
                return np.ascontiguousarray(decode(image))
        require_fitting_segments(ref, page.parent, page)
        pixels = _read_pixels(ref, page, read)
        if page.axes == "SYX":
            pixels = np.moveaxis(pixels, 0, -1)  # (C, H, W) -> (H, W, C)
        if pixels.shape[:2] != (page.imagelength, page.imagewidth):
            raise ValueError(f"its pixels are {pixels.shape}")
        return turn_upright(pixels, _tiff_orientation(page))


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
                f"{path}: holds {format_count(len(file.series), 'image')}, the first with axes "
                f"{series.axes} {series.shape}, expected one of rows, columns and "
                f"channels; give the folder it lies in where they are pages, or save each "
                f"image as a file"
            )
        declared = series.keyframe.imagelength * series.keyframe.imagewidth
        if declared > MAX_PIXELS or series.nbytes > _MAX_TIFF_BYTES:
            raise too_large(ImageRef(path), declared)
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
        raise DataError(diagnose(ImageRef(path), error)) from error


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


def _read_pixels(ref: ImageRef, page: Any, read: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """Read pixels; DataError names the package that their compression needs."""
    try:
        return read()
    except (ValueError, ImportError) as error:
        if isinstance(error, ValueError) and "imagecodecs" not in str(error):
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
    """The order of axes that gives rows, columns, channels; empty where it is not an image.

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


def _tiff_orientation(page: Any) -> int:
    tag = page.tags.get(ORIENTATION)
    return int(tag.value) if tag is not None else 1
