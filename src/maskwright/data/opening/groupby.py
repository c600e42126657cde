"""Groups of images by what the files themselves say: `split --group-by`.

    folder      the folder of the image below that of its split; folder:1 is the first level
    date        the day of the photograph, by EXIF
    block:1km   blocks of the ground with this side, by the georeference
    PatientID   any other tag of DICOM too, by its keyword

A patient is not named: the value of a tag is hashed with the key of the dataset, see
`pixels.pseudonyms`, and neither the value nor a part of it is in any message.
"""

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from ...core.errors import ConfigError, DataError
from ...core.progress import Progress
from ...core.pseudonyms import keeps_ids
from ...pages.text import format_subject
from ..entries.scan import Entry
from ..georef.placement import Placement
from ..georef.units import DEGREE
from ..pixels.capture import read_capture_day
from ..pixels.dicom import read_tag, require_keyword
from ..pixels.images import open_image
from ..pixels.pseudonyms import Pseudonyms, open_pseudonyms

METRES = {"m": 1.0, "km": 1000.0, "ft": 0.3048, "mi": 1609.344}
DEGREE_M = 111_320.0
"""Metres of a degree of latitude, and of a degree of longitude at the equator."""

_BLOCK = re.compile(r"block:(?P<number>\d+(\.\d+)?)(?P<unit>m|km|ft|mi)", re.ASCII)
_FOLDER = re.compile(r"folder(:(?P<level>[1-9]\d?))?", re.ASCII)
_KEYWORD = re.compile(r"[A-Z][A-Za-z0-9]+")

Finder = Callable[[Entry], str | None]
"""The group of one image; None where its file does not say."""


def find_groups(
    entries: Sequence[Entry], by: str, progress: Progress, *, folder: Path
) -> dict[str, str]:
    """The group of each key by what `by` names; `folder` keeps the key of pseudonyms.

    Raises:
        ConfigError: `by` names nothing of this kind.
        DataError: A file does not say, or cannot be read.
    """
    find, lacks = _choose_finder(by, entries, folder)
    groups: dict[str, str] = {}
    bare: list[Entry] = []
    for entry in progress(entries, total=len(entries), what=f"grouping by {by}"):
        group = find(entry)
        if group is None:
            bare.append(entry)
        else:
            groups[entry.key] = group
    if bare:
        counted = format_subject(len(bare), "image has", "images have")
        raise DataError(
            f"{bare[0].image}: {counted} {lacks}, the first is this; group by another key, or "
            f"give the groups in a table with --group-file"
        )
    return groups


def _choose_finder(by: str, entries: Sequence[Entry], folder: Path) -> tuple[Finder, str]:
    """What finds the group of an image, and the words for an image that has none."""
    if by == "date":
        return (lambda entry: read_capture_day(entry.image)), "no date in EXIF"
    if match := _FOLDER.fullmatch(by):
        level = int(match["level"] or 0)
        return (lambda entry: _find_folder(entry.key, level)), "no such folder in its key"
    if match := _BLOCK.fullmatch(by):
        side_m = float(match["number"]) * METRES[match["unit"]]
        if not side_m:
            raise ConfigError(f"--group-by {by}: a block has a side above 0, such as block:1km")
        return (lambda entry: _find_block(entry, side_m)), "no georeference"
    if _KEYWORD.fullmatch(by):
        require_keyword(by)
        names = open_pseudonyms(folder, (entry.image.file for entry in entries), save=True)
        return (lambda entry: _name_tag(entry, by, names)), f"no {by} in a DICOM header"
    raise ConfigError(
        f"--group-by {by!r}: expected date, folder, folder:1, a block of the ground such as "
        f"block:1km, or a tag of DICOM such as PatientID; with --group-file a column of it; "
        f"a regular expression is --group"
    )


def _find_folder(key: str, level: int) -> str | None:
    folders = key.split("/")[:-1]
    if not level:
        return "/".join(folders) or None
    return "/".join(folders[:level]) if len(folders) >= level else None


def _find_block(entry: Entry, side_m: float) -> str | None:
    image = open_image(entry.image)
    placement = image.placement
    if placement is None:
        return None
    height, width = image.size_HW
    east, north = placement.to_ground((width / 2, height / 2)).tolist()
    column, row = _number_block(placement, east, north, side_m, where=str(entry.image))
    return f"{placement.epsg or placement.unit.metres or 'degrees'} block {column} {row}"


def _number_block(
    placement: Placement, east: float, north: float, side_m: float, *, where: str
) -> tuple[int, int]:
    """Column and row of the block that holds a point; rows of degrees have columns of one side.

    Raises:
        DataError: The unit of the ground has no size in metres.
    """
    if placement.unit == DEGREE:
        row = math.floor(north * DEGREE_M / side_m)
        middle_deg = (row + 0.5) * side_m / DEGREE_M
        degree_m = DEGREE_M * math.cos(math.radians(min(89.0, abs(middle_deg))))
        return math.floor(east * degree_m / side_m), row
    metres = placement.unit.metres
    if metres is None:
        raise DataError(f"{where}: {placement.origin.name} {placement.unit.reason}")
    return math.floor(east * metres / side_m), math.floor(north * metres / side_m)


def _name_tag(entry: Entry, keyword: str, pseudonyms: Pseudonyms) -> str | None:
    value = read_tag(entry.image.file, keyword)
    if not value:
        return None
    return f"{keyword} {value if keeps_ids.get() else pseudonyms.name(value)}"
