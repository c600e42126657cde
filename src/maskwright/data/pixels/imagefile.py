"""Opening image files: what is refused, why, and with which words.

A file that is empty, cut short, damaged or declares more pixels than `MAX_PIXELS` is a
DataError that names it.
"""

import re
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ...core.errors import DataError
from .imageref import DICOM_SUFFIXES, NIFTI_SUFFIXES, ImageRef, to_ref

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
    | {*DICOM_SUFFIXES, *NIFTI_SUFFIXES}
)
MAX_PIXELS = 178_956_970
"""Pillow's own limit; 13,377 x 13,377 pixels."""

ORIENTATION = 274
_FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")
DAMAGED = (OSError, SyntaxError, ValueError, EOFError, OverflowError, struct.error)
TURNS: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90,
}
"""EXIF orientation -> the turn that undoes it; Exif 2.32, table 5."""


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """By Pillow, in the formats that are read here."""
    with unwarned, Image.open(path, formats=_FORMATS) as image:
        yield image


class _Unwarned:
    """No warnings while any thread reads: large but allowed, or odd EXIF, both are fine here.

    `warnings.catch_warnings` alone is not made for threads: of two that overlap, the last one
    to leave would bring back the filters it found, which are those of the other.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._num_inside = 0
        self._filters = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if not self._num_inside:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.simplefilter("ignore")
            self._num_inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._num_inside -= 1
            if not self._num_inside:
                self._filters.__exit__(None, None, None)


unwarned = _Unwarned()


@contextmanager
def explained(path: ImageRef | Path) -> Iterator[None]:
    """Turn what readers raise on bad files into a DataError with the reason and the fix."""
    try:
        yield
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except PermissionError as error:
        raise DataError(f"{path}: permission denied; make the file readable") from error
    except Image.DecompressionBombError as error:
        declared = int((re.search(r"\d+", str(error)) or ["0"])[0])
        raise too_large(path, declared) from error
    except DAMAGED as error:
        raise DataError(diagnosis(path, error)) from error


def diagnosis(path: ImageRef | Path, error: Exception) -> str:
    """In words: why the file cannot be read, and what to do."""
    file = to_ref(path).file
    if file.is_dir():
        return f"{path}: a folder, expected an image file"
    if file.stat().st_size == 0:
        return f"{path}: the file is empty (0 bytes); copy it again or remove it"
    if isinstance(error, UnidentifiedImageError):
        return (
            f"{path}: no image in a format that is read here "
            f"({', '.join(sorted(IMAGE_SUFFIXES))}); convert it or remove it"
        )
    return f"{path}: the image is cut short or damaged ({error}); copy it again or remove it"


def too_large(path: ImageRef | Path, declared: int) -> DataError:
    """More pixels are declared than are read."""
    return DataError(
        f"{path}: declares {declared:,} pixels in a file of "
        f"{to_ref(path).file.stat().st_size:,} bytes; "
        f"at most {MAX_PIXELS:,} are read; cut it into tiles, or remove it if it is damaged"
    )


def several(path: Path, number: int) -> DataError:
    """A file of several images where one is expected."""
    return DataError(
        f"{path}: holds {number:,} images; give the folder it lies in, or one of them as "
        f"{ImageRef(path, 0)}, or save each image as a file"
    )


def unturned(pixels: NDArray[Any]) -> NDArray[Any]:
    """The pixels as they are."""
    return pixels
