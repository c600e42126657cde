"""The folders of Pascal VOC, which CVAT's masks lie in too.

    JPEGImages/<name>.jpg   SegmentationClass/<name>.png   ImageSets/Segmentation/<split>.txt

`<name>` may have folders. Images that no list names carry no segmentation and are passed over,
as VOC means it; without lists, the images that have a mask are taken. `trainval.txt` and
`default.txt` count only where there is no list of a split.
Source: the VOC2012 development kit, section 3.2; datumaro, plugins/data_formats/voc.
"""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ...core.labels import voc_palette
from ..entries.picture import Picture, Record, copy_image
from ..entries.scan import UNSPLIT, Entry, Scan, normalise_split
from ..entries.walk import images_by_name
from ..pixels.imageref import ImageRef

IMAGES, MASKS, LISTS = "JPEGImages", "SegmentationClass", "ImageSets/Segmentation"
_UNSPLIT_LISTS = ("default", "trainval")


def has_layout(root: Path) -> bool:
    """Whether `root` has the folder of masks, and that of images or the lists."""
    return (root / MASKS).is_dir() and ((root / IMAGES).is_dir() or (root / LISTS).is_dir())


def paired(root: Path) -> Scan:
    """What the lists name; says nothing of classes.

    Raises:
        DataError: A list names an image that does not exist, or there are no images.
    """
    for folder in (IMAGES, MASKS):
        if not (root / folder).is_dir():
            raise DataError(
                f"{root}: has no folder {folder}; add it (CVAT: export with 'Save images')"
            )
    images, masks = images_by_name(root / IMAGES), images_by_name(root / MASKS)
    lists = _lists(root / LISTS, images) or {
        UNSPLIT: [name for name in images if name in masks]
    }
    entries = [
        _entry(name, split, images[name], masks.get(name))
        for split, names in lists.items()
        for name in names
    ]
    if not entries:
        raise DataError(f"{root}: no image has a mask of the same name")
    unlisted = len(images) - len({entry.image for entry in entries})
    return Scan(
        entries=tuple(entries),
        lone_masks=tuple(path for name, path in masks.items() if name not in images),
        notes=(f"{unlisted} images that no list names are passed over",) if unlisted else (),
    )


def write_image(folder: Path, picture: Picture) -> Path:
    """Copy the image; gives back where its mask goes."""
    copy_image(picture, folder / IMAGES / picture.name)
    mask = folder / MASKS / f"{picture.entry.key}.png"
    mask.parent.mkdir(parents=True, exist_ok=True)
    return mask


def record_of(picture: Picture) -> dict[str, Any]:
    """What `write_lists` must know of an image."""
    return {"key": picture.entry.key, "split": picture.entry.split}


def write_lists(folder: Path, records: Iterable[Record]) -> None:
    """A list of names for each split, default.txt for what is in none."""
    keys: dict[str, list[str]] = defaultdict(list)
    for record in records:
        keys[record["split"] or _UNSPLIT_LISTS[0]].append(record["key"])
    (folder / LISTS).mkdir(parents=True, exist_ok=True)
    for split, names in keys.items():
        text = "".join(f"{name}\n" for name in sorted(names))
        (folder / LISTS / f"{split}.txt").write_text(text, encoding="utf-8")


PALETTE: NDArray[np.uint8] = np.array(voc_palette(), np.uint8)
"""256 x 3."""


def _entry(name: str, split: str, image: ImageRef, mask: ImageRef | None) -> Entry:
    group, _, _ = name.rpartition("/")
    key = name.replace("/", "__")
    return Entry(
        key=key, split=split, image=image, labels=mask, group=group.replace("/", "__") or key
    )


def _lists(folder: Path, images: dict[str, ImageRef]) -> dict[str, list[str]]:
    """Names by split; a list of both splits together only where there is no other."""
    paths = sorted(folder.glob("*.txt"))
    apart = [path for path in paths if path.stem not in _UNSPLIT_LISTS]
    named: dict[str, list[str]] = {}
    for path in apart or paths[:1]:
        names = _names(path, images)
        if names:
            split = normalise_split(path.stem) if apart else UNSPLIT
            named[split] = [*named.get(split, []), *names]
    return named


def _names(path: Path, images: dict[str, ImageRef]) -> list[str]:
    """A name a line; what stands behind it (`1`, `-1`) is passed over."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeError) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text: {error}") from error
    lines = [line.strip().strip('"') for line in lines]
    lines = [line for line in lines if line and not line.startswith("#")]
    names = [line if line in images else line.split()[0] for line in lines]
    missing = [name for name in names if name not in images]
    if missing:
        raise DataError(
            f"{path}: lists {missing[0]!r} and {len(missing) - 1} other names without "
            f"an image in {IMAGES}; add the images or remove the lines"
        )
    return list(dict.fromkeys(names))
