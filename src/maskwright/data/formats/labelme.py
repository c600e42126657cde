"""Labelme: one JSON file per image, with shapes in the order of painting.

    <folders>/<name>.json    "imagePath" names the image, relative to the JSON file's folder

Folders named like a split are splits, other folders are groups; images without a JSON file are
skipped. A later shape lies over an earlier one. Shapes are filled as Labelme does
(`shape_to_mask`): by Pillow with the outline, lines 10 pixels wide, a point as a disc of radius
5. `__ignore__` is IGNORE and `_background_` the background. X-AnyLabeling writes such files
too, with the key "difficult"; there, points and lines are not regions, as for its own export.
Flags and the description of a shape are its attributes; flags of an image are counted. Files in
the code page of an old Windows are read where it is clear (`reading/codepage.py`).

A polygon of one ring is written as a polygon, all other shapes as masks. Instances become whole
numbers from 1 in each image, since Labelme refuses a `group_id` of text.
Source: labelme 5 to 7, labelme/_label_file.py and labelme/utils/shape.py.
"""

import base64
import io
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ...core.atomic import write_json
from ...core.errors import DataError
from ...core.labels import LabelSpec
from ..classes.dataset_yaml import DatasetFile
from ..entries.annotation import SHAPE_CODEC, Annotation, list_shape_classes
from ..entries.picture import (
    MASKED,
    MOVED,
    Picture,
    Record,
    WriteResult,
    copy_image,
    count_masked,
    count_moved,
)
from ..entries.scan import Entry, Scan, parse_place
from ..pixels.imageref import ImageRef
from ..pixels.images import image_size
from ..reading.codepage import choose_code_page, is_utf8
from ..reading.documents import (
    Document,
    Finite,
    Side,
    find_annotation_files,
    peek_first,
    read_json,
)
from ..reading.lookup import ImageLookup
from ..reading.pngmask import decode_mask_text, open_png
from ..shapes.drawing import Drawing, Overlap, Shape
from ..shapes.raster import Crop, Raster, Ring, crop_mask

HOLDS = frozenset(
    {"polygons", "overlaps", "attributes", "instances", "ignored", "usual splits"}
)
OUTLINE_FILL: Raster = "pillow"
OVERLAP: Overlap = "file"
_DESCRIPTION = "description"
_FLAGS = {"true": True, "false": False}
_NO_FLAGS = "attributes of shapes, which are neither a flag (true or false) nor a description"
_UTF8 = "utf-8"
_LINE_PX, _POINT_PX = 10, 5
"""Width of a line, radius of a point."""

_Kind = Literal[
    "polygon",
    "rectangle",
    "oriented_rectangle",
    "rotation",
    "circle",
    "line",
    "linestrip",
    "point",
    "points",
    "mask",
]
_NUM_POINTS = {
    "rectangle": (2, 4),
    "circle": (2,),
    "line": (2,),
    "point": (1,),
    "mask": (2,),
}
"""Allowed numbers of points; X-AnyLabeling gives a rectangle its four corners."""

_PRIMITIVES = {
    "rectangle": "rectangles",
    "oriented_rectangle": "rotated rectangles",
    "rotation": "rotated rectangles",
    "circle": "circles",
    "line": "lines",
    "linestrip": "lines",
    "point": "points",
}
"""What is drawn that is neither a polygon nor a mask."""


_PLURAL = {
    "points": "shapes of several points",
    "point": "points",
    "line": "lines",
    "linestrip": "lines of several corners",
}
_NOT_REGIONS = frozenset({"points"})
_NOT_REGIONS_OF_X = frozenset({"points", "point", "line", "linestrip"})
"""Kinds of shapes that are counted, in files of Labelme and of X-AnyLabeling."""


class _Shape(Document):
    label: str
    points: tuple[tuple[Finite, Finite], ...]
    shape_type: _Kind = "polygon"
    group_id: int | str | None = None
    description: str | None = None
    flags: dict[str, bool] | None = None
    mask: str | None = None
    difficult: bool | None = None


class _File(Document):
    shapes: tuple[_Shape, ...]
    imagePath: str
    flags: dict[str, object] | None = None
    imageHeight: Side | None = None
    imageWidth: Side | None = None


class _Label(Document):
    label: str
    shape_type: str = "polygon"
    difficult: bool | None = None


class _Labels(Document):
    """The labels alone, for the pass that lists classes."""

    shapes: tuple[_Label, ...]
    imagePath: str


_AnyShape = TypeVar("_AnyShape", _Shape, _Label)


def recognises(root: Path) -> bool:
    """Whether the first JSON file has Labelme's keys."""
    text = peek_first(root, ".json")
    return '"shapes"' in text and '"imagePath"' in text


