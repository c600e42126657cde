"""V7 Darwin JSON 2.0: a JSON file for each item, with polygons and one raster layer.

    <folders>/<name>.json     images/<path>/<name>    ("item": its path and name, one slot)

A mask is an annotation whose pixels lie in the annotation `__raster_layer__`: (value, length)
pairs along the rows, where `mask_annotation_ids_mapping` gives each mask its value. Rings of a
polygon ("paths") are filled even-odd, as darwin-py draws them in its mask exports
(`shapes/scanline.py`); it decides for a whole file whether polygons reach past the image, here
each is looked at alone. Annotations are painted as they lie in the file, the raster layer where
it lies; darwin-py refuses to export a file with both. All else is no region and counted.

Written are `images/<split>/` and `annotations/<split>/`: polygons where all shapes of an image
are some, else one raster layer. IGNORE is a class `__ignore__`.
Source: docs.v7labs.com, "Darwin JSON"; darwin-py 3.6, utils/utils.py, exporter/formats/mask.py.
"""

import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ....core.atomic import write_json
from ....core.errors import DataError
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
from ...shapes.raster import UNITED
from ...shapes.segments import crop_each_id
from .documents import Drawn, Item, ItemFile, Layer, Named, Names, Polygon, Slot, item_of

HOLDS = frozenset({"overlaps", "instances", "ignored", "splits"})
OVERLAP: Overlap = "file"
IMAGES, ANNOTATIONS, LAYER, SLOT = "images", "annotations", "__raster_layer__", "0"
_SCHEMA = "https://darwin-public.s3.eu-west-1.amazonaws.com/darwin_json/2.0/schema.json"
_IDS = uuid.UUID("5a0f9b7e-6c0e-4d64-9f43-5d1a3f6f2f0d")
_RASTERED = "polygons beside masks, written as pixels: V7 takes an image of one kind"
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
    """Every JSON file with its image.

    Raises:
        DataError: A file is no Darwin JSON 2.0, is of a video or volume, or two files name one
            image.
    """
    images, overlap = ImageLookup(root), document.overlap or OVERLAP
    entries: dict[ImageRef, Entry] = {}
    lone, labels = [], set[str]()
    for path in _files(root):
        found = read_json(path, Names)
        item = item_of(found.item, path)
        labels |= {a.name.strip() for a in found.annotations if _is_region(a)}
        image = _image(item, images, path)
        if image is None:
            lone.append(path)
            continue
        if image in entries:
            raise DataError(
                f"{path} and {entries[image].labels} both mean {image}; keep one release, or "
                f"put the images into folders as V7 has them"
            )
        split, key, group = parse_place(image.path.relative_to(root))
        shapes = Annotation(file=path, overlap=overlap, read=partial(_read, path, image))
        entries[image] = Entry(key=key, split=split, image=image, labels=shapes, group=group)
    if not entries:
        raise DataError(f"{root}: no JSON file here names an image that is here too")
    bare = len(images) - len(entries)
    return Scan(
        entries=make_keys_unique(entries.values()),
        lone_masks=tuple(lone),
        classes=list_shape_classes(labels, document),
        codec=SHAPE_CODEC,
        overlap=overlap,
        notes=(f"{bare} images without a JSON file are passed over",) if bare else (),
    )


def write(folder: Path, picture: Picture) -> WriteResult:
    """The image, and its JSON file in a folder beside."""
    split, drawing = picture.entry.split, picture.drawing
    copy_image(picture, folder / IMAGES / split / picture.name)
    outlined = bool(drawing.shapes) and all(_is_polygon(s, drawing) for s in drawing.shapes)
    annotations = _outlined(picture) if outlined else _layered(picture)
    height, width = picture.size_HW
    slot = {"type": "image", "slot_name": SLOT, "width": width, "height": height}
    slot["source_files"] = [{"file_name": picture.name}]
    item = {"name": picture.name, "path": f"/{split}", "slots": [slot]}
    path = folder / ANNOTATIONS / split / f"{picture.entry.key}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"version": "2.0", "schema_ref": _SCHEMA, "item": item}
    write_json(path, {**content, "annotations": annotations})
    if outlined:
        moved = sum(count_moved(drawing, shape, "darwin") for shape in drawing.shapes)
        return WriteResult(lost={MOVED: moved})
    rings = sum(bool(shape.rings) for shape in drawing.shapes)
    return WriteResult(lost={_RASTERED: rings, _HIDDEN: count_overlap_pixels(drawing, "file")})


