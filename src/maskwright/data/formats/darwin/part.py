"""V7 Darwin JSON 2.0: one JSON file per item, with polygons and one raster layer.

    <folders>/<name>.json     images/<path>/<name>    ("item": its path and name, one slot)

The pixels of a mask annotation are in the annotation `__raster_layer__`: (value, length) pairs
along the rows, where `mask_annotation_ids_mapping` gives the value of each mask. Rings of a
polygon ("paths") are filled even-odd, as darwin-py draws them in its mask exports
(`shapes/scanline.py`); darwin-py tests once per file whether polygons leave the image, here
each polygon is tested. Annotations are painted in the order of the file, the raster layer at
its position; darwin-py does not export files with both. Other annotations are not regions; they
are skipped and counted.

`convert` writes `images/<split>/` and `annotations/<split>/`: polygons where all shapes of an
image are polygons, else one raster layer. IGNORE is a class `__ignore__`.
Source: docs.v7labs.com, "Darwin JSON"; darwin-py 3.6, utils/utils.py, exporter/formats/mask.py.
"""

import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....core.atomic import write_json
from ....core.errors import DataError, shorten
from ....pages.text import format_count
from ...classes.dataset_yaml import DatasetFile
from ...entries.annotation import SHAPE_CODEC, Annotation, list_shape_classes
from ...entries.picture import (
    MOVED,
    Picture,
    WriteResult,
    copy_image,
    count_moved,
)
from ...entries.scan import Entry, Scan, make_keys_unique, parse_place
from ...pixels.imageref import ImageRef
from ...pixels.images import image_size
from ...reading.documents import find_annotation_files, peek_first, read_json
from ...reading.lookup import ImageLookup
from ...shapes.drawing import Drawing, Overlap, Shape, count_overlap_pixels
from ...shapes.raster import UNITED, Crop, Ring
from ...shapes.segments import crop_each_id
from .documents import (
    AnnotationModel,
    Item,
    ItemFile,
    LabelFile,
    LabelModel,
    Polygon,
    RasterLayer,
    Slot,
    WrittenAnnotation,
    WrittenPoint,
    require_image_item,
)

HOLDS = frozenset({"polygons", "overlaps", "instances", "ignored", "usual splits"})
OVERLAP: Overlap = "file"
IMAGES, ANNOTATIONS, LAYER, SLOT = "images", "annotations", "__raster_layer__", "0"
_SCHEMA = "https://darwin-public.s3.eu-west-1.amazonaws.com/darwin_json/2.0/schema.json"
_IDS = uuid.UUID("5a0f9b7e-6c0e-4d64-9f43-5d1a3f6f2f0d")
_RASTERED = "polygons beside masks, written as pixels: V7 stores one kind per image"
_HIDDEN = "pixels of shapes below others"
_KINDS = {
    "bounding_box": "boxes",
    "cuboid": "cuboids",
    "ellipse": "ellipses",
    "eye": "eyes",
    "graph": "graphs",
    "keypoint": "keypoints",
    "line": "lines",
    "skeleton": "skeletons",
    "string": "strings",
    "table": "tables",
    "tag": "tags",
}
_OTHER = "annotations of another kind"


def recognises(root: Path) -> bool:
    """Whether the first JSON file has the keys of an item."""
    text = peek_first(root, ".json")
    return '"item"' in text and '"slots"' in text


