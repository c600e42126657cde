"""Supervisely: a project with its classes, and one JSON file per image of its datasets.

    meta.json     <dataset>/img/<name.ext>     <dataset>/ann/<name.ext>.json

Datasets named like a split are splits. A bitmap is a PNG, compressed with zlib and encoded in
base64, whose opaque pixels are inside; its upper left pixel lies at `origin`. Polygons have
holes and are filled as by Supervisely's library: by OpenCV, outline included, the outline of a
hole is outside. Objects are painted in the order of the file. Objects other than bitmaps and
polygons are skipped and counted.

Polygons are written as polygons, all other shapes as bitmaps. Attributes are written as tags,
IGNORE as a class `__ignore__`. Images without a split go into a dataset `images`.
Source: docs.supervisely.com, "Annotation JSON format"; supervisely 6, geometry/bitmap.py,
geometry/polygon.py and annotation/label.py.
"""

import base64
import io
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from ...core.atomic import write_json
from ...core.errors import DataError
from ...core.labels import IGNORE, LabelSpec, voc_palette
from ..classes.dataset_yaml import ClassEntry, DatasetFile
from ..classes.kinds import BACKGROUND_NAMES
from ..entries.annotation import IGNORED, SHAPE_CODEC, Annotation, list_shape_classes
from ..entries.picture import (
    MASKED,
    MOVED,
    Picture,
    Record,
    WriteResult,
    copy_image,
    count_moved,
)
from ..entries.scan import Entry, Scan, make_keys_unique, parse_place
from ..pixels.imageref import ImageRef
from ..pixels.images import image_size
from ..reading.documents import Document, Finite, Side, find_annotation_files, peek, read_json
from ..reading.lookup import ImageLookup
from ..reading.pngmask import decode_mask_text, inflate, open_png
from ..shapes.drawing import Drawing, Overlap, Shape
from ..shapes.raster import Crop, Ring, crop_mask

HOLDS = frozenset(
    {"polygons", "overlaps", "attributes", "instances", "ignored", "usual splits"}
)
OVERLAP: Overlap = "file"
META, IMAGES, ANNOTATIONS, UNNAMED = "meta.json", "img", "ann", "images"
_REGIONS = frozenset({"bitmap", "polygon", "any"})
_PLURAL = {
    "rectangle": "boxes",
    "line": "lines",
    "point": "points",
    "graph": "skeletons",
    "cuboid": "cuboids",
    "alpha_mask": "masks of transparency",
}
_OTHER = "objects of another kind"
_SLACK = 1 << 20
"""Bytes that a PNG may have beside its pixels."""


class _Class(Document):
    title: str
    shape: str = "any"
    color: Annotated[str, Field(pattern="^#[0-9a-fA-F]{6}$")] | None = None


class _Meta(Document):
    classes: tuple[_Class, ...]


class _Size(Document):
    height: Side
    width: Side


class _Bitmap(Document):
    data: str
    origin: tuple[int, int]


_Ring = Annotated[tuple[tuple[Finite, Finite], ...], Field(min_length=1)]


class _Points(Document):
    exterior: tuple[tuple[Finite, Finite], ...] = ()
    interior: tuple[_Ring, ...] = ()


class _Tag(Document):
    name: str
    value: Any = None


class _Object(Document):
    classTitle: str
    id: int | str | None = None
    geometryType: str | None = None
    shape: str | None = None
    bitmap: _Bitmap | None = None
    points: _Points | None = None
    tags: tuple[_Tag, ...] = ()


class _File(Document):
    size: _Size
    objects: tuple[_Object, ...]
    tags: tuple[_Tag, ...] = ()


class _WrittenBitmap(TypedDict):
    origin: list[int]
    data: str


class _WrittenPoints(TypedDict):
    exterior: list[list[float]]
    interior: list[list[list[float]]]


class _WrittenRegion(TypedDict):
    """The keys of an object that hold its region, as they are written."""

    geometryType: str
    shape: str
    points: NotRequired[_WrittenPoints]
    bitmap: NotRequired[_WrittenBitmap]


def recognises(root: Path) -> bool:
    """Whether a meta.json lists classes, and annotations lie beside images."""
    metas = [p for p in (root / META, *sorted(root.glob(f"*/{META}"))) if p.is_file()]
    return any('"classes"' in peek(path) and _has_dataset(path.parent) for path in metas)


def scan(root: Path, document: DatasetFile) -> Scan:
    """List every image that has a JSON file.

    Raises:
        DataError: There is no project, or none of its images is here.
    """
    images, overlap = ImageLookup(root), document.overlap or OVERLAP
    metas = _read_metas(root)
    entries, lone = list[Entry](), list[Path]()
    for path in find_annotation_files(root, ".json"):
        if path.parent.name != ANNOTATIONS:
            continue
        image = _find_image(path, images)
        if image is None:
            lone.append(path)
        else:
            meta = next((metas[p] for p in path.parents if p in metas), _Meta(classes=()))
            kinds = {c.title: c.shape for c in meta.classes}
            read = partial(_read, path, image, kinds)
            shapes = Annotation(file=path, overlap=overlap, read=read)
            entries.append(_make_entry(root, image, shapes))
    if not entries:
        raise DataError(
            f"{root}: no file <dataset>/{ANNOTATIONS}/<name>.json has an image in "
            f"<dataset>/{IMAGES}; export the project with its images"
        )
    used = {entry.image for entry in entries}
    return Scan(
        entries=make_keys_unique(entries),
        lone_masks=tuple(lone),
        classes=_list_classes(metas.values(), document),
        codec=SHAPE_CODEC,
        overlap=overlap,
        left_out=images.leave_out_others("images without a JSON file", used),
    )


