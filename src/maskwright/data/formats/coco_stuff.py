"""COCO-Stuff: one PNG of class ids for each image of COCO 2017.

    stuffthingmaps_trainval2017/val2017/<name>.png   val2017/<name>.jpg
    annotations/val2017/<name>.png                   images/val2017/<name>.jpg

A mask value is COCO's id minus 1: 0..90 things, 91..181 stuff; 255 is unlabelled and IGNORE.
Eleven of the 182 ids have no pixels, so there are 171 classes. Train ids without these gaps,
0..170, are another convention (mmsegmentation, `<name>_labelTrainIds.png`): files with that
ending are an error, and so are the values of the gaps when a mask is read. The first release of
10,000 images (.mat files) is not read.
Source: github.com/nightrome/cocostuff, README.md and labels.txt.
"""

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ...core.errors import DataError
from ...pages.text import format_count, format_subject
from ..classes.dataset_yaml import ClassEntry, CodecEntry, DatasetFile
from ..entries.scan import Entry, Scan, normalise_split
from ..entries.walk import folders, image_files
from ..pixels.imageref import ImageRef
from ..reading.lookup import ImageLookup

_MAPS = "stuffthingmaps"
_FOLDER = re.compile(r"(train|val|test)(2014|2017)")
_COCO_NAME = re.compile(r"(COCO_(train|val)2014_)?\d{12}(_labelTrainIds)?")
_TRAIN_ID_ENDING = "_labelTrainIds"

_NAMES = """
person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light,
fire hydrant, street sign, stop sign, parking meter, bench, bird, cat, dog, horse, sheep,
cow, elephant, bear, zebra, giraffe, hat, backpack, umbrella, shoe, eye glasses,
handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat,
baseball glove, skateboard, surfboard, tennis racket, bottle, plate, wine glass, cup, fork,
knife, spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut,
cake, chair, couch, potted plant, bed, mirror, dining table, window, desk, toilet,
door, tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster,
sink, refrigerator, blender, book, clock, vase, scissors, teddy bear, hair drier, toothbrush,
hair brush, banner, blanket, branch, bridge, building-other, bush, cabinet, cage, cardboard,
carpet, ceiling-other, ceiling-tile, cloth, clothes, clouds, counter, cupboard, curtain,
desk-stuff, dirt, door-stuff, fence, floor-marble, floor-other, floor-stone, floor-tile,
floor-wood, flower, fog, food-other, fruit, furniture-other, grass, gravel, ground-other, hill,
house, leaves, light, mat, metal, mirror-stuff, moss, mountain, mud, napkin, net, paper,
pavement, pillow, plant-other, plastic, platform, playingfield, railing, railroad, river, road,
rock, roof, rug, salad, sand, sea, shelf, sky-other, skyscraper, snow, solid-other, stairs,
stone, straw, structural-other, table, tent, textile-other, towel, tree, vegetable, wall-brick,
wall-concrete, wall-other, wall-panel, wall-stone, wall-tile, wall-wood, water-other,
waterdrops, window-blind, window-other, wood
"""
NAMES = tuple(" ".join(name.split()) for name in _NAMES.split(","))
"""The class name of each mask value."""

UNUSED = (11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90)
"""Mask values that never occur: street sign, hat, shoe, eye glasses ..."""

_NUM_THINGS = 91


def recognises(root: Path) -> bool:
    """Whether masks are in a folder stuffthingmaps..., or in annotations/<split><year>."""
    if not root.is_dir():
        return False
    tops = folders(root)
    if any(name.startswith(_MAPS) for name in tops):
        return True
    return "annotations" in tops and any(
        _COCO_NAME.fullmatch(mask.path.stem)
        for folder in _find_split_folders(root / "annotations")
        for mask in islice(_list_masks(folder), 1)
    )


def scan(root: Path, document: DatasetFile) -> Scan:
    """Pair every mask with its image.

    Raises:
        DataError: There are no masks, none has an image, or all hold train ids.
    """
    tops = [root / name for name in folders(root) if name.startswith(_MAPS)]
    tops = tops or [root / "annotations"]
    maps = [top for top in tops if top.is_dir()]
    pngs = [
        m for top in maps for folder in _find_split_folders(top) for m in _list_masks(folder)
    ]
    masks = [mask for mask in pngs if not mask.path.stem.endswith(_TRAIN_ID_ENDING)]
    _require_masks(root, pngs, masks)
    images = ImageLookup(root)
    entries, lone = [], []
    for mask in masks:
        image = _find_image(mask, root, images)
        if image is None:
            lone.append(mask)
            continue
        split = normalise_split(_FOLDER.sub(r"\1", mask.path.parent.name))
        key = mask.path.stem
        entries.append(Entry(key=key, split=split, image=image, labels=mask, group=key))
    if not entries:
        first = masks[0].path.parent
        raise DataError(
            f"{root}: none of {format_count(len(masks), 'mask')} has an image; put those of "
            f"{first} into {root / 'images' / first.name}"
        )
    used = {*(entry.image for entry in entries), *pngs}
    return Scan(
        entries=tuple(entries),
        lone_masks=tuple(lone),
        classes=_list_classes() if document.classes is None else document.classes,
        codec=CodecEntry(pixels="index", ignored=(255,)),
        left_out=images.leave_out_others("images without a mask", used),
        notes=_list_notes(len(pngs) - len(masks)),
    )


def _list_classes() -> tuple[ClassEntry, ...]:
    return tuple(
        ClassEntry(name=name, kind="thing" if value < _NUM_THINGS else "stuff", raw=(value,))
        for value, name in enumerate(NAMES)
        if value not in UNUSED
    )


def _find_split_folders(top: Path) -> list[Path]:
    return [top / name for name in folders(top) if _FOLDER.fullmatch(name)]


def _list_masks(folder: Path) -> Iterator[ImageRef]:
    return (mask for mask in image_files(folder) if mask.path.suffix.lower() == ".png")


def _require_masks(root: Path, pngs: list[ImageRef], masks: list[ImageRef]) -> None:
    """Require PNG files, and among them `masks` that do not hold train ids."""
    if not pngs:
        raise DataError(
            f"{root}: holds no masks; unpack stuffthingmaps_trainval2017.zip into "
            f"{root / 'stuffthingmaps_trainval2017'}"
        )
    if not masks:
        raise DataError(
            f"{pngs[0]}: holds train ids 0..170 without gaps (mmsegmentation), as do "
            f"{len(pngs) - 1} other masks; add the PNG files of COCO-Stuff itself, or write "
            f"'format: mask_folder' and the classes into dataset.yaml"
        )


def _find_image(mask: ImageRef, root: Path, images: ImageLookup) -> ImageRef | None:
    name = mask.path.parent.name
    folders_of_images = (root / "images" / name, root / name, root / "images", root)
    candidates = (images.find_without_suffix(f, mask.path.stem) for f in folders_of_images)
    return next((path for path in candidates if path is not None and path != mask), None)


def _list_notes(num_train_ids: int) -> tuple[str, ...]:
    gaps = ", ".join(map(str, UNUSED))
    convention = (
        f"mask values are COCO's ids minus 1; a mask with one of {gaps} holds train ids "
        f"without gaps, as mmsegmentation writes them"
    )
    notes = [convention]
    if num_train_ids:
        counted = format_subject(num_train_ids, "mask is", "masks are")
        notes.append(f"{counted} skipped, called ...{_TRAIN_ID_ENDING}")
    return tuple(notes)
