"""Pages: a file that holds several images is seen as a folder of them.

    scan/ct.nii.gz          one file, a volume of 30 slices
    scan/ct.nii.gz/0012     the path of its slice 12, counted from 0

Such a path is a Path like any other; only what opens files must ask `stored_file`. A path is a
page by its name alone: digits, below a name that ends as `PAGED_SUFFIXES` do.
"""

import struct
from pathlib import Path
from typing import BinaryIO

NIFTI_SUFFIXES = (".nii", ".nii.gz")
DICOM_SUFFIXES = (".dcm", ".dicom")
PAGED_SUFFIXES = (".tif", ".tiff", *NIFTI_SUFFIXES, *DICOM_SUFFIXES)
MAX_PAGES = 9_999


def stored_file(path: Path) -> Path:
    """The file that holds an image: the path itself, or what it is a page of."""
    return path.parent if is_page(path) else path


def page_number(path: Path) -> int | None:
    """Which page of its file a path means, from 0; None for a file."""
    return int(path.name) if is_page(path) else None


def is_page(path: Path) -> bool:
    """Whether the path means one page of a file."""
    name = path.name
    return name.isascii() and name.isdecimal() and _ends(path.parent, PAGED_SUFFIXES)


def page_path(file: Path, number: int) -> Path:
    """The path of one page."""
    return file / f"{number:04}"


def is_nifti(path: Path) -> bool:
    """Whether a file, or the file of a page, is called like a NIfTI volume."""
    return _ends(stored_file(path), NIFTI_SUFFIXES)


def is_dicom(path: Path) -> bool:
    """Whether a file, or the file of a page, is called like a DICOM object."""
    return _ends(stored_file(path), DICOM_SUFFIXES)


def _ends(path: Path, suffixes: tuple[str, ...]) -> bool:
    return path.name.lower().endswith(suffixes)


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
