"""TIFF by tifffile: what Pillow cannot hold, and the pages of a file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ...pages.text import format_count
from .faults import MAX_PIXELS, too_large
from .gdal import open_gdal, read_bands
from .imagefile import ImageKind, Window, find_type
from .imageref import ImageRef
from .orientation import turn_upright, upright_size
from .pillow import Decode, decode_stored, find_kind, open_pillow
from .tiff_bounds import require_fitting_segments, require_sound_page
from .tiff_file import list_pages, list_series, num_directories, open_tiff, read_pixels
from .tiff_tags import (
    MAX_TIFF_BYTES,
    find_alpha,
    find_nodata,
    find_orientation,
    has_pillow_pixels,
    needs_gdal,
    read_band_names,
)
from .tiff_window import read_tiff_window

_MAX_CHANNELS = 16
"""More pages without a meaning than this are images, fewer the channels of one."""


def tiff_size(ref: ImageRef) -> tuple[int, int]:
    """(H, W) of a file or a page, oriented."""
    if ref.page is not None:
        with _page(ref) as (page, _):
            return upright_size(page.imagelength, page.imagewidth, find_orientation(page))
    with _tiff_series(ref.file) as series:
        shape = [series.shape[axis] for axis in _tiff_axes(series)[:2]]
        return upright_size(shape[0], shape[1], find_orientation(series.keyframe))


def read_tiff(ref: ImageRef, decode: Decode) -> NDArray[Any]:
    """The image of a file or page, oriented: by Pillow and `decode` where it loses nothing."""
    if ref.page is not None:
        return _read_page(ref, decode)
    with _tiff_series(ref.file, most_bytes=MAX_TIFF_BYTES) as series:
        pages = [page for page in series.pages if page is not None]  # ImageJ lists the first
        for page in pages:
            require_sound_page(ref, page)
        by_pillow = len(series) == 1 and has_pillow_pixels(series.keyframe)
        if not by_pillow:
            if needs_gdal(series.keyframe):
                with open_gdal(ref.file, "GTiff") as raster:
                    return read_bands(raster)
            for page in pages:
                require_fitting_segments(ref, series.parent, page)
            pixels = read_pixels(ref, series.keyframe, series.asarray)
            upright = pixels.transpose(_tiff_axes(series))  # any order -> (H, W, C)
            return turn_upright(upright, find_orientation(series.keyframe))
    with open_pillow(ref.file) as image:
        return np.ascontiguousarray(decode(image))


def count_tiff_pages(path: Path) -> int:
    """How many images a file holds, each a page; 1 where all is one image, or is refused.

    Raises:
        DataError: Damaged, or more pages than `MAX_PAGES`.
    """
    if _has_one_page(path):
        return 1
    with open_tiff(path) as file:
        series = list_series(file)
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
            by_pillow = page.index == ref.page and has_pillow_pixels(page)
            shape, dtype, alpha = page.shape, page.dtype, find_alpha(page)
            channels = {"YX": 1, "YXS": shape[-1], "SYX": shape[0]}[page.axes]
    else:
        with _tiff_series(ref.file) as series:
            by_pillow = len(series) == 1 and has_pillow_pixels(series.keyframe)
            order, dtype, alpha = _tiff_axes(series), series.dtype, find_alpha(series.keyframe)
            channels = 1 if len(order) == 2 else series.shape[order[2]]
    if by_pillow:
        with open_pillow(ref.file) as image:
            image.seek(ref.page or 0)
            return find_kind(image)
    return ImageKind(int(channels) - (alpha is not None), find_type(dtype))


@dataclass(frozen=True, slots=True)
class TiffValidity:
    """What of a file or a page marks pixels without data; `alpha` is the index of a sample.

    `mask` is the index of the page that holds the mask, `mask_file` a mask beside the file.
    """

    alpha: int | None = None
    nodata: float | None = None
    mask: int | None = None
    mask_file: Path | None = None
    has_floats: bool = False

    @property
    def may_lack_data(self) -> bool:
        """Whether any of them is there, or values may be NaN."""
        return self.has_floats or self != TiffValidity()


def find_validity(ref: ImageRef) -> TiffValidity:
    """Read what marks pixels without data, from the header."""
    beside = ref.file.with_name(f"{ref.file.name}.msk")
    with open_tiff(ref.file) as file:
        number = ref.page or 0
        page: Any = file.pages[number if number < len(file.pages) else 0]
        pages = list_pages(file) if ref.page is None else []
        masks = [p.index for p in pages if p.is_mask and not p.is_reduced]
        return TiffValidity(
            alpha=find_alpha(page),
            nodata=find_nodata(page),
            mask=masks[0] if masks else None,
            mask_file=beside if ref.page is None and beside.is_file() else None,
            has_floats=page.dtype is not None and page.dtype.kind == "f",
        )


def find_bands(ref: ImageRef) -> tuple[str, ...]:
    """The names of the bands, without alpha; empty where GDAL's tag does not name all."""
    with open_tiff(ref.file) as file:
        page: Any = file.pages[0]
        names = read_band_names(page)
        alpha = find_alpha(page)
        listed = [names.get(n, "") for n in range(page.samplesperpixel) if n != alpha]
    return tuple(listed) if all(listed) else ()