def scan(root: Path, document: DatasetFile) -> Scan:
    """List every JSON file with its image.

    Raises:
        DataError: A file is not one of Labelme, or several files could be its image.
    """
    images, overlap = ImageLookup(root), document.overlap or OVERLAP
    entries, lone, labels = dict[ImageRef, Entry](), list[Path](), set[str]()
    code_pages = Counter[str]()
    for path, file, encoding in _read_all_labels(root):
        labels |= {shape.label for shape in _select_regions(file.shapes)}
        code_pages[encoding] += 1
        image = images.find(file.imagePath, near=path.parent, where=str(path))
        if image is None:
            lone.append(path)
            continue
        split, key, group = parse_place(image.path.relative_to(root))
        read = partial(_read, path, image, encoding)
        shapes = Annotation(file=path, overlap=overlap, read=read)
        if image in entries:
            raise DataError(
                f"{path} and {entries[image].labels} both label {image}; keep one of the files"
            )
        entries[image] = Entry(key=key, split=split, image=image, labels=shapes, group=group)
    if not entries:
        raise DataError(
            f"{root}: found no image that a JSON file here names; put the images beside them"
        )
    return Scan(
        entries=tuple(entries.values()),
        lone_masks=tuple(lone),
        left_out=images.leave_out_others("images without a JSON file", entries),
        classes=list_shape_classes(labels, document),
        codec=SHAPE_CODEC,
        overlap=overlap,
        notes=tuple(_describe_code_pages(code_pages, labels)),
    )


def _read_all_labels(root: Path) -> Iterator[tuple[Path, _Labels, str]]:
    """Read the labels of every JSON file; also gives the encoding of the file."""
    not_utf8 = []
    for path in find_annotation_files(root, ".json"):
        try:
            yield path, read_json(path, _Labels), _UTF8
        except DataError:
            if is_utf8(path):
                raise
            not_utf8.append(path)
    encoding = choose_code_page(not_utf8) if not_utf8 else _UTF8
    for path in not_utf8:
        yield path, read_json(path, _Labels, encoding=encoding), encoding


def _describe_code_pages(code_pages: Counter[str], labels: set[str]) -> Iterator[str]:
    for encoding, num in code_pages.items():
        if encoding != _UTF8:
            odd = next((label for label in sorted(labels) if not label.isascii()), "")
            example = f", which gives the label {odd!r}" if odd else ""
            yield (
                f"{num} JSON files are not UTF-8 and are read in the code page {encoding}"
                f"{example}; save them as UTF-8 if that is wrong"
            )


def _select_regions(shapes: Sequence[_AnyShape]) -> list[_AnyShape]:
    """Select the shapes that are regions, by the rule of the tool that wrote the file."""
    is_of_x = any(shape.difficult is not None for shape in shapes)
    others = _NOT_REGIONS_OF_X if is_of_x else _NOT_REGIONS
    return [shape for shape in shapes if shape.shape_type not in others]


def write(folder: Path, picture: Picture) -> WriteResult:
    """Write the image and its JSON file side by side, into the folder of the split."""
    target = folder / picture.entry.split
    copy_image(picture, target / picture.name)
    height, width = picture.size_HW
    drawing = picture.drawing
    number_of: dict[str, int] = {}
    written = [
        document
        for shape in drawing.shapes
        for document in _write_shape(shape, drawing, number_of)
    ]
    document: dict[str, object] = {
        "version": "5.10.1",
        "flags": {},
        "shapes": written,
        "imagePath": picture.name,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }
    write_json(target / f"{picture.entry.key}.json", document)
    polygons = [shape for shape in drawing.shapes if shape.is_polygon]
    lost = {
        MOVED: sum(count_moved(drawing, shape, OUTLINE_FILL) for shape in polygons),
        MASKED: count_masked(drawing),
        _NO_FLAGS: sum(_count_other_attributes(shape) for shape in drawing.shapes),
    }
    return WriteResult(lost=lost)


def finish(folder: Path, spec: LabelSpec, _records: Iterable[Record]) -> None:
    """Write the list of labels that Labelme takes as `--labels`."""
    names = ("__ignore__", "_background_", *spec.names)
    (folder / "labels.txt").write_text("\n".join(dict.fromkeys(names)) + "\n", "utf-8")


def _read(path: Path, image: ImageRef, encoding: str) -> Drawing:
    file = read_json(path, _File, encoding=encoding)
    size_HW = (file.imageHeight or 0, file.imageWidth or 0)
    if not all(size_HW):
        size_HW = image_size(image)
    regions = _select_regions(file.shapes)
    skipped = Counter(_PLURAL[s.shape_type] for s in file.shapes if s.shape_type in _PLURAL)
    skipped.subtract(_PLURAL[s.shape_type] for s in regions if s.shape_type in _PLURAL)
    whole = [s for s in regions if s.shape_type != "polygon" or len(s.points) > 2]
    skipped["polygons of fewer than three corners"] += len(regions) - len(whole)
    return Drawing(
        size_HW=size_HW,
        shapes=tuple(
            _read_shape(shape, size_HW, f"{path}: shapes.{index}")
            for index, shape in enumerate(whole)
        ),
        raster="pillow",
        skipped=+skipped,
        unread={"flags of images": len(file.flags or {})},
    )


