"""COCO-Stuff: one PNG of class numbers for each image of COCO 2017.

    stuffthingmaps_trainval2017/val2017/<name>.png   val2017/<name>.jpg
    annotations/val2017/<name>.png                   images/val2017/<name>.jpg

A stored value is COCO's id less 1: 0..90 things, 91..181 stuff; 255 is unlabelled and IGNORE.
Eleven of the 182 ids have no pixels, which leaves 171 classes. Numbers without these gaps,
0..170, are another convention (mmsegmentation, `<name>_labelTrainIds.png`): such files are
refused by name, and values that only they have when a mask is read. The first release of 10,000
images (.mat files) is not read.
Source: github.com/nightrome/cocostuff, README.md and labels.txt.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from ...core.errors import DataError
from ..classes.dataset_yaml import ClassEntry, CodecEntry, DatasetFile
from ..entries.scan import Entry, Scan, normalise_split
from ..entries.walk import folders, image_files
from ..pixels.imageref import ImageRef
from ..reading.lookup import ImageLookup

_MAPS = "stuffthingmaps"
_FOLDER = re.compile(r"(train|val|test)(2014|2017)")
_COCO_NAME = re.compile(r"(COCO_(train|val)2014_)?\d{12}(_labelTrainIds)?")
_OTHER_ENDING = "_labelTrainIds"

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
"""The name of each stored value."""

UNUSED = (11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90)
"""Stored values that never occur: street sign, hat, shoe, eye glasses ..."""

_NUM_THINGS = 91


def recognises(root: Path) -> bool:
    """Whether masks lie in a folder called stuffthingmaps..., or as the authors' page says."""
    if not root.is_dir():
        return False
    tops = folders(root)
    if any(name.startswith(_MAPS) for name in tops):
        return True
    return "annotations" in tops and any(
        _COCO_NAME.fullmatch(mask.path.stem)
        for folder in _split_folders(root / "annotations")
        for mask in _first(folder)
    )


def scan(root: Path, document: DatasetFile) -> Scan:
    """Every mask with its image.

    Raises:
        DataError: There are no masks, none has an image, or all are of the other convention.
    """
    tops = [root / name for name in folders(root) if name.startswith(_MAPS)]
    tops = tops or [root / "annotations"]
    maps = [top for top in tops if top.is_dir()]
    found = [mask for top in maps for folder in _split_folders(top) for mask in _masks(folder)]
    masks = [mask for mask in found if not mask.path.stem.endswith(_OTHER_ENDING)]
    _refuse_others(root, found, masks)
    images = ImageLookup(root)
    entries, lone = [], []
    for mask in masks:
        image = _image_of(mask, root, images)
        if image is None:
            lone.append(mask)
            continue
        split = normalise_split(_FOLDER.sub(r"\1", mask.path.parent.name))
        key = mask.path.stem
        entries.append(Entry(key=key, split=split, image=image, labels=mask, group=key))
    if not entries:
        first = masks[0].path.parent
        raise DataError(
            f"{root}: none of {len(masks)} masks has an image; put those of {first} into "
            f"{root / 'images' / first.name}"
        )
    bare = len(images) - len(entries) - len(found)
    return Scan(
        entries=tuple(entries),
        lone_masks=tuple(lone),
        classes=_classes() if document.classes is None else document.classes,
        codec=CodecEntry(pixels="index", ignored=(255,)),
        notes=_notes(len(found) - len(masks), bare),
    )


def _classes() -> tuple[ClassEntry, ...]:
    return tuple(
        ClassEntry(name=name, kind="thing" if value < _NUM_THINGS else "stuff", raw=(value,))
        for value, name in enumerate(NAMES)
        if value not in UNUSED
    )


def _split_folders(top: Path) -> list[Path]:
    return [top / name for name in folders(top) if _FOLDER.fullmatch(name)]


def _masks(folder: Path) -> Iterator[ImageRef]:
    return (mask for mask in image_files(folder) if mask.path.suffix.lower() == ".png")


def _first(folder: Path) -> Iterator[ImageRef]:
    """The first mask of a folder, if there is one."""
    path = next(_masks(folder), None)
    if path is not None:
        yield path


def _refuse_others(root: Path, found: list[ImageRef], masks: list[ImageRef]) -> None:
    if not found:
        raise DataError(
            f"{root}: holds no masks; unpack stuffthingmaps_trainval2017.zip into "
            f"{root / 'stuffthingmaps_trainval2017'}"
        )
    if not masks:
        raise DataError(
            f"{found[0]}: its classes are counted 0..170 without gaps (mmsegmentation), as "
            f"those of {len(found) - 1} other masks; add the PNG files of COCO-Stuff itself, "
            f"or write 'format: mask_folder' and the classes into dataset.yaml"
        )


def _image_of(mask: ImageRef, root: Path, images: ImageLookup) -> ImageRef | None:
    name = mask.path.parent.name
    places = (root / "images" / name, root / name, root / "images", root)
    found = (images.find_without_suffix(place, mask.path.stem) for place in places)
    return next((path for path in found if path is not None and path != mask), None)


def _notes(num_others: int, num_bare: int) -> tuple[str, ...]:
    gaps = ", ".join(map(str, UNUSED))
    convention = (
        f"mask values are COCO's ids less 1; a mask refused for one of {gaps} counts its "
        f"classes without gaps, as mmsegmentation does"
    )
    notes = [convention]
    if num_others:
        notes.append(f"{num_others} masks called ...{_OTHER_ENDING} are passed over")
    if num_bare:
        notes.append(f"{num_bare} images without a mask are passed over")
    return tuple(notes)