def write(folder: Path, picture: Picture) -> WriteResult:
    """Write the image and its JSON file, into the dataset of its split."""
    target, drawing = folder / (picture.entry.split or UNNAMED), picture.drawing
    copy_image(picture, target / IMAGES / picture.name)
    height, width = picture.size_HW
    id_of: dict[str, int] = {}
    objects: list[dict[str, object]] = []
    for shape in drawing.shapes:
        region = _write_region(shape, drawing)
        if region is None:
            continue
        name = shape.instance
        id_key = {} if name is None else {"id": id_of.setdefault(name, len(id_of) + 1)}
        tags = [{"name": name, "value": value} for name, value in shape.attributes.items()]
        objects.append({**id_key, "classTitle": shape.label, "tags": tags, **region})
    path = target / ANNOTATIONS / f"{picture.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    size = {"height": height, "width": width}
    write_json(path, {"description": "", "tags": [], "size": size, "objects": objects})
    polygons = [shape for shape in drawing.shapes if _is_polygon(shape, drawing)]
    record = {
        "tags": sorted({name for shape in drawing.shapes for name in shape.attributes}),
        "ignored": any(shape.label == IGNORED for shape in drawing.shapes),
    }
    moved = sum(count_moved(drawing, shape, "opencv") for shape in polygons)
    num_rings = sum(bool(shape.rings) for shape in drawing.shapes)
    return WriteResult(record=record, lost={MOVED: moved, MASKED: num_rings - len(polygons)})


def finish(folder: Path, spec: LabelSpec, records: Iterable[Record]) -> None:
    """Write meta.json: the classes with their colours, and the tags."""
    tag_names, ignored = set[str](), False
    for record in records:
        tag_names |= set(record["tags"])
        ignored |= record["ignored"]
    colors = {c.name: c.color for c in spec}
    if ignored:
        colors[IGNORED] = voc_palette()[IGNORE]
    classes = [
        {"title": name, "shape": "any", "color": "#{:02X}{:02X}{:02X}".format(*color)}
        for name, color in colors.items()
    ]
    tags = [
        {"name": name, "value_type": "any_string", "color": "#808080"}
        for name in sorted(tag_names)
    ]
    write_json(folder / META, {"classes": classes, "tags": tags, "projectType": "images"})


def _has_dataset(project: Path) -> bool:
    return any(
        (path.parent / IMAGES).is_dir()
        for pattern in (ANNOTATIONS, f"*/{ANNOTATIONS}", f"*/*/*/{ANNOTATIONS}")
        for path in project.glob(pattern)
    )


def _read_metas(root: Path) -> dict[Path, _Meta]:
    """Read the classes of each project, by its folder."""
    metas = {
        path.parent: read_json(path, _Meta)
        for path in find_annotation_files(root, ".json")
        if path.name == META and path.parent.name not in {IMAGES, ANNOTATIONS}
    }
    if not metas:
        raise DataError(
            f"{root}: expected {META} of Supervisely, which lists the classes, found none; "
            f"export the project again"
        )
    return metas


def _make_entry(root: Path, image: ImageRef, shapes: Annotation) -> Entry:
    split, key, group = parse_place(image.path.relative_to(root))
    return Entry(key=key, split=split, image=image, labels=shapes, group=group)


def _find_image(path: Path, images: ImageLookup) -> ImageRef | None:
    """Find the image of a file: `ann/a.png.json`, in old projects `ann/a.json`: `img/a.png`."""
    folder = path.parent.parent / IMAGES
    return images.find_at(folder, path.stem) or images.find_without_suffix(folder, path.stem)


def _list_classes(metas: Iterable[_Meta], document: DatasetFile) -> tuple[ClassEntry, ...]:
    """List the classes of regions in the order of meta.json, with their colours."""
    listed: dict[str, _Class] = {}
    for meta in metas:
        for entry in meta.classes:
            if entry.shape in _REGIONS:
                listed.setdefault(entry.title, entry)
    classes = list_shape_classes(listed, document)
    if document.classes is not None:
        return classes
    colors = {
        title: tuple(bytes.fromhex(entry.color[1:]))
        for title, entry in listed.items()
        if entry.color is not None
    }
    drawn = [n for n in listed if n != IGNORED and n.lower() not in BACKGROUND_NAMES]
    by_name = {entry.name: entry for entry in classes}
    ordered = (classes[0], *(by_name[name] for name in drawn))
    return tuple(e.model_copy(update={"color": colors.get(e.name)}) for e in ordered)