def _files(root: Path) -> Iterator[Path]:
    """JSON files, each once: `releases/latest` is a link to another release."""
    seen = set[Path]()
    for path in find_annotation_files(root, ".json"):
        place = path.resolve()
        if place not in seen:
            yield path
        seen.add(place)


def _image(item: Item, images: ImageLookup, path: Path) -> ImageRef | None:
    """By folder and name; darwin-py gives the file the suffix of what was uploaded."""
    names = [item.name]
    if files := item.slots[0].source_files:
        names.append(f"{Path(item.name).stem}{Path(files[0].file_name).suffix}")
    place = item.path.replace("\\", "/").strip("/")
    for name in names:
        where = f"{place}/{name}" if place else name
        if image := images.find(where, where=str(path)):
            return image
    return None


def _is_region(named: Named) -> bool:
    return named.polygon is not None or named.mask is not None


def _read(path: Path, image: ImageRef) -> Drawing:
    found = read_json(path, ItemFile)
    size_HW, slot = image_size(image), item_of(found.item, path).slots[0]
    if (slot.height or size_HW[0], slot.width or size_HW[1]) != size_HW:
        raise DataError(
            f"{path}: is of {slot.height} x {slot.width} (H x W), {image} is {size_HW}; put "
            f"the image there that was annotated"
        )
    masks = {a.id: a for a in found.annotations if a.mask is not None}
    shapes, skipped, layers = list[Shape](), Counter[str](), 0
    for number, drawn in enumerate(found.annotations):
        where = f"{path}: annotations.{number}"
        _refuse_elsewhere(drawn, slot, where)
        if drawn.raster_layer is not None:
            layers += 1
            shapes += _masks(drawn.raster_layer, masks, size_HW, where)
        elif drawn.polygon is not None:
            shapes.append(_shape(drawn, rings=_rings(drawn.polygon, where)))
        elif drawn.mask is None:
            extra = drawn.model_extra or {}
            skipped[next((_KINDS[kind] for kind in _KINDS if kind in extra), _OTHER)] += 1
    if layers > 1 or (masks and not layers):
        raise DataError(
            f"{path}: {len(masks)} masks and {layers} raster layers, masks lie in exactly one; "
            f"export it again"
        )
    skipped["masks without a pixel"] = len(masks) - sum(bool(s.masks) for s in shapes)
    return Drawing(size_HW=size_HW, shapes=tuple(shapes), raster="darwin", skipped=skipped)


def _refuse_elsewhere(drawn: Drawn, slot: Slot, where: str) -> None:
    if drawn.frames is not None:
        raise DataError(f"{where}: has frames, as those of videos; only images are read")
    if drawn.slot_names and slot.slot_name not in drawn.slot_names:
        raise DataError(
            f"{where}: is in slot {drawn.slot_names[0]!r}, the item has {slot.slot_name!r} "
            f"alone; export it again"
        )


def _shape(drawn: Drawn, **region: Any) -> Shape:
    attributes: dict[str, list[str]] = {}
    for found in drawn.properties or ():
        if found.value is not None:
            attributes.setdefault(found.name, []).append(str(found.value))
    if drawn.text is not None and drawn.text.text:
        attributes.setdefault("text", []).append(drawn.text.text)
    return Shape(
        label=drawn.name.strip(),
        instance=None if drawn.instance_id is None else str(drawn.instance_id.value),
        attributes={name: ", ".join(values) for name, values in attributes.items()},
        **region,
    )


def _rings(polygon: Polygon, where: str) -> tuple[Any, ...]:
    paths = polygon.paths or ((polygon.path,) if polygon.path else ())
    if not paths:
        raise DataError(f"{where}: a polygon without a corner; remove it")
    return tuple(np.array([(p.x, p.y) for p in path], np.float64) for path in paths)


