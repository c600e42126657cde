"""Scan: which files of a folder belong together, before any pixel is read."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import DataError
from .images import IMAGE_SUFFIXES
from .schema import NOT_SAID, ClassEntry, CodecEntry

UNSPLIT = ""
"""The split of an entry whose folder does not say one."""

_SPLIT_NAMES = {
    "training": "train",
    "valid": "val",
    "validation": "val",
    "testing": "test",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Where one Sample lies. `labels` is its mask file, None where it has none.

    Where a data set has several annotators, `votes` holds the mask file of each, None where
    one drew none, and `labels` is the first there is.
    """

    key: str
    split: str
    image: Path
    labels: Path | None
    group: str
    votes: tuple[Path | None, ...] = ()

    @property
    def masks(self) -> tuple[Path, ...]:
        """All its mask files."""
        return tuple(path for path in self.votes or (self.labels,) if path is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """Everything found in a folder; `entries` are sorted by split and key.

    `lone_masks` are mask files without an image. `classes` and `codec` are what the layout
    itself says of the labels, None where it says nothing.
    """

    entries: tuple[Entry, ...]
    lone_masks: tuple[Path, ...] = ()
    classes: tuple[ClassEntry, ...] | None = None
    codec: CodecEntry = NOT_SAID
    notes: tuple[str, ...] = ()


def split_name(folder: str) -> str:
    """`validation` -> `val` and so on; other names stay as they are."""
    return _SPLIT_NAMES.get(folder.lower(), folder)


def image_files(folder: Path) -> Iterator[Path]:
    """All image files under `folder`, sorted; hidden files and folders are passed over."""
    with os.scandir(folder) as found:
        items = sorted(found, key=lambda item: item.name)
    for item in items:
        if item.name.startswith("."):
            continue
        if item.is_dir():
            yield from image_files(Path(item.path))
        elif Path(item.name).suffix.lower() in IMAGE_SUFFIXES:
            yield Path(item.path)


def folders(root: Path) -> tuple[str, ...]:
    """Names of the folders in `root`, sorted, hidden ones left out.

    Raises:
        DataError: `root` is no folder or may not be listed.
    """
    try:
        with os.scandir(root) as found:
            return tuple(
                sorted(i.name for i in found if i.is_dir() and not i.name.startswith("."))
            )
    except OSError as error:
        raise DataError(f"{root}: cannot be listed: {error.strerror}") from error