def _read(path: Path, image: ImageRef, kinds: Mapping[str, str]) -> Drawing:
    file = read_json(path, _File)
    size_HW = file.size.height, file.size.width
    if image_size(image) != size_HW:
        raise DataError(
            f"{path}: annotates an image of {size_HW} (H, W), {image} is {image_size(image)}; "
            f"use the image that was annotated"
        )
    shapes, skipped = [], Counter[str]()
    for index, item in enumerate(file.objects):
        where = f"{path}: objects.{index}"
        if item.classTitle not in kinds:
            raise DataError(
                f"{where}: class {item.classTitle!r} is not in {META}; export the project again"
            )
        kind = item.geometryType or item.shape or kinds[item.classTitle]
        if kind == "bitmap" or (kind == "any" and item.bitmap is not None):
            crop = _decode_bitmap(item.bitmap, size_HW, where)
            shapes.append(_make_shape(item, masks=(crop,)))
        elif kind == "polygon":
            shapes.append(_make_shape(item, rings=_read_rings(item.points, where)))
        else:
            skipped[_PLURAL.get(kind, _OTHER)] += 1
    return Drawing(
        size_HW=size_HW,
        shapes=tuple(shapes),
        raster="opencv",
        skipped=skipped,
        unread={"tags of images": len(file.tags)},
    )


def _make_shape(
    item: _Object, *, rings: tuple[Ring, ...] = (), masks: tuple[Crop, ...] = ()
) -> Shape:
    return Shape(
        label=item.classTitle,
        rings=rings,
        masks=masks,
        instance=None if item.id is None else str(item.id),
        attributes={t.name: "" if t.value is None else str(t.value) for t in item.tags},
    )


def _read_rings(points: _Points | None, where: str) -> tuple[Ring, ...]:
    if points is None or not points.exterior:
        raise DataError(f"{where}: a polygon without a corner; remove it")
    return tuple(np.array(ring, np.float64) for ring in (points.exterior, *points.interior))


def _decode_bitmap(bitmap: _Bitmap | None, size_HW: tuple[int, int], where: str) -> Crop:
    """Decode a bitmap: opaque pixels are inside; without zlib, those that are not zero."""
    if bitmap is None:
        raise DataError(f"{where}: a bitmap without its pixels; export it again")
    content = decode_mask_text(bitmap.data, where=where)
    plain = content.startswith(b"\x89PNG")
    if not plain:
        most_bytes = size_HW[0] * (4 * size_HW[1] + 1) + _SLACK
        content = inflate(content, most_bytes, where=where)
    inside_hw: NDArray[Any]
    with open_png(content, size_HW, where=where) as image:
        if image.mode == "P" and "transparency" in image.info:
            inside_hw = np.array(image.convert("RGBA"))[:, :, 3] > 0
        elif image.mode in {"1", "L", "I", "I;16"}:
            inside_hw = np.array(image).astype(np.bool_)
        elif image.mode in {"RGBA", "LA"}:
            pixels: Any = np.array(image).astype(np.bool_)
            inside_hw = pixels.any(axis=2) if plain else pixels[:, :, -1]
        else:
            raise DataError(
                f"{where}: its mask is a PNG of mode {image.mode!r} without transparency, "
                f"expected a palette with transparency, grey levels or alpha; export it again"
            )
    far = 16 * max(size_HW) + 4096
    if max(map(abs, bitmap.origin)) > far:
        raise DataError(
            f"{where}: its origin is {list(bitmap.origin)}, expected at most {far} px from 0; "
            f"correct or remove it"
        )
    left, top = bitmap.origin
    return Crop(top, left, inside_hw)


def _is_polygon(shape: Shape, drawing: Drawing) -> bool:
    """Whether the shape can be written as one ring with holes."""
    single = len(shape.rings) == 1 or drawing.raster == "opencv"
    return bool(shape.rings) and not shape.masks and single and all(map(len, shape.rings))


def _write_region(shape: Shape, drawing: Drawing) -> _WrittenRegion | None:
    """Describe a region: a polygon as it is, all else as a bitmap; None if it is empty."""
    if _is_polygon(shape, drawing):
        exterior, *interior = (ring.tolist() for ring in shape.rings)
        points: _WrittenPoints = {"exterior": exterior, "interior": interior}
        return {"geometryType": "polygon", "shape": "polygon", "points": points}
    loose = shape.fill(drawing.size_HW, drawing.raster)
    crop = crop_mask(loose.inside_hw)
    if not crop.area_px:
        return None
    origin = [loose.left + crop.left, loose.top + crop.top]
    bitmap: _WrittenBitmap = {"origin": origin, "data": _encode_bitmap(crop.inside_hw)}
    return {"geometryType": "bitmap", "shape": "bitmap", "bitmap": bitmap}


def _encode_bitmap(inside_hw: NDArray[np.bool_]) -> str:
    image, buffer = Image.fromarray(inside_hw.astype(np.uint8)), io.BytesIO()
    image.putpalette([0, 0, 0, 255, 255, 255])
    image.save(buffer, "PNG", transparency=0, optimize=False)
    return base64.b64encode(zlib.compress(buffer.getvalue())).decode("ascii")
