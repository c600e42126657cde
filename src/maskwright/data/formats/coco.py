"""COCO instances: polygons and run lengths (RLE) of many images in one JSON file.

    annotations/instances_train2017.json   train2017/<name>.jpg      (or images/train2017/)
    train/_annotations.coco.json           train/<name>.jpg          (Roboflow)
    annotations.json                       images/<name>.jpg

Where a file is called `instances...`, other files (keypoints, say) are skipped. Polygons are
filled as pycocotools does it, each by itself, and united; run lengths count down the columns,
and a list of them may lack its last run of zeros.
COCO has no draw order: unless dataset.yaml states one, the smaller region lies on top. A crowd
region (`iscrowd`) is a region of its class; the flag is kept as an attribute. Boxes without a
mask and polygons of fewer than three corners are skipped and counted. An image whose EXIF tag
rotates it may be stated with the size before the rotation, as Label Studio does it, where a
polygon shows that the labels are of the upright image; else it is an error.

`convert` writes `annotations/instances_<split>.json` and `images/<split>/`. Polygons are
written unchanged, other regions as compressed run lengths; annotations are in draw order, which
dataset.yaml states. Ids start at 1, `category_id` is the class index plus 1, and the kind of a
class is its `supercategory`. IGNORE is a category `__ignore__` of crowd regions, where there
are ignored pixels.
Source: cocodataset.org, "Data format"; pycocotools 2.0, coco.py (annToRLE) and mask.py.
"""

import json
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Annotated, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray
from pydantic import Discriminator, Field, Tag

from ...core.errors import DataError
from ...core.labels import LabelSpec
from ..classes.dataset_yaml import DatasetFile
from ..entries.annotation import ATTRIBUTE_TYPES, IGNORED, SHAPE_CODEC, Annotation
from ..entries.picture import (
    MOVED,
    Picture,
    Record,
    WriteResult,
    copy_image,
    count_moved,
)
from ..entries.scan import Scan
from ..layouts.coco import (
    CocoFile,
    ImageEntry,
    is_coco_file,
    list_category_classes,
    list_unread,
    open_coco_files,
)
from ..layouts.coco_images import is_turned, list_entries, require_stated_size, turned_error
from ..layouts.coco_write import locate_image, make_record, to_category_id, write_coco_files
from ..pixels.faults import MAX_PIXELS
from ..pixels.imageref import ImageRef
from ..pixels.images import image_size
from ..reading.documents import Coordinates, Document, Id, find_annotation_files
from ..reading.lookup import ImageLookup
from ..shapes.drawing import Drawing, Overlap, Shape
from ..shapes.raster import UNITED, Crop, Raster, Ring, crop_mask, fill, unite
from ..shapes.runs import decode_coco_text, decode_columns, encode_coco_text, encode_columns

HOLDS = frozenset({"polygons", "overlaps", "attributes", "instances", "ignored", "splits"})
OUTLINE_FILL: Raster = "coco"
OVERLAP: Overlap = "smaller_on_top"
_CROWD = "iscrowd"
_SPLIT_OBJECTS = "parts of an object with others between them, written as separate objects"
_HOLES = "polygons with holes, which COCO cannot store, written as masks"
_Count = Annotated[int, Field(ge=0, le=MAX_PIXELS)]


class _Rle(Document):
    size: tuple[int, int]
    counts: Annotated[
        Annotated[tuple[_Count, ...], Tag("plain")] | Annotated[str, Tag("packed")],
        Discriminator(lambda value: "plain" if isinstance(value, list) else "packed"),
    ]


def _segmentation_kind(value: object) -> str:
    """Tell a mask, a list of polygons and a single polygon apart (solaris writes the last)."""
    if not isinstance(value, list):
        return "mask"
    return "ring" if value and isinstance(value[0], int | float) else "rings"


_Segmentation = Annotated[
    Annotated[_Rle, Tag("mask")]
    | Annotated[tuple[Coordinates, ...], Tag("rings")]
    | Annotated[Coordinates, Tag("ring")],
    Discriminator(_segmentation_kind),
]


class _Annotation(Document):
    id: int | str | None = None
    image_id: Id
    category_id: Id
    segmentation: _Segmentation | None = None
    iscrowd: int = 0
    attributes: dict[str, object] | None = None


class _WrittenRle(TypedDict):
    size: list[int]
    counts: str


class _Region(TypedDict):
    segmentation: list[list[float]] | _WrittenRle
    area: int
    bbox: list[float]


class _WrittenAnnotation(_Region):
    category_id: int
    iscrowd: int
    attributes: NotRequired[dict[str, str]]


