"""The day on which a photograph was taken, as its EXIF data says."""

from contextlib import suppress
from typing import Any

from PIL import ExifTags, Image

from ...core.errors import MissingDependencyError
from .faults import DAMAGED, explain_faults, no_warnings
from .imageref import ImageRef


def read_capture_day(image: ImageRef) -> str | None:
    """Read the day, `2024-05-31`, of DateTimeOriginal, else DateTime; None where there is none.

    Raises:
        DataError: The file is missing, or may not be read.
        MissingDependencyError: The file is HEIC and pillow-heif is not installed.
    """
    with explain_faults(image), no_warnings:
        exif = _read_exif(image)
        original = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal)
        return _parse_day(original or exif.get(ExifTags.Base.DateTime))


def _read_exif(image: ImageRef) -> Image.Exif:
    if image.file.suffix.lower() not in {".heic", ".heif"}:
        with Image.open(image.file) as opened:
            return opened.getexif()
    try:
        from pillow_heif import read_heif
    except ImportError as error:
        raise MissingDependencyError("pillow-heif", "heic") from error
    exif = Image.Exif()
    with suppress(*DAMAGED, RuntimeError):
        exif.load(read_heif(image.file).info.get("exif") or b"")
    return exif


def _parse_day(value: Any) -> str | None:
    """The day of `2024:05:31 12:00:00`; None for another text and for a clock not set."""
    day = str(value or "").replace("\0", "").strip().partition(" ")[0].split(":")
    if len(day) != 3 or [len(part) for part in day] != [4, 2, 2]:
        return None
    is_number = all(part.isdecimal() and part.isascii() for part in day)
    return "-".join(day) if is_number and day != ["0000", "00", "00"] else None
