"""The layout of Pascal VOC, which CVAT and others export too.

    JPEGImages/<key>.jpg   SegmentationClass/<key>.png   ImageSets/Segmentation/<split>.txt
    labelmap.txt           name:red,green,blue:parts:actions    (optional, CVAT)

Images that no list names carry no segmentation and are passed over, as VOC means it; without
lists, the images that have a mask are taken. `trainval.txt` counts only where there is
neither train nor val. A folder called VOC and a year has the 21 classes of Pascal VOC.
Source: the VOC2012 development kit, sections 3 and 6; CVAT, "Segmentation mask 1.1".
"""

import re
from collections.abc import Iterable
from pathlib import Path

from ...core.errors import ConfigError, DataError
from ...core.labels import Rgb, voc_palette
from ..scan import UNSPLIT, Entry, Scan, image_files, split_name
from ..schema import ClassEntry, DatasetFile

IMAGES, MASKS, LISTS = "JPEGImages", "SegmentationClass", "ImageSets/Segmentation"
LABEL_MAP = "labelmap.txt"
_UNSPLIT_LISTS = frozenset({"trainval", "default"})
_LINE = re.compile(r"(?P<name>[^:]+):(?P<rgb>\d+,\d+,\d+):[^:]*:[^:]*")
_PASCAL = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat"),
    *("chair", "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant"),
    *("sheep", "sofa", "train", "tvmonitor"),
)


def recognises(root: Path) -> bool:
    """Whether `root` has VOC's folder of masks, and its images or its lists."""
    return (root / MASKS).is_dir() and ((root / IMAGES).is_dir() or (root / LISTS).is_dir())


def scan(root: Path, document: DatasetFile) -> Scan:  # noqa: ARG001 - the contract of formats
    """Take what the lists name.

    Raises:
        DataError: A list names an image that does not exist, or there are no images.
        ConfigError: labelmap.txt has a line that is not of its format.
    """
    for folder in (IMAGES, MASKS):
        if not (root / folder).is_dir():
            raise DataError(
                f"{root}: has no folder {folder}; add it (CVAT: export again with images)"
            )
    images = {path.stem: path for path in image_files(root / IMAGES)}
    masks = {path.stem: path for path in image_files(root / MASKS)}
    lists = _lists(root / LISTS) or {UNSPLIT: [key for key in images if key in masks]}
    entries = [
        Entry(key=key, split=split, image=images[key], labels=masks.get(key), group=key)
        for split, keys in sorted(lists.items())
        for key in _existing(keys, images, root / LISTS / f"{split}.txt")
    ]
    if not entries:
        raise DataError(f"{root}: no image has a mask of the same name")
    listed = {entry.key for entry in entries}
    unlisted = len(images.keys() - listed)
    return Scan(
        entries=tuple(entries),
        lone_masks=tuple(path for key, path in masks.items() if key not in images),
        classes=_classes(root),
        notes=(f"{unlisted} images that no list names are passed over",) if unlisted else (),
    )


def _lists(folder: Path) -> dict[str, list[str]]:
    """Keys by split; the lists of both splits together only where there is no other."""
    paths = sorted(folder.glob("*.txt"))
    apart = [path for path in paths if path.stem not in _UNSPLIT_LISTS]
    keys: dict[str, list[str]] = {}
    for path in apart or paths[:1]:
        lines = path.read_text(encoding="utf-8").splitlines()
        split = split_name(path.stem) if apart else UNSPLIT
        keys[split] = sorted(line.split()[0] for line in lines if line.strip())
    return {split: names for split, names in keys.items() if names}


def _existing(keys: Iterable[str], images: dict[str, Path], where: Path) -> list[str]:
    keys = list(keys)
    missing = [key for key in keys if key not in images]
    if missing:
        raise DataError(
            f"{where}: lists {missing[0]!r} and {len(missing) - 1} other names without "
            f"an image in {IMAGES}; add the images or remove the lines"
        )
    return keys


def _classes(root: Path) -> tuple[ClassEntry, ...] | None:
    if (root / LABEL_MAP).is_file():
        return _read_label_map(root / LABEL_MAP)
    if not re.fullmatch(r"VOC(20)?\d\d", root.resolve().name):
        return None
    colors = voc_palette()
    return tuple(ClassEntry(name=n, color=colors[i]) for i, n in enumerate(_PASCAL))


def _read_label_map(path: Path) -> tuple[ClassEntry, ...]:
    """One class a line, without the void colour, which is no class."""
    classes = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        color = _rgb(match["rgb"]) if match else None
        if match is None or color is None:
            raise ConfigError(
                f"{path}: line {number} is {line!r}, expected 'name:red,green,blue::'"
            )
        if color != voc_palette()[255]:
            classes.append(ClassEntry(name=match["name"], color=color))
    return tuple(classes)


def _rgb(text: str) -> Rgb | None:
    red, green, blue = map(int, text.split(","))
    return (red, green, blue) if max(red, green, blue) <= 255 else None
