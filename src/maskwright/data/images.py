"""Pixels from image files: photographs as a viewer shows them, masks as they are stored.

JPEG, PNG, BMP and WebP are read by Pillow, TIFF by Pillow or tifffile, PNG with 16-bit
colours by OpenCV (Pillow would keep 8 of the 16 bits). EXIF orientation is always applied.
A file that is empty, cut short, damaged or declares more pixels than `MAX_PIXELS` is a
DataError that names it; the pixels of an image too large are never allocated.
"""

import logging
import re
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from ..core.errors import DataError

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
MAX_PIXELS = 178_956_970
"""Pillow's own limit; 13,377 x 13,377 pixels."""

_ORIENTATION = 274
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, OverflowError, struct.error)
_DAMAGED_TIFF = (LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError)
"""What tifffile raises besides, found by damaging files at random."""

_MAX_TIFF_BYTES = 1 << 32
_TURNS: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90,
}
"""EXIF orientation -> the turn that undoes it; Exif 2.32, table 5."""

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # its words are in our errors


def read_image(path: Path) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """H x W x C, uint8 or uint16, writable, RGB order, oriented by EXIF.

    Raises:
        DataError: Damaged, too large, or pixels that are no 8 or 16-bit integers.
    """
    image = read_pixels(path, _photograph)
    if image.dtype not in (np.uint8, np.uint16):
        raise DataError(
            f"{path}: pixels are {image.dtype}, expected 8 or 16-bit integers; "
            f"rescale the image and save it as uint8 or uint16"
        )
    return image if image.ndim == 3 else image[..., None]


def image_size(path: Path) -> tuple[int, int]:
    """(H, W) as `read_image` would return it, from the file's header alone."""
    with _explained(path):
        if _is_tiff(path):
            return _tiff_size(path)
        with _opened(path) as image:
            turned = _orientation(image) >= 5
            return (image.width, image.height) if turned else (image.height, image.width)


def read_pixels(path: Path, decode: Callable[[Image.Image], NDArray[Any]]) -> NDArray[Any]:
    """What `decode` makes of the opened file, oriented; H x W or H x W x C, contiguous."""
    with _explained(path):
        if _is_tiff(path) and not _fits_pillow(path):
            return _read_tiff(path)
        with _opened(path) as image:
            orientation = _orientation(image)
            wide = raw_mode(image).startswith(("RGB;16", "RGBA;16"))
            pixels = _read_wide_png(path) if wide else decode(image)
    return np.ascontiguousarray(_TURNS.get(orientation, _unturned)(pixels))


def orientation(path: Path) -> int:
    """EXIF orientation 1..8 of a file; 1 for TIFF, whose readers apply it themselves."""
    with _explained(path):
        if _is_tiff(path):
            return 1
        with _opened(path) as image:
            return _orientation(image)


def raw_mode(image: Image.Image) -> str:
    """How the opened file stores a pixel, in Pillow's words: "L;2", "RGB;16B"..."""
    tiles = image.tile if isinstance(image, ImageFile.ImageFile) else []
    arguments = tiles[0].args if tiles else ""
    return arguments if isinstance(arguments, str) else str((arguments or ("",))[0])


def _photograph(image: Image.Image) -> NDArray[Any]:
    if image.mode in ("L", "RGB", "RGBA", "I", "F") or image.mode.startswith("I;16"):
        return np.array(image)
    if image.mode == "1":
        return np.array(image.convert("L"))
    clear = image.mode in ("LA", "La", "PA", "RGBa") or "transparency" in image.info
    return np.array(image.convert("RGBA" if clear else "RGB"))


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    with _unwarned, Image.open(path, formats=_FORMATS) as image:
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


_unwarned = _Unwarned()


@contextmanager
def _explained(path: Path) -> Iterator[None]:
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
        raise _too_large(path, declared) from error
    except _DAMAGED as error:
        raise DataError(_diagnosis(path, error)) from error


def _diagnosis(path: Path, error: Exception) -> str:
    if path.is_dir():
        return f"{path}: a folder, expected an image file"
    if path.stat().st_size == 0:
        return f"{path}: the file is empty (0 bytes); copy it again or remove it"
    if isinstance(error, UnidentifiedImageError):
        return (
            f"{path}: no image in a format that is read here "
            f"({', '.join(sorted(IMAGE_SUFFIXES))}); convert it or remove it"
        )
    return f"{path}: the image is cut short or damaged ({error}); copy it again or remove it"