def recognises(root: Path) -> bool:
    """Whether the first file with a name of COCO, else the first JSON file, has its keys."""
    if not root.is_dir():
        return False
    first = next(find_annotation_files(root, ".json"), None)
    if first is None:
        return False
    named = next(
        (
            path
            for path in find_annotation_files(root, ".json")
            if path.name.startswith("instances") or path.name.endswith(".coco.json")
        ),
        first,
    )
    return is_coco_file(named, panoptic=False)


def scan(root: Path, document: DatasetFile) -> Scan:
    """List every image that a file names and that is there.

    Raises:
        DataError: A file is not COCO's, no annotation has a mask, or no image is there.
    """
    overlap = document.overlap or OVERLAP
    files, notes = open_coco_files(root, "instances", panoptic=False)

    def annotate(file: CocoFile, index: int, listed: ImageEntry, image: ImageRef) -> Annotation:
        read = partial(_read, file, index, image)
        return Annotation(file=file.path, place=listed.file_name, overlap=overlap, read=read)

    notes = (*_require_masks(root, files), *notes)
    listing = list_entries(root, files, ImageLookup(root), annotate)
    return Scan(
        entries=listing.entries,
        classes=list_category_classes(files, document, undrawn=True),
        codec=SHAPE_CODEC,
        overlap=overlap,
        left_out=listing.left_out,
        notes=notes,
        unread=list_unread(files),
    )


def _require_masks(root: Path, files: Sequence[CocoFile]) -> tuple[str, ...]:
    """Require masks; gives a note where only some annotations have none."""
    num = sum(len(file.order) for file in files)
    num_boxes = num - sum(file.num_masks for file in files)
    if num and num_boxes == num:
        raise DataError(
            f"{root}: none of {num:,} annotations has a 'segmentation': these are boxes, and "
            f"all would be background; draw or export masks"
        )
    note = f"{num_boxes:,} of {num:,} annotations are boxes without a mask"
    return (note,) if num_boxes else ()


def _read(file: CocoFile, image_index: int, image: ImageRef) -> Drawing:
    listed = file.read_image(image_index)
    where = f"{file.path}: {listed.file_name}"
    turned = is_turned(image, listed)
    size_HW = image_size(image) if turned else require_stated_size(image, listed, where=where)
    shapes, num_boxes, num_slivers, num_typed = [], 0, 0, 0
    for annotation in file.read_annotations(image_index, _Annotation):
        at = f"{where}: annotation {annotation.id}"
        file.require_annotation_of(image_index, listed, annotation.image_id, where=at)
        label = file.name_category(annotation.category_id, where=at)
        if not annotation.segmentation:
            num_boxes += 1
            continue
        rings, masks = _parse_segmentation(annotation.segmentation, size_HW, at)
        polygons = tuple(ring for ring in rings if len(ring) > 2)
        num_slivers += len(rings) - len(polygons)
        num_typed += sum(not isinstance(v, str) for v in (annotation.attributes or {}).values())
        if polygons or masks:
            shapes.append(
                Shape(
                    label=label,
                    rings=polygons,
                    masks=masks,
                    instance=None if annotation.id is None else str(annotation.id),
                    attributes=_parse_attributes(annotation),
                )
            )
    if turned and not _are_upright(shapes, size_HW):
        raise turned_error(image, size_HW, where=where)
    skipped = {
        "boxes without a mask": num_boxes,
        "polygons of fewer than three corners": num_slivers,
    }
    return Drawing(
        size_HW=size_HW,
        shapes=tuple(shapes),
        raster="coco",
        skipped=skipped,
        unread={ATTRIBUTE_TYPES: num_typed},
    )


def _are_upright(shapes: Sequence[Shape], size_HW: tuple[int, int]) -> bool:
    """Whether shapes can only be of an image of this size, not of the same image turned.

    A mask has the size of the image; a polygon has a corner beyond the shorter side.
    """
    corners = [ring for shape in shapes for ring in shape.rings]
    if not corners:
        return True
    reach = np.concatenate(corners).max(axis=0)  # x, y
    return bool((reach <= size_HW[::-1]).all() and (reach > size_HW).any())


def _parse_segmentation(
    segmentation: _Rle | Sequence[Sequence[float]] | Sequence[float],
    size_HW: tuple[int, int],
    where: str,
) -> tuple[tuple[Ring, ...], tuple[Crop, ...]]:
    """Rings of polygons, or the crop of a mask."""
    if not isinstance(segmentation, _Rle):
        rings = (segmentation,) if isinstance(segmentation[0], float) else segmentation
        # (x0, y0, x1, y1, ...) -> (num_corners, 2)
        return tuple(np.array(ring, np.float64).reshape(-1, 2) for ring in rings), ()
    if segmentation.size != size_HW:
        height, width = segmentation.size
        raise DataError(
            f"{where}: its mask is {height} x {width} (H x W), the image is {size_HW[0]} x "
            f"{size_HW[1]}; export it again"
        )
    if isinstance(segmentation.counts, str):
        counts = decode_coco_text(segmentation.counts, where=where)
    else:
        counts = _add_last_zeros(np.array(segmentation.counts, np.int64), size_HW)
    return (), (decode_columns(counts, size_HW, where=where),)