def scan(root: Path, document: DatasetFile) -> Scan:
    """Pair every JSON file with its image.

    Raises:
        DataError: A file is not Darwin JSON 2.0, is of a video or volume, or two files name
            one image.
    """
    images, overlap = ImageLookup(root), document.overlap or OVERLAP
    entries: dict[ImageRef, Entry] = {}
    lone, labels = [], set[str]()
    for path in _list_files(root):
        content = read_json(path, LabelFile)
        item = require_image_item(content.item, path)
        labels |= {a.name.strip() for a in content.annotations if _is_region(a)}
        image = _find_image(item, images, path)
        if image is None:
            lone.append(path)
            continue
        if image in entries:
            raise DataError(
                f"{path} and {entries[image].labels} both label {image}; keep one release, or "
                f"put the images into folders as V7 has them"
            )
        split, key, group = parse_place(image.path.relative_to(root))
        shapes = Annotation(file=path, overlap=overlap, read=partial(_read, path, image))
        entries[image] = Entry(key=key, split=split, image=image, labels=shapes, group=group)
    if not entries:
        raise DataError(
            f"{root}: no JSON file here names an image that is here; put the images into this "
            f"folder"
        )
    return Scan(
        entries=make_keys_unique(entries.values()),
        lone_masks=tuple(lone),
        classes=list_shape_classes(labels, document),
        codec=SHAPE_CODEC,
        overlap=overlap,
        left_out=images.leave_out_others("images without a JSON file", entries),
    )


def write(folder: Path, picture: Picture) -> WriteResult:
    """Copy the image and write its JSON file."""
    split, drawing = picture.entry.split, picture.drawing
    copy_image(picture, folder / IMAGES / split / picture.name)
    polygons = bool(drawing.shapes) and all(_is_polygon(s, drawing) for s in drawing.shapes)
    annotations = _encode_polygons(picture) if polygons else _encode_masks(picture)
    height, width = picture.size_HW
    slot = {"type": "image", "slot_name": SLOT, "width": width, "height": height}
    slot["source_files"] = [{"file_name": picture.name}]
    item = {"name": picture.name, "path": f"/{split}", "slots": [slot]}
    path = folder / ANNOTATIONS / split / f"{picture.entry.key}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"version": "2.0", "schema_ref": _SCHEMA, "item": item}
    write_json(path, {**content, "annotations": annotations})
    if polygons:
        moved = sum(count_moved(drawing, shape, "darwin") for shape in drawing.shapes)
        return WriteResult(lost={MOVED: moved})
    num_polygons = sum(bool(shape.rings) for shape in drawing.shapes)
    num_hidden = count_overlap_pixels(drawing, "file")
    return WriteResult(lost={_RASTERED: num_polygons, _HIDDEN: num_hidden})


def _list_files(root: Path) -> Iterator[Path]:
    """List the JSON files, each once: `releases/latest` is a link to another release."""
    seen = set[Path]()
    for path in find_annotation_files(root, ".json"):
        target = path.resolve()
        if target not in seen:
            yield path
        seen.add(target)


def _find_image(item: Item, images: ImageLookup, path: Path) -> ImageRef | None:
    """Find the image by folder and name, also with the suffix of the uploaded file.

    darwin-py saves the image with that suffix.
    """
    names = [item.name]
    if files := item.slots[0].source_files:
        names.append(f"{Path(item.name).stem}{Path(files[0].file_name).suffix}")
    folder = item.path.replace("\\", "/").strip("/")
    for name in names:
        full_name = f"{folder}/{name}" if folder else name
        if image := images.find(full_name, where=str(path)):
            return image
    return None


def _is_region(annotation: LabelModel) -> bool:
    return annotation.polygon is not None or annotation.mask is not None


def _read(path: Path, image: ImageRef) -> Drawing:
    content = read_json(path, ItemFile)
    size_HW, slot = image_size(image), require_image_item(content.item, path).slots[0]
    if (slot.height or size_HW[0], slot.width or size_HW[1]) != size_HW:
        raise DataError(
            f"{path}: states {slot.height} x {slot.width} (H x W), {image} is {size_HW}; put "
            f"the image there that was annotated"
        )
    masks = {a.id: a for a in content.annotations if a.mask is not None}
    shapes, skipped, num_layers = list[Shape](), Counter[str](), 0
    for index, annotation in enumerate(content.annotations):
        where = f"{path}: annotations.{index}"
        _require_in_slot(annotation, slot, where)
        if annotation.raster_layer is not None:
            num_layers += 1
            shapes += _crop_masks(annotation.raster_layer, masks, size_HW, where)
        elif annotation.polygon is not None:
            rings = _parse_rings(annotation.polygon, where)
            shapes.append(_make_shape(annotation, rings=rings))
        elif annotation.mask is None:
            extra = annotation.model_extra or {}
            skipped[next((_KINDS[kind] for kind in _KINDS if kind in extra), _OTHER)] += 1
    if num_layers > 1 or (masks and not num_layers):
        raise DataError(
            f"{path}: {format_count(len(masks), 'mask')} and "
            f"{format_count(num_layers, 'raster layer')}, expected one layer "
            f"for all masks; export it again"
        )
    skipped["masks without a pixel"] = len(masks) - sum(bool(s.masks) for s in shapes)
    return Drawing(size_HW=size_HW, shapes=tuple(shapes), raster="darwin", skipped=skipped)