def read_mask(
    ref: ImageRef, validity: TiffValidity, window: Window | None = None
) -> NDArray[Any] | None:
    """The mask of a file or of a window, H x W, 0 where there is no data; None without one."""
    if validity.mask is not None:
        source = ImageRef(ref.file, validity.mask)
    elif validity.mask_file is not None:
        source = ImageRef(validity.mask_file, 0)
    else:
        return None
    mask = None if window is None else read_tiff_window(source, window, as_stored=True)
    if mask is None:
        whole = _read_page(source, decode_stored)
        mask = whole if window is None else whole[window]
    valid_HW: NDArray[Any] = mask if mask.ndim == 2 else np.asarray(mask.any(axis=2))
    return valid_HW


def _read_page(ref: ImageRef, decode: Decode) -> NDArray[Any]:
    """One page, oriented: by Pillow and `decode` where it loses nothing, else by tifffile."""
    number = ref.page or 0
    with _page(ref) as (page, read):
        require_sound_page(ref, page)
        if page.index == number and has_pillow_pixels(page):
            with open_pillow(ref.file) as image:
                image.seek(number)
                return np.ascontiguousarray(decode(image))
        require_fitting_segments(ref, page.parent, page)
        pixels = read_pixels(ref, page, read)
        if page.axes == "SYX":
            pixels = np.moveaxis(pixels, 0, -1)  # (C, H, W) -> (H, W, C)
        if pixels.shape[:2] != (page.imagelength, page.imagewidth):
            raise ValueError(f"its pixels are {pixels.shape}")
        return turn_upright(pixels, find_orientation(page))


@contextmanager
def _page(ref: ImageRef) -> Iterator[tuple[Any, Callable[[], NDArray[Any]]]]:
    """The directory of one page, its size checked, and how its pixels are read."""
    number = ref.page or 0
    with open_tiff(ref.file) as file:
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
        if declared > MAX_PIXELS or page.nbytes > MAX_TIFF_BYTES:
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
def _tiff_series(path: Path, *, most_bytes: int | None = None) -> Iterator[Any]:
    """The one image of a TIFF file, maybe of several pages, its size checked.

    With `most_bytes`, for all of its pixels at once, the bytes are checked too.

    Raises:
        DataError: Several images, a volume, or more than `MAX_PIXELS`.
    """
    with open_tiff(path) as file:
        found = list_series(file)
        series: Any = found[0]
        if len(found) > 1 or not _tiff_axes(series):
            raise DataError(
                f"{path}: holds {format_count(len(found), 'image')}, the first with axes "
                f"{series.axes} {series.shape}, expected one of rows, columns and "
                f"channels; give the folder it lies in where they are pages, or save each "
                f"image as a file"
            )
        declared = series.keyframe.imagelength * series.keyframe.imagewidth
        too_many = most_bytes is not None and series.nbytes > most_bytes
        if declared > MAX_PIXELS or too_many:
            raise too_large(ImageRef(path), declared)
        yield series


def _has_one_page(path: Path) -> bool:
    """Quickly: one directory, and not ImageJ's, which may stand for a stack."""
    if num_directories(path) != 1:
        return False
    with open_tiff(path) as file:
        return not file.is_imagej


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
