"""Strips: an image or a mask of any size, some full rows at a time, from top to bottom.

An image that is not large is one strip. Files that cannot be read in windows are decoded once.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ...core.image import PixelData, ValidMap
from .imagefile import ImageFile
from .window import MOST_PX

STRIP_PX = 1 << 23
"""Most pixels of a strip, but for images of over half a million columns."""

_ROWS = (1024, 512, 256, 128, 64, 32, 16)
"""Powers of two: few strips begin inside a tile of the file, which is decoded again for it."""


def is_large(size_HW: tuple[int, int]) -> bool:
    """Whether an image is read in strips or windows where the file allows it."""
    return size_HW[0] * size_HW[1] > MOST_PX


def list_strips(size_HW: tuple[int, int]) -> list[slice]:
    """The rows of each strip; one of all rows where the image is not large."""
    height, width = size_HW
    if not is_large(size_HW):
        return [slice(0, height)]
    rows = next((n for n in _ROWS if n * width <= STRIP_PX), _ROWS[-1])
    return [slice(top, min(top + rows, height)) for top in range(0, height, rows)]


def needs_strips(file: ImageFile) -> bool:
    """Whether an image is large by its header; not where that is damaged."""
    with suppress(DataError):  # reading it says what is wrong
        return is_large(file.size_HW)
    return False


def read_strips(file: ImageFile) -> Iterator[PixelData]:
    """The strips of an image as `ImageFile.read_data` gives them.

    Raises:
        DataError: As `ImageFile.read_data`; strips above a damaged one were given by then.
    """
    if not needs_strips(file):
        yield file.read_data()
        return
    windows = [(rows, slice(None)) for rows in list_strips(file.size_HW)]
    if file.reads_windows:
        yield from map(file.read_data, windows)
        return
    image_HWC, valid_HW = file.read_data()
    for rows, _ in windows:
        yield PixelData(image_HWC[rows], None if valid_HW is None else valid_HW[rows])


def read_valid_strips(file: ImageFile) -> Iterator[ValidMap | None]:
    """The strips of `ImageFile.read_valid`; decodes no pixels where all hold data."""
    if file.may_lack_data:
        yield from (valid_HW for _, valid_HW in read_strips(file))
    else:
        yield from (None for _ in list_strips(file.size_HW))


def read_stored_strips(file: ImageFile, *, by_color: bool = False) -> Iterator[NDArray[Any]]:
    """The strips of a mask as stored; with `by_color`, a palette gives its colours."""
    read_whole = file.read_colors if by_color else file.read_stored
    if not needs_strips(file):
        yield read_whole()
        return
    windows = [(rows, slice(None)) for rows in list_strips(file.size_HW)]
    if _stores_windows(file, by_color=by_color):
        yield from map(file.read_stored_window, windows)
        return
    stored = read_whole()
    yield from (stored[window] for window in windows)


def _stores_windows(file: ImageFile, *, by_color: bool) -> bool:
    """Whether windows can be read as they are wanted: indices are not colours."""
    if not file.reads_stored_windows:
        return False
    return not by_color or file.read_stored_window(np.s_[:1, :1]).ndim == 3
