"""What is refused when an image file is opened, why, and with which words.

A file that is empty, cut short, damaged or declares more pixels than `MAX_PIXELS` is a
DataError that names it.
"""

import re
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from ...core.errors import DataError, first_line
from .imageref import ImageRef

MAX_PIXELS = 1 << 30
"""32,768 x 32,768 pixels: more than orthomosaics of one file have; OpenCV's limit too."""

_PILLOW_FACTOR = 2
"""Pillow refuses more than this times its own limit, and warns of less."""

_VIDEOS = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv")

DAMAGED = (OSError, SyntaxError, ValueError, EOFError, OverflowError, struct.error)


class _NoWarnings:
    """No warnings while any thread reads: a large image and odd EXIF data are both accepted.

    Meanwhile Pillow's limit of pixels is `MAX_PIXELS`. `warnings.catch_warnings` alone is not
    made for threads: of two that overlap, the last one to leave would restore the filters that
    it met, which are those of the other.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._num_inside = 0
        self._filters = warnings.catch_warnings()
        self._limit: int | None = None

    def __enter__(self) -> None:
        with self._lock:
            if not self._num_inside:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.simplefilter("ignore")
                self._limit = Image.MAX_IMAGE_PIXELS
                Image.MAX_IMAGE_PIXELS = MAX_PIXELS // _PILLOW_FACTOR
            self._num_inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._num_inside -= 1
            if not self._num_inside:
                self._filters.__exit__(None, None, None)
                Image.MAX_IMAGE_PIXELS = self._limit


no_warnings = _NoWarnings()


@contextmanager
def explain_faults(image: ImageRef) -> Iterator[None]:
    """Turn what readers raise on bad files into a DataError with the reason and the fix."""
    try:
        yield
    except DataError:
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"{image}: no such file") from error
    except PermissionError as error:
        raise DataError(f"{image}: permission denied; make the file readable") from error
    except Image.DecompressionBombError as error:
        declared = int((re.search(r"\d+", str(error)) or ["0"])[0])
        raise too_large(image, declared) from error
    except DAMAGED as error:
        raise DataError(diagnose(image, error)) from error


@contextmanager
def explain_damage(
    path: Path, fault: str, errors: tuple[type[Exception], ...]
) -> Iterator[None]:
    """Turn the `errors` that a library raises on bad files into a DataError with the fault."""
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except errors as error:
        raise DataError(
            f"{path}: {fault} ({first_line(error)}); copy it again or remove it"
        ) from error


def diagnose(image: ImageRef, error: Exception) -> str:
    """Why the file cannot be read, and what to do."""
    if image.file.is_dir():
        return f"{image}: a folder, expected an image file"
    if image.file.stat().st_size == 0:
        return f"{image}: the file is empty (0 bytes); copy it again or remove it"
    if isinstance(error, UnidentifiedImageError):
        if image.file.suffix.lower() in _VIDEOS:
            return f"{image}: a video, not an image; give it to `maskwright video`"
        return (
            f"{image}: no image in a format that is read here; convert it to PNG or TIFF, or "
            f"remove it"
        )
    return str(damage(image, error))


def damage(image: ImageRef, reason: object) -> DataError:
    """The image is damaged, for this reason."""
    return DataError(
        f"{image}: the image is cut short or damaged ({reason}); copy it again or remove it"
    )


def too_large(image: ImageRef, declared: int) -> DataError:
    """The file declares more pixels than are read."""
    return DataError(
        f"{image}: declares {declared:,} pixels in a file of "
        f"{image.file.stat().st_size:,} bytes; "
        f"at most {MAX_PIXELS:,} are read; cut it into tiles, or remove it if it is damaged"
    )


def several_images(image: ImageRef, number: int) -> DataError:
    """A file of several images where one is expected."""
    return DataError(
        f"{image}: holds {number:,} images; give the folder it lies in, or one of them as "
        f"{ImageRef(image.file, 0)}, or save each image as a file"
    )
