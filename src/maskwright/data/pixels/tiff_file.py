"""Open a TIFF file by tifffile: its directories, the pages that are images, their pixels."""

import logging
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from numpy.typing import NDArray

from ...core.errors import DataError
from .faults import diagnose
from .imageref import MAX_PAGES, ImageRef
from .tiff_tags import is_picture

_DAMAGED_TIFF = (
    *(LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError),
    AssertionError,
)
"""What tifffile also raises; these were met by damaging files at random."""

for _reader in ("tifffile", "PIL.TiffImagePlugin"):
    logging.getLogger(_reader).addHandler(logging.NullHandler())  # errors quote its messages


@contextmanager
def open_tiff(path: Path) -> Iterator[Any]:
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


def list_pages(file: Any) -> list[Any]:
    """All pages with their tags; one of ImageJ's stack is enough."""
    return (
        [file.pages[0]] if file.is_imagej else [file.pages[n] for n in range(len(file.pages))]
    )


def list_series(file: Any) -> list[Any]:
    """The images of a file, without masks and smaller copies of the first one."""
    series = list(file.series)
    return [one for one in series if is_picture(one.keyframe)] or series


def read_pixels(ref: ImageRef, page: Any, read: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """Read pixels; DataError names the package that their compression needs."""
    try:
        return read()
    except (ValueError, ImportError) as error:
        if isinstance(error, ValueError) and "imagecodecs" not in str(error):
            raise
        raise DataError(
            f"{ref}: TIFF compression {page.compression.name} needs the "
            f"package imagecodecs; run: pip install 'maskwright[geo]', or save it uncompressed"
        ) from error