def _add_last_zeros(counts: NDArray[np.int64], size_HW: tuple[int, int]) -> NDArray[np.int64]:
    """Add the last run of zeros, which some writers leave out, as pycocotools does."""
    rest = size_HW[0] * size_HW[1] - int(counts.sum())
    ends_with_ones = len(counts) % 2 == 0
    return np.append(counts, rest) if rest > 0 and ends_with_ones else counts


def _parse_attributes(annotation: _Annotation) -> dict[str, str]:
    stored = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in (annotation.attributes or {}).items()
    }
    return {**stored, _CROWD: "1"} if annotation.iscrowd else stored


def write(folder: Path, picture: Picture) -> WriteResult:
    """Copy the image and record its annotations for the file of its split."""
    copy_image(picture, locate_image(folder, picture))
    drawing = picture.drawing
    lost = {MOVED: 0, _SPLIT_OBJECTS: 0, _HOLES: 0}
    annotations, class_indices, written = list[_WrittenAnnotation](), list[int](), set()
    for key, group in groupby(drawing.shapes, _object_key):
        shapes = tuple(group)
        polygons = all(_is_polygon(shape, drawing.raster) for shape in shapes)
        lost[_SPLIT_OBJECTS] += key in written
        lost[_HOLES] += not polygons and any(shape.rings for shape in shapes)
        lost[MOVED] += sum(count_moved(drawing, s, "coco") for s in shapes) if polygons else 0
        written.add(key)
        region = _encode_polygons(shapes, drawing) if polygons else _encode_rle(shapes, drawing)
        if region is not None:
            index = _find_index(key[0], picture.spec)
            annotations.append(_make_annotation(shapes, region, index))
            class_indices.append(index)
    return WriteResult(record=make_record(picture, class_indices, annotations), lost=lost)


def finish(folder: Path, spec: LabelSpec, records: Iterable[Record]) -> None:
    """Write one JSON file per split."""
    write_coco_files(folder, "instances", spec, records, panoptic=False)


def _find_index(label: str, spec: LabelSpec) -> int:
    """Class index of a label; that of IGNORE is behind the last class."""
    return len(spec) if label == IGNORED else spec.names.index(label)


def _object_key(shape: Shape) -> tuple[str, str]:
    """Label and object of a shape; shapes in a row with the same key are one annotation."""
    name = f"shape {id(shape)}" if shape.instance is None else f"object {shape.instance}"
    return shape.label, name


def _is_polygon(shape: Shape, raster: Raster) -> bool:
    """Whether COCO's polygons, which are united, give the same region."""
    if not shape.rings or shape.masks or any(len(ring) < 3 for ring in shape.rings):
        return False
    return len(shape.rings) == 1 or raster in UNITED


def _encode_polygons(shapes: Sequence[Shape], drawing: Drawing) -> _Region:
    rings = [ring for shape in shapes for ring in shape.rings]
    low = np.min([ring.min(axis=0) for ring in rings], axis=0)
    high = np.max([ring.max(axis=0) for ring in rings], axis=0)
    return {
        "segmentation": [ring.ravel().tolist() for ring in rings],
        "area": fill(rings, drawing.size_HW, "coco").area_px,
        "bbox": [*low.tolist(), *(high - low).tolist()],
    }


def _encode_rle(shapes: Sequence[Shape], drawing: Drawing) -> _Region | None:
    """Encode run lengths with their tight box; None where the region has no pixel."""
    loose = unite([shape.fill(drawing.size_HW, drawing.raster) for shape in shapes])
    crop = crop_mask(loose.inside_hw)
    crop = Crop(loose.top + crop.top, loose.left + crop.left, crop.inside_hw)
    if not crop.area_px:
        return None
    counts = encode_coco_text(encode_columns(crop, drawing.size_HW))
    height, width = crop.inside_hw.shape
    return {
        "segmentation": {"size": list(drawing.size_HW), "counts": counts},
        "area": crop.area_px,
        "bbox": [crop.left, crop.top, width, height],
    }


def _make_annotation(
    shapes: Sequence[Shape], region: _Region, index: int
) -> _WrittenAnnotation:
    """The annotation of one object, with `attributes` as CVAT writes them."""
    attributes = {name: text for shape in shapes for name, text in shape.attributes.items()}
    crowd = attributes.pop(_CROWD, "0") == "1" or shapes[0].label == IGNORED
    annotation: _WrittenAnnotation = {
        "category_id": to_category_id(index),
        "segmentation": region["segmentation"],
        "area": region["area"],
        "bbox": region["bbox"],
        "iscrowd": int(crowd),
    }
    if attributes:
        annotation["attributes"] = attributes
    return annotation
