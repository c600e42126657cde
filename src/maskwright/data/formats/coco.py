"""COCO instances: polygons and run lengths of many images in one JSON file.

    annotations/instances_train2017.json   train2017/<name>.jpg      (or images/train2017/)
    train/_annotations.coco.json           train/<name>.jpg          (Roboflow)
    annotations.json                       images/<name>.jpg

Where files are called `instances...`, others (keypoints, say) are passed over. Polygons are
filled as pycocotools does, each by itself, and united; run lengths count down the columns.
COCO has no draw order: unless dataset.yaml says otherwise, the smaller of two regions is seen.
A crowd region (`iscrowd`) is a region of its class; the mark is kept as an attribute. A box
without a mask is no region and counted; so is a polygon of fewer than three corners.

Written are `annotations/instances_<split>.json` and `images/<split>/`. Polygons are written as
they are, all else as compressed run lengths; annotations lie in draw order, and dataset.yaml
says so. Ids are counted anew from 1, `category_id` is the class index plus 1, the kind of a
class its `supercategory`. IGNORE is a category `__ignore__` of crowd regions where it occurs.
Source: cocodataset.org, "Data format"; pycocotools 2.0, coco.py (annToRLE) and mask.py.
"""

import json
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Discriminator, Field, Tag

from ...core.errors import DataError
from ...core.labels import LabelSpec
from ..classes.dataset_yaml import DatasetFile
from ..entries.annotation import IGNORED, SHAPE_CODEC, Annotation
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
    category_classes,
    check_size,
    list_entries,
    looks_coco,
    open_all,
)
from ..layouts.coco_write import category_id, image_path, record_of, write_files
from ..pixels.faults import MAX_PIXELS
from ..pixels.imageref import ImageRef
from ..reading.documents import Coordinates, Document, find_annotation_files
from ..reading.lookup import ImageLookup
from ..shapes.drawing import Drawing, Overlap, Shape
from ..shapes.raster import UNITED, Crop, Raster, crop_mask, fill, unite
from ..shapes.runs import decode_coco_text, decode_columns, encode_coco_text, encode_columns

HOLDS = frozenset({"overlaps", "attributes", "instances", "ignored", "splits"})
OVERLAP: Overlap = "smaller_on_top"
_CROWD = "iscrowd"
_Count = Annotated[int, Field(ge=0, le=MAX_PIXELS)]


class _Runs(Document):
    size: tuple[int, int]
    counts: Annotated[
        Annotated[tuple[_Count, ...], Tag("plain")] | Annotated[str, Tag("packed")],
        Discriminator(lambda value: "plain" if isinstance(value, list) else "packed"),
    ]


def _kind(value: Any) -> str:
    """A mask, a list of polygons, or one polygon not in a list (solaris writes it so)."""
    if not isinstance(value, list):
        return "mask"
    return "ring" if value and isinstance(value[0], int | float) else "rings"


_Segmentation = Annotated[
    Annotated[_Runs, Tag("mask")]
    | Annotated[tuple[Coordinates, ...], Tag("rings")]
    | Annotated[Coordinates, Tag("ring")],
    Discriminator(_kind),
]


class _Annotation(Document):
    id: int | str | None = None
    image_id: int | str
    category_id: int
    segmentation: _Segmentation | None = None
    iscrowd: int = 0
    attributes: dict[str, Any] | None = None


def recognises(root: Path) -> bool:
    """Whether a file is called as COCO's are, or the first JSON file has its keys."""
    if not root.is_dir():
        return False
    first = next(find_annotation_files(root, ".json"), None)
    if first is None:
        return False
    called = next(
        (
            path
            for path in find_annotation_files(root, ".json")
            if path.name.startswith("instances") or path.name.endswith(".coco.json")
        ),
        first,
    )
    return looks_coco(called, panoptic=False)


def scan(root: Path, document: DatasetFile) -> Scan:
    """Every image that a file lists and that is there.

    Raises:
        DataError: A file is not COCO's, or no image is there.
    """
    overlap = document.overlap or OVERLAP
    files, passed = open_all(root, "instances", panoptic=False)

    def labels(file: CocoFile, number: int, named: ImageEntry, image: ImageRef) -> Annotation:
        read = partial(_read, file, number, image)
        return Annotation(file=file.path, place=named.file_name, overlap=overlap, read=read)

    notes = (*_boxes(root, files), *passed)
    listing = list_entries(root, files, ImageLookup(root), labels)
    return Scan(
        entries=listing.entries,
        classes=category_classes(files, document, undrawn=True),
        codec=SHAPE_CODEC,
        overlap=overlap,
        notes=(*listing.notes, *notes),
    )


def _boxes(root: Path, files: Sequence[CocoFile]) -> tuple[str, ...]:
    """What is to be said of annotations without a mask; refuses files of nothing else."""
    num = sum(len(file.order) for file in files)
    boxes = num - sum(file.num_masks for file in files)
    if num and boxes == num:
        raise DataError(
            f"{root}: none of {num:,} annotations has a 'segmentation': these are boxes, and "
            f"all would be background; draw or export masks"
        )
    return (f"{boxes:,} of {num:,} annotations are boxes without a mask",) if boxes else ()