def _read_shape(shape: _Shape, size_HW: tuple[int, int], where: str) -> Shape:
    kind, points = shape.shape_type, np.array(shape.points, np.float64).reshape(-1, 2)
    least = 2 if kind == "linestrip" else 3
    if len(points) not in _NUM_POINTS.get(kind, (max(least, len(points)),)):
        expected = _NUM_POINTS.get(kind, (least,))[0]
        raise DataError(
            f"{where}: a {kind} of {len(points)} points, expected {expected}; draw it again or "
            f"remove it"
        )
    rings: tuple[Ring, ...] = ()
    masks: tuple[Crop, ...] = ()
    if kind in {"polygon", "oriented_rectangle", "rotation"}:
        rings = (points,)
    elif kind == "mask":
        masks = (_decode_mask(shape, size_HW, where),)
    else:
        masks = (_draw_shape(kind, points, size_HW),)
    flags = {name: "true" if value else "false" for name, value in (shape.flags or {}).items()}
    return Shape(
        label=shape.label,
        rings=rings,
        masks=masks,
        instance=None if shape.group_id is None else str(shape.group_id),
        attributes={**flags, _DESCRIPTION: shape.description} if shape.description else flags,
        primitive="" if kind in {"polygon", "mask"} else _PRIMITIVES[kind],
    )


def _draw_shape(kind: str, points: NDArray[np.float64], size_HW: tuple[int, int]) -> Crop:
    """Draw a shape that is not a polygon, as Labelme does with Pillow."""
    canvas = Image.new("L", size_HW[::-1])
    draw = ImageDraw.Draw(canvas)
    corners = [(x, y) for x, y in points.tolist()]
    if kind == "rectangle":
        low, high = points.min(axis=0).tolist(), points.max(axis=0).tolist()
        draw.rectangle([*low, *high], outline=1, fill=1)
    elif kind in {"circle", "point"}:
        (x, y), radius = corners[0], float(_POINT_PX)
        if kind == "circle":
            radius = math.hypot(x - corners[1][0], y - corners[1][1])
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], outline=1, fill=1)
    else:
        draw.line(corners, fill=1, width=_LINE_PX)
    return crop_mask(np.array(canvas, np.bool_))


def _decode_mask(shape: _Shape, size_HW: tuple[int, int], where: str) -> Crop:
    """Decode a PNG mask; its upper left pixel lies at the first point."""
    content = decode_mask_text(shape.mask or "", where=where)
    with open_png(content, size_HW, where=where) as image:
        inside_hw = np.array(image).astype(np.bool_)
    if inside_hw.ndim != 2:
        raise DataError(
            f"{where}: its mask has {inside_hw.shape[2]} channels, expected one; export it "
            f"again"
        )
    left, top = (math.floor(min(c)) for c in zip(*shape.points, strict=True))
    return Crop(top, left, inside_hw)


def _is_flag(name: str, value: str) -> bool:
    return name != _DESCRIPTION and value in _FLAGS


def _count_other_attributes(shape: Shape) -> int:
    """Count the attributes that Labelme has no field for."""
    items = shape.attributes.items()
    return sum(name != _DESCRIPTION and not _is_flag(name, value) for name, value in items)


def _write_shape(
    shape: Shape, drawing: Drawing, number_of: dict[str, int]
) -> Iterator[dict[str, object]]:
    """Describe a shape: one ring as a polygon, all else as a mask; nothing if it is empty.

    `number_of` holds the number of each instance of the image, and gets new ones.
    """
    instance = shape.instance
    common: dict[str, object] = {
        "label": shape.label,
        "group_id": None
        if instance is None
        else number_of.setdefault(instance, len(number_of) + 1),
        "description": shape.attributes.get(_DESCRIPTION, ""),
        "flags": {n: _FLAGS[v] for n, v in shape.attributes.items() if _is_flag(n, v)},
    }
    if shape.is_polygon:
        points = shape.rings[0].tolist()
        yield {**common, "points": points, "shape_type": "polygon", "mask": None}
        return
    crop = shape.fill(drawing.size_HW, drawing.raster)
    if crop.area_px:
        height, width = crop.inside_hw.shape
        corners = [
            [crop.left, crop.top],
            [crop.left + width - 1, crop.top + height - 1],
        ]
        yield {**common, "points": corners, "shape_type": "mask", "mask": _encode_png(crop)}


def _encode_png(crop: Crop) -> str:
    buffer = io.BytesIO()
    Image.fromarray(crop.inside_hw.astype(np.uint8)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")
