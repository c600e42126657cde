"""Labelme: a JSON file for each image, with shapes in the order of painting.

    <folders>/<name>.json    "imagePath" names the image, from the JSON file's own folder

Folders named like a split are splits, others are groups; images without a file are passed
over. A later shape lies over an earlier one. All is filled as Labelme itself does
(`shape_to_mask`): by Pillow with the outline, lines 10 pixels wide, a point as a disc of 5.
`__ignore__` is IGNORE and `_background_` the background. X-AnyLabeling writes the same files.
Masks are written as masks, and polygons as polygons.
Source: labelme 5 to 7, labelme/_label_file.py and labelme/utils/shape.py.
"""

import base64
import binascii
import io
import math
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, UnidentifiedImageError

from ...core.atomic import write_json
from ...core.errors import DataError
from ...core.labels import LabelSpec
from ..classes.dataset_yaml import DatasetFile
from ..entries.annotation import SHAPE_CODEC, Annotation, list_shape_classes
from ..entries.picture import (
    MOVED,
    Picture,
    Record,
    WriteResult,
    copy_image,
    count_moved,
)
from ..entries.scan import Entry, Scan, parse_place
from ..pixels.imageref import ImageRef
from ..pixels.images import image_size
from ..reading.documents import (
    Document,
    Finite,
    Side,
    find_annotation_files,
    peek_first,
    read_json,
)
from ..reading.lookup import ImageLookup
from ..shapes.drawing import Drawing, Overlap, Shape
from ..shapes.raster import Crop, crop_mask

HOLDS = frozenset({"overlaps", "instances", "ignored", "splits"})
OVERLAP: Overlap = "file"
_LINE_PX, _POINT_PX = 10, 5
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
"""X-AnyLabeling gives a rectangle its four corners."""


class _Shape(Document):
    label: str
    points: tuple[tuple[Finite, Finite], ...]
    shape_type: _Kind = "polygon"
    group_id: int | str | None = None
    mask: str | None = None


class _File(Document):
    shapes: tuple[_Shape, ...]
    imagePath: str
    imageHeight: Side | None = None
    imageWidth: Side | None = None


class _Label(Document):
    label: str


class _Labels(Document):
    """Only the labels, for the pass that collects them."""

    shapes: tuple[_Label, ...]
    imagePath: str


def recognises(root: Path) -> bool:
    """Whether the first JSON file has Labelme's keys."""
    text = peek_first(root, ".json")
    return '"shapes"' in text and '"imagePath"' in text


def scan(root: Path, document: DatasetFile) -> Scan:
    """Every JSON file with its image.

    Raises:
        DataError: A file is not Labelme's, or its image could be one of several.
    """
    images, overlap = ImageLookup(root), document.overlap or OVERLAP
    entries, lone, labels = [], [], set()
    for path in find_annotation_files(root, ".json"):
        found = read_json(path, _Labels)
        labels |= {shape.label for shape in found.shapes}
        image = images.find(found.imagePath, near=path.parent, where=str(path))
        if image is None:
            lone.append(path)
            continue
        split, key, group = parse_place(image.path.relative_to(root))
        shapes = Annotation(file=path, overlap=overlap, read=partial(_read, path, image))
        entries.append(Entry(key=key, split=split, image=image, labels=shapes, group=group))
    if not entries:
        raise DataError(f"{root}: no JSON file here names an image that is here too")
    bare = len(images) - len(entries)
    return Scan(
        entries=tuple(entries),
        lone_masks=tuple(lone),
        classes=list_shape_classes(labels, document),
        codec=SHAPE_CODEC,
        overlap=overlap,
        notes=(f"{bare} images without a JSON file are passed over",) if bare else (),
    )


def write(folder: Path, picture: Picture) -> WriteResult:
    """Image and JSON file side by side, in the folder of the split."""
    place = folder / picture.entry.split
    copy_image(picture, place / picture.name)
    height, width = picture.size_HW
    drawing = picture.drawing
    shapes = [shape for drawn in drawing.shapes for shape in _written(drawn, drawing)]
    document: dict[str, object] = {
        "version": "5.10.1",
        "flags": {},
        "shapes": shapes,
        "imagePath": picture.name,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }
    write_json(place / f"{picture.entry.key}.json", document)
    moved = sum(count_moved(drawing, shape, "pillow") for shape in drawing.shapes)
    return WriteResult(lost={MOVED: moved})


def finish(folder: Path, spec: LabelSpec, _records: Iterable[Record]) -> None:
    """The list of labels that Labelme takes as `--labels`."""
    names = ("__ignore__", "_background_", *spec.names)
    (folder / "labels.txt").write_text("\n".join(dict.fromkeys(names)) + "\n", "utf-8")


def _read(path: Path, image: ImageRef) -> Drawing:
    found = read_json(path, _File)
    size_HW = (found.imageHeight or 0, found.imageWidth or 0)
    if not all(size_HW):
        size_HW = image_size(image)
    drawn = [s for s in found.shapes if s.shape_type != "points"]
    skipped = len(found.shapes) - len(drawn)
    return Drawing(
        size_HW=size_HW,
        shapes=tuple(_shape(s, size_HW, f"{path}: shapes.{n}") for n, s in enumerate(drawn)),
        raster="pillow",
        skipped={"shapes of several points": skipped},
    )


def _shape(shape: _Shape, size_HW: tuple[int, int], where: str) -> Shape:
    kind, points = shape.shape_type, np.array(shape.points, np.float64).reshape(-1, 2)
    least = 2 if kind == "linestrip" else 3
    if len(points) not in _NUM_POINTS.get(kind, (max(least, len(points)),)):
        wanted = _NUM_POINTS.get(kind, (least,))[0]
        raise DataError(
            f"{where}: a {kind} of {len(points)} points, Labelme draws it of {wanted}; "
            f"draw it again or remove it"
        )
    instance = None if shape.group_id is None else str(shape.group_id)
    if kind in {"polygon", "oriented_rectangle", "rotation"}:
        return Shape(label=shape.label, rings=(points,), instance=instance)
    if kind == "mask":
        return Shape(label=shape.label, masks=(_mask(shape, where),), instance=instance)
    crop = _drawn(kind, points, size_HW)
    return Shape(label=shape.label, masks=(crop,), instance=instance)


def _drawn(kind: str, points: NDArray[np.float64], size_HW: tuple[int, int]) -> Crop:
    """Pixels of what is no polygon."""
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


def _mask(shape: _Shape, where: str) -> Crop:
    """A PNG laid with its upper left pixel at the first corner."""
    try:
        content = base64.b64decode(shape.mask or "", validate=True)
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            inside_hw = np.array(image).astype(np.bool_)
    except (binascii.Error, UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{where}: its mask is no PNG in base64: {error}") from error
    if inside_hw.ndim != 2:
        raise DataError(f"{where}: its mask has {inside_hw.shape[2]} channels, expected one")
    left, top = (math.floor(min(c)) for c in zip(*shape.points, strict=True))
    return Crop(top, left, inside_hw)


def _written(shape: Shape, drawing: Drawing) -> Iterator[dict[str, object]]:
    """A polygon as it is, all else as a mask."""
    common: dict[str, object] = {
        "label": shape.label,
        "group_id": shape.instance,
        "description": "",
        "flags": {},
    }
    if len(shape.rings) == 1 and not shape.masks and len(shape.rings[0]) >= 3:
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
        yield {**common, "points": corners, "shape_type": "mask", "mask": _png(crop)}


def _png(crop: Crop) -> str:
    buffer = io.BytesIO()
    Image.fromarray(crop.inside_hw.astype(np.uint8)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")