def _require_in_slot(annotation: AnnotationModel, slot: Slot, where: str) -> None:
    """Require an annotation of an image, and of the only slot of the item."""
    if annotation.frames is not None:
        raise DataError(
            f"{where}: has frames, as annotations of videos do; only images are read: upload "
            f"the frames as images"
        )
    if annotation.slot_names and slot.slot_name not in annotation.slot_names:
        raise DataError(
            f"{where}: is in slot {shorten(annotation.slot_names[0])!r}, the item has only "
            f"{slot.slot_name!r}; export it again"
        )


def _make_shape(
    annotation: AnnotationModel,
    *,
    rings: tuple[Ring, ...] = (),
    masks: tuple[Crop, ...] = (),
) -> Shape:
    attributes: dict[str, list[str]] = {}
    for entry in annotation.properties or ():
        if entry.value is not None:
            attributes.setdefault(entry.name, []).append(str(entry.value))
    if annotation.text is not None and annotation.text.text:
        attributes.setdefault("text", []).append(annotation.text.text)
    instance = annotation.instance_id
    return Shape(
        label=annotation.name.strip(),
        instance=None if instance is None else str(instance.value),
        attributes={name: ", ".join(values) for name, values in attributes.items()},
        rings=rings,
        masks=masks,
    )


def _parse_rings(polygon: Polygon, where: str) -> tuple[Ring, ...]:
    paths = polygon.paths or ((polygon.path,) if polygon.path else ())
    if not paths:
        raise DataError(f"{where}: a polygon without a corner; remove it")
    return tuple(np.array([(p.x, p.y) for p in path], np.float64) for path in paths)


def _crop_masks(
    layer: RasterLayer, masks: dict[str, AnnotationModel], size_HW: tuple[int, int], where: str
) -> list[Shape]:
    """Crop the masks of a raster layer that have pixels."""
    ids_HW = _decode_layer(layer, size_HW, where)
    mask_of = {value: mask for mask, value in layer.mask_annotation_ids_mapping.items()}
    if len(mask_of) < len(layer.mask_annotation_ids_mapping):
        raise DataError(f"{where}: two masks have the same value in it; export it again")
    missing = [mask for mask in mask_of.values() if mask not in masks]
    if missing:
        raise DataError(
            f"{where}: names the mask {missing[0]!r}, which is not in the file "
            f"({len(missing)} are not); export it again"
        )
    crops = crop_each_id(ids_HW)
    crops.pop(0, None)
    for value, crop in crops.items():
        if value not in mask_of:
            raise DataError(
                f"{where}: value {value} ({crop.area_px} px) has no mask in "
                f"mask_annotation_ids_mapping; export it again"
            )
    return [_make_shape(masks[mask_of[value]], masks=(crop,)) for value, crop in crops.items()]


def _decode_layer(
    layer: RasterLayer, size_HW: tuple[int, int], where: str
) -> NDArray[np.int32]:
    """Decode the values of a raster layer, H x W."""
    pairs, num = np.array(layer.dense_rle, np.int64), size_HW[0] * size_HW[1]
    if len(pairs) % 2:
        raise DataError(
            f"{where}: dense_rle has {len(pairs)} numbers, expected pairs of value and length; "
            f"export it again"
        )
    values, lengths = pairs[::2], pairs[1::2]
    if layer.total_pixels != num or lengths.sum() != num:
        raise DataError(
            f"{where}: total_pixels is {layer.total_pixels} and the lengths of dense_rle add "
            f"up to {lengths.sum()}, the image has {size_HW[0]} x {size_HW[1]} = {num} pixels; "
            f"export it again"
        )
    return np.repeat(values.astype(np.int32), lengths).reshape(size_HW)  # (H * W) -> (H, W)