def _too_large(path: Path, declared: int) -> DataError:
    return DataError(
        f"{path}: declares {declared:,} pixels in a file of {path.stat().st_size:,} bytes; "
        f"at most {MAX_PIXELS:,} are read; cut it into tiles, or remove it if it is damaged"
    )


def _orientation(image: Image.Image) -> int:
    """1..8. TIFF is turned by Pillow itself; PNG keeps EXIF before its pixels or not at all."""
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return 1
    value = image.getexif().get(_ORIENTATION, 1)
    return value if value in _TURNS else 1


def _unturned(pixels: NDArray[Any]) -> NDArray[Any]:
    return pixels


def is_whole_png(content: NDArray[np.uint8]) -> bool:
    """Whether every chunk that a PNG declares lies inside the file.

    OpenCV fills as much memory as a chunk declares, 4 GiB at most, before it looks.
    """
    place, kind = 8, b""
    while place < len(content) and kind != b"IEND":
        head = content[place : place + 8].tobytes()
        place, kind = place + 12 + int.from_bytes(head[:4], "big"), head[4:]
    return place <= len(content)


def _read_wide_png(path: Path) -> NDArray[np.uint16]:
    content = np.fromfile(path, np.uint8)
    pixels = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if is_whole_png(content) else None
    if pixels is None or pixels.dtype != np.uint16:
        raise DataError(
            f"{path}: the image is cut short or damaged; copy it again or remove it"
        )
    to_rgb = cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(pixels, to_rgb), np.uint16)


def _is_tiff(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) in _TIFF_STARTS


def _fits_pillow(path: Path) -> bool:
    """Whether Pillow reads this TIFF without losing pages, channels or bits."""
    with _tiff_series(path) as series:
        page = series.keyframe
        depths = set(np.atleast_1d(page.bitspersample).tolist())
        return len(series) == 1 and depths <= {1, 8} and page.samplesperpixel in (1, 3, 4)


def _tiff_size(path: Path) -> tuple[int, int]:
    with _tiff_series(path) as series:
        shape = [series.shape[axis] for axis in _tiff_axes(series)[:2]]
        turned = _tiff_orientation(series) >= 5
        return (shape[1], shape[0]) if turned else (shape[0], shape[1])


def _read_tiff(path: Path) -> NDArray[Any]:
    with _tiff_series(path) as series:
        try:
            pixels = series.asarray()
        except ValueError as error:
            if "imagecodecs" not in str(error):
                raise
            raise DataError(
                f"{path}: TIFF compression {series.keyframe.compression.name} needs the "
                f"package imagecodecs; run: pip install imagecodecs, or save it uncompressed"
            ) from error
        turn = _TURNS.get(_tiff_orientation(series), _unturned)
        return np.ascontiguousarray(turn(pixels.transpose(_tiff_axes(series))))


@contextmanager
def _tiff_series(path: Path) -> Iterator[Any]:
    """The one image of a TIFF file, maybe of several pages, its size checked.

    Raises:
        DataError: Several images, a volume, or more than `MAX_PIXELS`.
    """
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            series: Any = file.series[0]
            if len(file.series) > 1 or not _tiff_axes(series):
                raise DataError(
                    f"{path}: holds {len(file.series)} images, the first with axes "
                    f"{series.axes} {series.shape}, expected one of rows, columns and "
                    f"channels; save each image as a file"
                )
            declared = series.keyframe.imagelength * series.keyframe.imagewidth
            if declared > MAX_PIXELS or series.nbytes > _MAX_TIFF_BYTES:
                raise _too_large(path, declared)
            yield series
    except (tifffile.TiffFileError, *_DAMAGED_TIFF) as error:
        raise DataError(_diagnosis(path, error)) from error


def _tiff_axes(series: Any) -> tuple[int, ...]:
    """The order of axes that gives rows, columns, channels; nothing where it is no image.

    Pages without a meaning are channels, unless there are fewer columns than either: an array
    of H x W x C that was written without saying so becomes H pages.
    """
    if len(series.shape) == 2:
        return (0, 1)
    if len(series.shape) != 3:
        return ()
    if series.axes[-1] in "SC" or (
        series.axes[0] in "QI" and series.shape[2] < min(series.shape[:2])
    ):
        return (0, 1, 2)
    return (1, 2, 0) if series.axes[0] in "SCQI" else ()


def _tiff_orientation(series: Any) -> int:
    tag = series.keyframe.tags.get(_ORIENTATION)
    return int(tag.value) if tag is not None else 1
