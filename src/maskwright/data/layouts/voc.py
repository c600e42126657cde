"""The folders of Pascal VOC, which CVAT's segmentation masks share.

    JPEGImages/<name>.jpg   SegmentationClass/<name>.png   ImageSets/Segmentation/<split>.txt

`<name>` may have folders. Images that no list names have no segmentation in VOC and are
skipped; without lists, the images that have a mask are read. `trainval.txt` and `default.txt`
are read only where there is no list of a split.
Source: the VOC2012 development kit, section 3.2; datumaro, plugins/data_formats/voc.
"""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError, shorten
from ...core.labels import Rgb, voc_palette
from ..entries.picture import Picture, Record, copy_image
from ..entries.scan import UNSPLIT, Entry, LeftOut, Scan, normalise_split
from ..entries.walk import images_by_name
from ..pixels.imageref import ImageRef
from ..reading.lookup import NameTable
from ..reading.text import read_lines

IMAGES, MASKS, LISTS = "JPEGImages", "SegmentationClass", "ImageSets/Segmentation"
LABEL_MAP = "labelmap.txt"
"""The table of classes and colours, by which CVAT and datumaro extend VOC."""

VOID: Rgb = (224, 224, 192)
VOID_NAME = "ignored"
_UNSPLIT_LISTS = ("default", "trainval")


class VocRecord(TypedDict):
    """What `write_lists` needs of one image."""

    key: str
    split: str


def has_voc_layout(root: Path) -> bool:
    """Whether `root` has VOC's folder of masks, and its folder of images or of lists."""
    return (root / MASKS).is_dir() and ((root / IMAGES).is_dir() or (root / LISTS).is_dir())


def pair_masks(root: Path) -> Scan:
    """Pair the images that the lists name with their masks; the Scan states no classes.

    Raises:
        DataError: A list names an image that does not exist, or there are no images.
    """
    for folder in (IMAGES, MASKS):
        if not (root / folder).is_dir():
            raise DataError(
                f"{root}: has no folder {folder}; add it (CVAT: export with 'Save images')"
            )
    images, masks = images_by_name(root / IMAGES), images_by_name(root / MASKS)
    table, mask_table = NameTable(images), NameTable(masks)
    lists = _read_lists(root / LISTS, table) or {
        UNSPLIT: [name for name in images if mask_table.find_name(name) is not None]
    }
    entries = [
        _make_entry(name, split, images[name], mask_table.find(name))
        for split, names in lists.items()
        for name in names
    ]
    if not entries:
        raise DataError(
            f"{root}: no image in {IMAGES} has a mask of the same name in {MASKS}; rename them"
        )
    used = {entry.image for entry in entries}
    unlisted = tuple(name for name, image in images.items() if image not in used)
    return Scan(
        entries=tuple(entries),
        lone_masks=tuple(m for name, m in masks.items() if table.find_name(name) is None),
        left_out=(LeftOut("images that no list names", unlisted),) if unlisted else (),
    )


def write_image(folder: Path, picture: Picture) -> Path:
    """Copy the image; gives the path for its mask."""
    copy_image(picture, folder / IMAGES / picture.name)
    mask = folder / MASKS / f"{picture.entry.key}.png"
    mask.parent.mkdir(parents=True, exist_ok=True)
    return mask


def count_other_images(picture: Picture) -> dict[str, int]:
    """Count an image that is not a JPEG: some readers of VOC look for `<name>.jpg` alone."""
    is_jpeg = PurePath(picture.name).suffix.lower() == ".jpg"
    return {"images that are not .jpg, kept as they are": int(not is_jpeg)}


def is_table_name(name: str) -> bool:
    """Whether a line of labelmap.txt can hold the name of a class."""
    return (
        ":" not in name
        and name == name.strip()
        and name[0] != "#"
        and name.isprintable()
        and name != VOID_NAME
    )


def write_table(folder: Path, colors: Iterable[tuple[str, Rgb]]) -> None:
    """Write labelmap.txt: the colour of each class, and void at the end."""
    lines = (
        f"{name}:{','.join(map(str, color))}::\n"
        for name, color in (*colors, (VOID_NAME, VOID))
    )
    text = "# label:color_rgb:parts:actions\n" + "".join(lines)
    (folder / LABEL_MAP).write_text(text, encoding="utf-8")


def make_record(picture: Picture) -> VocRecord:
    """Record an image for `write_lists`."""
    return {"key": picture.entry.key, "split": picture.entry.split}


def write_lists(folder: Path, records: Iterable[Record]) -> None:
    """Write a list of names for each split, and default.txt for images without a split."""
    keys: dict[str, list[str]] = defaultdict(list)
    for record in records:
        keys[record["split"] or _UNSPLIT_LISTS[0]].append(record["key"])
    (folder / LISTS).mkdir(parents=True, exist_ok=True)
    for split, names in keys.items():
        text = "".join(f"{name}\n" for name in sorted(names))
        (folder / LISTS / f"{split}.txt").write_text(text, encoding="utf-8")


PALETTE: NDArray[np.uint8] = np.array(voc_palette(), np.uint8)
"""Colour of each mask value, 256 x 3."""


def _make_entry(name: str, split: str, image: ImageRef, mask: ImageRef | None) -> Entry:
    group, _, _ = name.rpartition("/")
    key = name.replace("/", "__")
    return Entry(
        key=key, split=split, image=image, labels=mask, group=group.replace("/", "__") or key
    )


def _read_lists(folder: Path, images: NameTable[ImageRef]) -> dict[str, list[str]]:
    """Read the names by split; one list of all images only where no split has a list."""
    paths = sorted(folder.glob("*.txt"))
    of_splits = [path for path in paths if path.stem not in _UNSPLIT_LISTS]
    by_split: dict[str, list[str]] = {}
    for path in of_splits or paths[:1]:
        names = _read_list(path, images)
        if names:
            split = normalise_split(path.stem) if of_splits else UNSPLIT
            by_split[split] = [*by_split.get(split, []), *names]
    return by_split


def _read_list(path: Path, images: NameTable[ImageRef]) -> list[str]:
    """Read one name per line; a flag behind the name (`1`, `-1`) is ignored."""
    lines = [line.strip().strip('"') for line in read_lines(path, error=DataError)]
    lines = [line for line in lines if line and not line.startswith("#")]
    found = {
        line: images.find_name(line) or images.find_name(line.split()[0]) for line in lines
    }
    missing = [line for line, name in found.items() if name is None]
    if missing:
        raise DataError(
            f"{path}: lists {shorten(missing[0])!r} and {len(missing) - 1} other names "
            f"without an image in {IMAGES}; add the images or remove the lines"
        )
    return list(dict.fromkeys(name for name in found.values() if name is not None))