def _is_polygon(shape: Shape, drawing: Drawing) -> bool:
    """Whether even-odd rings give the same region."""
    even_odd = len(shape.rings) == 1 or drawing.raster not in UNITED
    return bool(shape.rings) and not shape.masks and even_odd and all(map(len, shape.rings))


def _start_annotation(
    picture: Picture, key: int | str, name: str, instance: int | None = None
) -> WrittenAnnotation:
    """Start an annotation without its region; its id depends on dataset, image and `key`."""
    place = f"{picture.fingerprint()}/{picture.entry.split}/{picture.entry.key}"
    own_id = uuid.uuid5(_IDS, f"{place}/{key}")
    annotation: WrittenAnnotation = {
        "id": str(own_id),
        "name": name,
        "slot_names": [SLOT],
        "properties": [],
    }
    if instance is not None:
        annotation["instance_id"] = {"value": instance}
    return annotation


def _number_instances(shapes: Sequence[Shape]) -> list[int | None]:
    """Number the instances of the shapes from 1; None for a shape without one."""
    number_of: dict[str, int] = {}
    return [
        None
        if shape.instance is None
        else number_of.setdefault(shape.instance, len(number_of) + 1)
        for shape in shapes
    ]


def _encode_polygons(picture: Picture) -> list[WrittenAnnotation]:
    written = []
    shapes = picture.drawing.shapes
    for index, (shape, instance) in enumerate(
        zip(shapes, _number_instances(shapes), strict=True)
    ):
        corners_N2 = np.concatenate(shape.rings)
        (left, top), (right, bottom) = corners_N2.min(0).tolist(), corners_N2.max(0).tolist()
        paths: list[list[WrittenPoint]] = [
            [{"x": x, "y": y} for x, y in ring.tolist()] for ring in shape.rings
        ]
        annotation = _start_annotation(picture, index, shape.label, instance)
        annotation["bounding_box"] = {"x": left, "y": top, "w": right - left, "h": bottom - top}
        annotation["polygon"] = {"paths": paths}
        written.append(annotation)
    return written


def _encode_masks(picture: Picture) -> list[WrittenAnnotation]:
    """Write a mask for each visible shape, and the raster layer with the pixels of all."""
    shapes, crops = picture.drawing.shapes, picture.drawing.fill_shapes()
    shape_HW = np.zeros(picture.size_HW, np.int32)  # index of the visible shape, from 1
    for number, crop in enumerate(crops, start=1):
        shape_HW[crop.slices][crop.inside_hw] = number
    visible = np.unique(shape_HW[shape_HW > 0]).tolist()
    instances = _number_instances(shapes)
    written = []
    for number in visible:
        label, instance = shapes[number - 1].label, instances[number - 1]
        annotation = _start_annotation(picture, number, label, instance)
        annotation["mask"] = {}
        written.append(annotation)
    if not written:
        return []
    value_of = np.zeros(len(shapes) + 1, np.int32)
    value_of[visible] = np.arange(1, len(visible) + 1)
    layer = _start_annotation(picture, LAYER, LAYER)
    layer["raster_layer"] = {
        "dense_rle": _encode_runs(value_of[shape_HW]),
        "mask_annotation_ids_mapping": {m["id"]: n for n, m in enumerate(written, start=1)},
        "total_pixels": shape_HW.size,
    }
    return [*written, layer]


def _encode_runs(values_HW: NDArray[np.int32]) -> list[int]:
    """Encode (value, length) pairs along the rows."""
    flat = values_HW.ravel()
    starts = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1))
    lengths = np.diff(starts, append=flat.size)
    pairs: list[int] = np.column_stack((flat[starts], lengths)).ravel().tolist()
    return pairs