def _read(file: CocoFile, number: int, image: ImageRef) -> Drawing:
    named = file.image(number)
    where = f"{file.path}: {named.file_name}"
    size_HW = check_size(image, named, where=where)
    shapes, boxes, slivers = [], 0, 0
    for drawn in file.annotations(number, _Annotation):
        place = f"{where}: annotation {drawn.id}"
        if drawn.image_id != named.id:
            raise DataError(f"{place}: the file has changed while it was read; read it again")
        label = file.category(drawn.category_id, where=place)
        if not drawn.segmentation:
            boxes += 1
            continue
        rings, masks = _region(drawn.segmentation, size_HW, place)
        enough = tuple(ring for ring in rings if len(ring) > 2)
        slivers += len(rings) - len(enough)
        if enough or masks:
            shapes.append(
                Shape(
                    label=label,
                    rings=enough,
                    masks=masks,
                    instance=None if drawn.id is None else str(drawn.id),
                    attributes=_attributes(drawn),
                )
            )
    skipped = {"boxes without a mask": boxes, "polygons of fewer than three corners": slivers}
    return Drawing(size_HW=size_HW, shapes=tuple(shapes), raster="coco", skipped=skipped)


def _region(
    found: _Runs | Sequence[Any], size_HW: tuple[int, int], where: str
) -> tuple[tuple[Any, ...], tuple[Crop, ...]]:
    """Rings, or a piece of a mask."""
    if not isinstance(found, _Runs):
        rings = (found,) if isinstance(found[0], float) else found
        return tuple(np.array(ring, np.float64).reshape(-1, 2) for ring in rings), ()
    if found.size != size_HW:
        raise DataError(
            f"{where}: its mask is of {found.size[0]} x {found.size[1]} (H x W), the image has "
            f"{size_HW[0]} x {size_HW[1]}; export it again"
        )
    if isinstance(found.counts, str):
        counts = decode_coco_text(found.counts, where=where)
    else:
        counts = np.array(found.counts, np.int64)
    return (), (decode_columns(counts, size_HW, where=where),)


def _attributes(drawn: _Annotation) -> dict[str, str]:
    stored = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in (drawn.attributes or {}).items()
    }
    return {**stored, _CROWD: "1"} if drawn.iscrowd else stored


def write(folder: Path, picture: Picture) -> WriteResult:
    """The image; what is drawn on it goes into the record, for the one file of its split."""
    copy_image(picture, image_path(folder, picture))
    drawing = picture.drawing
    lost = {MOVED: 0, _PARTS: 0, _HOLES: 0}
    annotations, drawn, seen = [], [], set()
    for named, group in groupby(drawing.shapes, _object_of):
        shapes = tuple(group)
        polygons = all(_is_polygon(shape, drawing.raster) for shape in shapes)
        lost[_PARTS] += named in seen
        lost[_HOLES] += not polygons and any(shape.rings for shape in shapes)
        lost[MOVED] += sum(count_moved(drawing, s, "coco") for s in shapes) if polygons else 0
        seen.add(named)
        region = _outlined(shapes, drawing) if polygons else _masked(shapes, drawing)
        if region:
            index = _index_of(named[0], picture.spec)
            marks = _marks(shapes, ignored=index == len(picture.spec))
            annotations.append({"category_id": category_id(index), **region, **marks})
            drawn.append(index)
    return WriteResult(record=record_of(picture, drawn, annotations), lost=lost)


def finish(folder: Path, spec: LabelSpec, records: Iterable[Record]) -> None:
    """One JSON file a split."""
    write_files(folder, "instances", spec, records, panoptic=False)


_PARTS = "parts of an object that others lie between, written as objects of their own"
_HOLES = "polygons with holes, which COCO's cannot have, written as masks"


def _index_of(label: str, spec: LabelSpec) -> int:
    return len(spec) if label == IGNORED else spec.names.index(label)


def _object_of(shape: Shape) -> tuple[str, str]:
    """Shapes of one object that follow each other are one annotation."""
    own = f"shape {id(shape)}" if shape.instance is None else f"object {shape.instance}"
    return shape.label, own


def _is_polygon(shape: Shape, raster: Raster) -> bool:
    """Whether COCO's polygons, which are united, can be what was drawn."""
    unite = len(shape.rings) == 1 or raster in UNITED
    return bool(
        shape.rings and not shape.masks and unite and all(len(r) > 2 for r in shape.rings)
    )


def _outlined(shapes: Sequence[Shape], drawing: Drawing) -> dict[str, Any]:
    rings = [ring for shape in shapes for ring in shape.rings]
    low = np.min([ring.min(axis=0) for ring in rings], axis=0)
    high = np.max([ring.max(axis=0) for ring in rings], axis=0)
    return {
        "segmentation": [ring.ravel().tolist() for ring in rings],
        "area": fill(rings, drawing.size_HW, "coco").area_px,
        "bbox": [*low.tolist(), *(high - low).tolist()],
    }


def _masked(shapes: Sequence[Shape], drawing: Drawing) -> dict[str, Any]:
    """Run lengths with their exact box; nothing where no pixel is inside."""
    loose = unite([shape.fill(drawing.size_HW, drawing.raster) for shape in shapes])
    crop = crop_mask(loose.inside_hw)
    crop = Crop(loose.top + crop.top, loose.left + crop.left, crop.inside_hw)
    if not crop.area_px:
        return {}
    counts = encode_coco_text(encode_columns(crop, drawing.size_HW))
    height, width = crop.inside_hw.shape
    return {
        "segmentation": {"size": list(drawing.size_HW), "counts": counts},
        "area": crop.area_px,
        "bbox": [crop.left, crop.top, width, height],
    }


def _marks(shapes: Sequence[Shape], *, ignored: bool) -> dict[str, Any]:
    """`iscrowd`, and `attributes` as CVAT writes them."""
    attributes = {name: text for shape in shapes for name, text in shape.attributes.items()}
    crowd = attributes.pop(_CROWD, "0") == "1" or ignored
    return {"iscrowd": int(crowd), **({"attributes": attributes} if attributes else {})}
