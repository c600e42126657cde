"""Read a window of a TIFF file: only the strips or tiles that it touches."""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .faults import MAX_PIXELS, too_large
from .gdal import open_gdal, read_bands
from .imagefile import Window
from .imageref import ImageRef
from .tiff_bounds import require_fitting_segment, require_sound_page
from .tiff_file import list_pages, open_tiff, read_pixels
from .tiff_tags import has_pillow_pixels, is_picture, is_shown_as_stored, needs_gdal

DecodeTile = Callable[[int], NDArray[Any]]


def read_tiff_window(
    ref: ImageRef, window: Window, *, as_stored: bool = False
) -> NDArray[Any] | None:
    """Only the strips or tiles that a window touches, as H x W or H x W x C.

    None where the window must be cut out of the decoded image: it is empty or has steps, or the
    pixels are turned, spread over pages, or shown in other values than those that are stored;
    or they are JPEG and imagecodecs is not installed. With `as_stored`, a palette gives its
    indices. What GDAL decodes as a whole, it decodes in windows.
    """
    with open_tiff(ref.file) as file:
        page = _find_page(ref, file)
        if page is None or file.is_imagej:
            return None
        by_gdal = ref.page is None and needs_gdal(page) and not has_pillow_pixels(page)
        if not by_gdal and not _is_read_by_tifffile(page, indices=as_stored):
            return None
        declared = page.imagelength * page.imagewidth
        if declared > MAX_PIXELS:
            raise too_large(ref, declared)
        rows, columns = range(page.imagelength)[window[0]], range(page.imagewidth)[window[1]]
        if not rows or not columns or (rows.step, columns.step) != (1, 1):
            return None
        if by_gdal:
            require_sound_page(ref, page)
            with open_gdal(ref.file, "GTiff") as raster:
                return read_bands(raster, window)
        return read_page_window(ref, file, page, window)


def read_page_window(ref: ImageRef, file: Any, page: Any, window: Window) -> NDArray[Any]:
    """A window of a page with the axes YX, YXS or SYX, as H x W or H x W x C."""
    rows, columns = range(page.imagelength)[window[0]], range(page.imagewidth)[window[1]]
    require_sound_page(ref, page)
    decode = partial(_decode_tile, ref, file, page)
    if page.axes == "YX":
        return _decode_window(page, rows, columns, decode)[..., 0]
    if page.axes == "YXS":
        return _decode_window(page, rows, columns, decode)
    num_tiles = page.chunked[1] * page.chunked[2]
    planes = [
        _decode_window(page, rows, columns, decode, first=sample * num_tiles)
        for sample in range(page.samplesperpixel)
    ]
    return np.concatenate(planes, axis=2)


def _is_read_by_tifffile(page: Any, *, indices: bool) -> bool:
    is_jpeg = page.compression.name == "JPEG"
    has_codec = not is_jpeg or find_spec("imagecodecs") is not None
    return has_codec and is_shown_as_stored(page, indices=indices)


def _find_page(ref: ImageRef, file: Any) -> Any:
    """The page of the image; None where its pixels are spread over several."""
    if ref.page is not None:
        found = file.pages[ref.page] if ref.page < len(file.pages) else None
    else:
        pictures = [page for page in list_pages(file) if is_picture(page)]
        found = pictures[0] if len(pictures) == 1 else None
    return found if found is not None and found.axes in ("YX", "YXS", "SYX") else None


def _decode_window(
    page: Any, rows: range, columns: range, decode_tile: DecodeTile, *, first: int = 0
) -> NDArray[Any]:
    """The window of one plane, h x w x C; C is 1 where planes are stored one by one.

    `first` is the index of the first tile of the plane.
    """
    height, width = page.chunks[-2:] if page.axes == "SYX" else page.chunks[:2]
    num_across = page.chunked[2 if page.axes == "SYX" else 1]
    channels = page.shape[2] if page.axes == "YXS" else 1
    part = np.zeros((len(rows), len(columns), channels), page.dtype)
    for y in range(rows.start // height, (rows.stop - 1) // height + 1):
        for x in range(columns.start // width, (columns.stop - 1) // width + 1):
            tile = decode_tile(first + y * num_across + x)
            top, left = max(y * height, rows.start), max(x * width, columns.start)
            inside = tile[top - y * height :, left - x * width :]
            target = part[top - rows.start :, left - columns.start :]
            h, w = (min(a, b) for a, b in zip(inside.shape[:2], target.shape[:2], strict=True))
            target[:h, :w] = inside[:h, :w]
    return part


def _decode_tile(ref: ImageRef, file: Any, page: Any, index: int) -> NDArray[Any]:
    """One strip or tile, h x w x C; those at the border may reach past the image.

    One without bytes, as GDAL leaves out tiles without data, holds the nodata value or 0.
    """
    if not page.databytecounts[index]:
        shape = page.chunks if page.axes != "SYX" else page.chunks[1:]
        return np.full((*shape[:2], page.chunks[2] if page.axes == "YXS" else 1), page.nodata)
    file.filehandle.seek(page.dataoffsets[index])
    content = file.filehandle.read(page.databytecounts[index])
    require_fitting_segment(ref, page, content)
    decode = partial(page.decode, jpegtables=page.jpegtables)
    tile_1hwC: NDArray[Any] = read_pixels(ref, page, lambda: decode(content, index)[0])
    tile_hwC: NDArray[Any] = tile_1hwC[0]
    return tile_hwC
