"""Agriculture-Vision: aerial images of fields, with one mask per class; masks overlap.

    <split>/images/rgb/<field>_<x1>-<y1>-<x2>-<y2>.jpg    <split>/labels/<class>/<same>.png
    <split>/boundaries/<same>.png    <split>/masks/<same>.png

Masks hold 0 and 255. The classes are `background`, which is every pixel that no mask sets, and
the folders of labels in the order of their names: six in 2020, nine in 2021. Pixels outside the
boundary of the field or outside its mask of valid pixels are IGNORE. A class map holds one
class per pixel, while the published score counts any of the labels of a pixel as correct: here
the smaller region lies on top, or the label that comes first in the list `overlap` of
dataset.yaml; `convert` counts the hidden pixels. The images of one field are a group. Near
infrared (`images/nir`), where every image has it, is the fourth channel: the bands are red,
green, blue, nir, of which `bands` of dataset.yaml chooses others.
Source: Chiu et al. 2020; github.com/SHI-Labs/Agriculture-Vision, README.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core.codec import UNDRAWN
from ...core.errors import DataError
from ..classes.dataset_yaml import ClassEntry, CodecEntry, DatasetFile
from ..entries.annotation import IGNORED, Annotation
from ..entries.scan import Entry, Scan, normalise_split
from ..entries.walk import folders, images_by_name
from ..pixels.bands import RGB as COLORS
from ..pixels.imageref import ImageRef
from ..pixels.rawmask import read_raw
from ..shapes.drawing import Drawing, Overlap, Shape
from ..shapes.raster import crop_mask

OVERLAP: Overlap = "smaller_on_top"
BACKGROUND = "background"
RGB, NIR, LABELS = "images/rgb", "images/nir", "labels"
_VALID = ("boundaries", "masks")
_SET = 255


@dataclass(frozen=True, slots=True)
class _MaskFiles:
    """The mask files of one image: one per class, and those of valid pixels."""

    labels: tuple[tuple[str, ImageRef], ...]
    valid: tuple[ImageRef, ...]


def recognises(root: Path) -> bool:
    """Whether a folder in `root` has images/rgb, and a folder in labels for each class."""
    return any(
        (root / name / RGB).is_dir() and bool(_list_label_folders(root / name))
        for name in folders(root)
    )


def scan(root: Path, document: DatasetFile) -> Scan:
    """Pair each image with the masks of its name.

    Raises:
        DataError: There are no such folders, or an image has masks of some classes only.
    """
    splits = [name for name in folders(root) if (root / name / RGB).is_dir()]
    labels = sorted({label for name in splits for label in _list_label_folders(root / name)})
    if not labels:
        raise DataError(
            f"{root}: has no folder (train, say) with {RGB} and {LABELS}/<class>; unpack "
            f"Agriculture-Vision here"
        )
    overlap = document.overlap or OVERLAP
    entries, lone = list[Entry](), list[ImageRef]()
    has_nir = all(_has_near_infrared(root / name) for name in splits)
    for name in splits:
        images = images_by_name(root / name / RGB)
        if has_nir:
            images = _join_near_infrared(images, root / name / NIR)
        masks = {label: _index_masks(root / name / LABELS / label) for label in labels}
        entries += _make_entries(root / name, images, masks, overlap)
        lone += (path for m in masks.values() for key, path in m.items() if key not in images)
    return Scan(
        entries=tuple(entries),
        lone_masks=tuple(lone),
        classes=document.classes or _list_classes(labels),
        codec=CodecEntry(pixels="name", ignored=(IGNORED,)),
        overlap=overlap,
        notes=tuple(_list_notes([root / name for name in splits], overlap, has_nir=has_nir)),
    )


def _has_near_infrared(folder: Path) -> bool:
    """Whether every image of a split has a file of near infrared."""
    if not (folder / NIR).is_dir():
        return False
    return images_by_name(folder / RGB).keys() <= images_by_name(folder / NIR).keys()


def _join_near_infrared(images: dict[str, ImageRef], folder: Path) -> dict[str, ImageRef]:
    """The images, each with its near infrared as the fourth channel."""
    near = images_by_name(folder)
    return {
        name: replace(
            image, others=(near[name].file,), bands=(*COLORS, "nir"), scene=image.file
        )
        for name, image in images.items()
    }


def _list_label_folders(folder: Path) -> tuple[str, ...]:
    """List the classes that have a folder in a split."""
    return folders(folder / LABELS) if (folder / LABELS).is_dir() else ()


def _index_masks(folder: Path) -> dict[str, ImageRef]:
    return images_by_name(folder) if folder.is_dir() else {}


def _make_entries(
    folder: Path,
    images: dict[str, ImageRef],
    by_label: dict[str, dict[str, ImageRef]],
    overlap: Overlap,
) -> Iterator[Entry]:
    valid = {name: _index_masks(folder / name) for name in _VALID if (folder / name).is_dir()}
    for name, image in images.items():
        masks = {label: files[name] for label, files in by_label.items() if name in files}
        limits = {kind: files[name] for kind, files in valid.items() if name in files}
        if masks:
            _require_mask_in_each(image, masks, by_label, "labels/")
            _require_mask_in_each(image, limits, valid, "")
        key = name.replace("/", "__")
        yield Entry(
            key=key,
            split=normalise_split(folder.name),
            image=image,
            labels=_make_annotation(masks, tuple(limits.values()), overlap) if masks else None,
            group=key.rpartition("_")[0] or key,
        )


def _require_mask_in_each(
    image: ImageRef,
    masks: dict[str, ImageRef],
    folders: dict[str, dict[str, ImageRef]],
    parent: str,
) -> None:
    missing = [name for name in folders if name not in masks]
    if missing:
        raise DataError(
            f"{image}: has no mask in {parent}{missing[0]} ({len(missing)} of {len(folders)} "
            f"folders have none); add it, all 0 where nothing is set, or remove the folder"
        )


def _make_annotation(
    masks: dict[str, ImageRef], valid: tuple[ImageRef, ...], overlap: Overlap
) -> Annotation:
    files = _MaskFiles(tuple(masks.items()), valid)
    first = next(iter(masks.values()))
    return Annotation(file=first.file, overlap=overlap, read=partial(_read, files))


def _list_classes(labels: list[str]) -> tuple[ClassEntry, ...]:
    background = ClassEntry(name=BACKGROUND, raw=(UNDRAWN,))
    return (background, *(ClassEntry(name=label, raw=(label,)) for label in labels))


def _list_notes(splits: list[Path], overlap: Overlap, *, has_nir: bool) -> Iterator[str]:
    rule = overlap if isinstance(overlap, str) else ", ".join(overlap)
    yield f"labels overlap, one per pixel is kept: {rule} ('overlap' in dataset.yaml)"
    if has_nir:
        yield f"near infrared ({NIR}) is the fourth channel; 'bands' in dataset.yaml chooses"
    elif any((split / NIR).is_dir() for split in splits):
        yield f"near infrared ({NIR}) is not read, as some images have none"
    bare = [split.name for split in splits if not any((split / n).is_dir() for n in _VALID)]
    if bare:
        yield f"no boundaries and masks in {', '.join(bare)}: every pixel counts there"


def _read(files: _MaskFiles) -> Drawing:
    """Read one shape per class, cut to the valid pixels, and one of the other pixels."""
    (_, first), *_ = files.labels
    size_HW = _read_mask(first).shape
    valid_HW = np.ones(size_HW, np.bool_)
    for path in files.valid:
        valid_HW &= _read_mask(path, first, size_HW)
    regions = {
        label: crop_mask(_read_mask(path, first, size_HW) & valid_HW)
        for label, path in files.labels
    }
    regions[IGNORED] = crop_mask(~valid_HW)
    shapes = (Shape(label=label, masks=(crop,)) for label, crop in regions.items())
    return Drawing(
        size_HW=(size_HW[0], size_HW[1]),
        shapes=tuple(shape for shape in shapes if shape.masks[0].area_px),
    )


def _read_mask(
    path: ImageRef, first: ImageRef | None = None, size_HW: tuple[int, ...] | None = None
) -> NDArray[np.bool_]:
    """Read a mask as H x W, True where it is set; `size_HW` is the size of `first`."""
    raw_HW = read_raw(path, "index")
    if size_HW is not None and raw_HW.shape != size_HW:
        raise DataError(
            f"{path}: is {raw_HW.shape} (H, W), and {first} is {size_HW}; save both in one size"
        )
    set_HW: NDArray[np.bool_] = raw_HW == _SET
    if num_others := int(np.count_nonzero(~set_HW & (raw_HW != 0))):
        value = int(raw_HW[~set_HW & (raw_HW != 0)][0])
        raise DataError(
            f"{path}: holds {value} and other values ({num_others} px), expected 0 and {_SET}; "
            f"save it without smoothing"
        )
    return set_HW