def _masks(
    layer: Layer, masks: dict[str, Drawn], size_HW: tuple[int, int], where: str
) -> list[Shape]:
    """The masks of a raster layer that have pixels."""
    ids_HW = _values(layer, size_HW, where)
    named = {value: mask for mask, value in layer.mask_annotation_ids_mapping.items()}
    if len(named) < len(layer.mask_annotation_ids_mapping):
        raise DataError(f"{where}: two masks have the same value in it; export it again")
    lone = [mask for mask in named.values() if mask not in masks]
    if lone:
        raise DataError(
            f"{where}: names the mask {lone[0]!r}, which is not in the file ({len(lone)} are "
            f"not); export it again"
        )
    crops = crop_each_id(ids_HW)
    crops.pop(0, None)
    for value, crop in crops.items():
        if value not in named:
            raise DataError(
                f"{where}: value {value} ({crop.area_px} px) is of no mask in "
                f"mask_annotation_ids_mapping; export it again"
            )
    return [_shape(masks[named[value]], masks=(crop,)) for value, crop in crops.items()]


def _values(layer: Layer, size_HW: tuple[int, int], where: str) -> Any:
    """H x W values of a layer."""
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
    return np.repeat(values.astype(np.int32), lengths).reshape(size_HW)


def _is_polygon(shape: Shape, drawing: Drawing) -> bool:
    """Whether even-odd rings can be what was drawn."""
    even_odd = len(shape.rings) == 1 or drawing.raster not in UNITED
    return bool(shape.rings) and not shape.masks and even_odd and all(map(len, shape.rings))


def _head(picture: Picture, number: int | str, name: str) -> dict[str, Any]:
    """An id that is the same each time the image is written."""
    known = uuid.uuid5(_IDS, f"{picture.entry.split}/{picture.entry.key}/{number}")
    return {"id": str(known), "name": name, "slot_names": [SLOT], "properties": []}


def _numbers(shapes: Sequence[Shape]) -> list[dict[str, Any]]:
    """`instance_id` of each shape, counted from 1."""
    known: dict[str, int] = {}
    return [
        {}
        if shape.instance is None
        else {"instance_id": {"value": known.setdefault(shape.instance, len(known) + 1)}}
        for shape in shapes
    ]


def _outlined(picture: Picture) -> list[dict[str, Any]]:
    written = []
    shapes = picture.drawing.shapes
    for number, (shape, instance) in enumerate(zip(shapes, _numbers(shapes), strict=True)):
        every = np.concatenate(shape.rings)
        (x, y), (right, bottom) = every.min(axis=0).tolist(), every.max(axis=0).tolist()
        paths = [[{"x": x, "y": y} for x, y in ring.tolist()] for ring in shape.rings]
        box = {"x": x, "y": y, "w": right - x, "h": bottom - y}
        common = _head(picture, number, shape.label)
        written.append({**common, **instance, "bounding_box": box, "polygon": {"paths": paths}})
    return written


def _layered(picture: Picture) -> list[dict[str, Any]]:
    """A mask for each shape that is seen, and the layer with the pixels of all."""
    shapes, crops = picture.drawing.shapes, picture.drawing.fill_shapes()
    seen_HW = np.zeros(picture.size_HW, np.int32)
    for number, crop in enumerate(crops, start=1):
        seen_HW[crop.slices][crop.inside_hw] = number
    seen = np.unique(seen_HW[seen_HW > 0]).tolist()
    written = [
        {**_head(picture, n, shapes[n - 1].label), **instance, "mask": {}}
        for n, instance in enumerate(_numbers(shapes), start=1)
        if n in set(seen)
    ]
    if not written:
        return []
    value_of = np.zeros(len(shapes) + 1, np.int32)
    value_of[seen] = np.arange(1, len(seen) + 1)
    layer = {
        "dense_rle": _runs(value_of[seen_HW]),
        "mask_annotation_ids_mapping": {m["id"]: n for n, m in enumerate(written, start=1)},
        "total_pixels": seen_HW.size,
    }
    return [*written, {**_head(picture, LAYER, LAYER), "raster_layer": layer}]


def _runs(values_HW: Any) -> list[int]:
    """(value, length) pairs along the rows."""
    flat = values_HW.ravel()
    starts = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1))
    lengths = np.diff(starts, append=flat.size)
    pairs: list[int] = np.column_stack((flat[starts], lengths)).ravel().tolist()
    return pairs
