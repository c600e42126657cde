"""Label Studio: its JSON export, an array of tasks, each with an image and its annotations.

    <any>.json    <folders>/<name>.jpg    of `/data/upload/1/<name>.jpg`, a local file, a URL

An image is found by its path or by its name, with or without the eight characters that an
upload adds in front. Brush strokes, bitmasks, polygons, rectangles and ellipses are regions; a
later region in the file lies on top. Coordinates are percent of the image. Polygons are filled
as pycocotools fills Label Studio's COCO export; a pixel is in an ellipse if its centre is, and
in a brush stroke if its alpha is not 0. Key points, vectors and relations are counted.

If a task has several annotations, the ground truth is read, else the one changed last.
Cancelled annotations (`was_cancelled`) and predictions are not read. A task without annotations
is skipped; an annotation without regions is all background. Regions that were drawn on a
rotated image are errors, since their coordinates are not those of the image.

`export.json`, `label_config.xml` and the images are written. A polygon of one ring is written
as it is. A region without holes becomes a polygon along the edges of its pixels where that is
shorter than a brush stroke, which has the size of the image; all other shapes are brush
strokes. Of a mask, the regions of one class are one stroke.
Source: labelstud.io, "Label Studio JSON format of annotated tasks"; label_studio_sdk 2.1,
converter/converter.py, converter/brush.py and converter/exports/brush_to_coco.py.
"""

import base64
import binascii
import io
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ....core.atomic import write_text
from ....core.errors import DataError
from ....core.labels import LabelSpec
from ...classes.dataset_yaml import DatasetFile
from ...entries.annotation import IGNORED, SHAPE_CODEC, Annotation, list_shape_classes
from ...entries.picture import (
    MASKED,
    MOVED,
    Picture,
    Record,
    WriteResult,
    copy_image,
    count_masked,
    count_moved,
)
from ...entries.scan import Entry, LeftOut, Scan, make_keys_unique, parse_place
from ...pixels.imageref import ImageRef
from ...pixels.images import image_size
from ...reading.documents import find_annotation_files, peek
from ...reading.jsonindex import JsonIndex, index_json_list
from ...reading.lookup import ImageLookup
from ...shapes.drawing import Drawing, Overlap, Shape
from ...shapes.outline import is_one_region, trace_outlines
from ...shapes.raster import Crop, Raster, Ring, crop_mask
from .rlepack import pack_mask, unpack_mask
from .tasks import (
    LabelsOnly,
    Region,
    Result,
    ResultValue,
    Task,
    choose_annotation,
    collect_attributes,
    describe_task,
    find_image,
    find_regions,
    name_image,
)

HOLDS = frozenset({"polygons", "overlaps", "ignored", "usual splits"})
OUTLINE_FILL: Raster = "coco"
OVERLAP: Overlap = "file"
_PRIMITIVES = {"rectangle": "rectangles", "ellipse": "ellipses"}
_PNG = "data:image/png;base64,"
_TASKS, _EXPORT = "tasks", "export.json"
_CORNER_BYTES, _PACKED_BYTES = 38, 4
"""Characters of JSON for a corner of a polygon and for a byte of a brush stroke."""


def recognises(root: Path) -> bool:
    """Whether the first JSON file is an array of tasks."""
    first = next(find_annotation_files(root, ".json"), None) if root.is_dir() else None
    return first is not None and _looks_like_export(first)


def scan(root: Path, document: DatasetFile) -> Scan:
    """List every labelled task whose image is here.

    Raises:
        DataError: A file is not one of Label Studio, no image is here, or two tasks name the
            same image.
    """
    images = ImageLookup(root)
    collection = _Collection()
    for path in filter(_looks_like_export, find_annotation_files(root, ".json")):
        index = index_json_list(path, _TASKS)
        for task_index, task in enumerate(index.read_all(_TASKS, Task[LabelsOnly])):
            where = f"{path}: {_TASKS}.{task_index}"
            image = find_image(images, task, where)
            if image is None:
                collection.missing.append(name_image(task, where))
                continue
            collection.add(root, image, task, (index, task_index), document.overlap or OVERLAP)
    if not collection.entries:
        raise DataError(
            f"{root}: no JSON export of Label Studio here has a labelled task whose image is "
            f"here too; put the images beside it"
            + "".join(f"; {count} tasks {text}" for text, count in collection.counts.items())
            + (f"; {collection.missing[0]!r} is missing" if collection.missing else "")
        )
    return Scan(
        entries=make_keys_unique(collection.entries),
        classes=list_shape_classes(collection.labels, document),
        codec=SHAPE_CODEC,
        overlap=document.overlap or OVERLAP,
        left_out=tuple(collection.list_left_out(images)),
        notes=tuple(f"{num} tasks {text}" for text, num in sorted(collection.counts.items())),
    )


@dataclass(slots=True)
class _Collection:
    """Entries, labels and notes of the tasks that were read so far."""

    images: set[ImageRef] = field(default_factory=set)
    entries: list[Entry] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)
    bare: list[str] = field(default_factory=list)

    def list_left_out(self, images: ImageLookup) -> Iterator[LeftOut]:
        """List the images that are named and missing, not annotated, or not named."""
        for reason, names in (
            ("images that are listed and not there", self.missing),
            ("images of tasks without an annotation", self.bare),
            ("images that no task names", images.list_others(self.images)),
        ):
            if names:
                yield LeftOut(reason, tuple(names))

    def add(
        self,
        root: Path,
        image: ImageRef,
        task: Task[LabelsOnly],
        location: tuple[JsonIndex, int],
        overlap: Overlap,
    ) -> None:
        """Add one task; `location` is the index of its file and that of the task in it."""
        file = location[0].path
        if image in self.images:
            raise DataError(
                f"{file}: {_TASKS}.{location[1]}: {image} is the image of a task before it; "
                f"keep one of the two"
            )
        self.images.add(image)
        self.counts.update(describe_task(task))
        annotation = choose_annotation(task.annotations)
        if annotation is None:
            self.bare.append(image.path.relative_to(root).as_posix())
            return
        for region in find_regions(annotation.result)[0]:
            self.labels.update(region.labels)
        read = partial(_read, *location, image)
        shapes = Annotation(file=file, place=image.path.name, overlap=overlap, read=read)
        split, key, group = parse_place(image.path.relative_to(root))
        self.entries.append(
            Entry(key=key, split=split, image=image, labels=shapes, group=group)
        )


def _looks_like_export(path: Path) -> bool:
    text = peek(path)
    words = ('"annotations"', '"data"', '"result"')
    return text.lstrip("\ufeff \n\r\t").startswith("[") and all(word in text for word in words)


def _read(index: JsonIndex, task_index: int, image: ImageRef) -> Drawing:
    task = index.read_at(_TASKS, np.array([task_index]), Task[Result])[0]
    where, size_HW = f"{index.path}: {image.path.name}", image_size(image)
    annotation = choose_annotation(task.annotations)
    results = annotation.result if annotation else ()
    regions, skipped = find_regions(results)
    attributes = collect_attributes(results)
    shapes = []
    for region in regions:
        region_where = f"{where}: {region.kind} {region.result.id!r}"
        _require_size(region.result, size_HW, region_where)
        rings, masks = _read_area(region, size_HW, region_where)
        if rings and len(rings[0]) < 3:
            skipped["polygons of fewer than three corners"] += 1
            continue
        shapes.append(
            Shape(
                label=region.label(where=region_where),
                rings=rings,
                masks=masks,
                primitive=_PRIMITIVES.get(region.kind, ""),
                attributes=attributes.get(region.result.id, {}),
            )
        )
    return Drawing(size_HW=size_HW, shapes=tuple(shapes), raster="coco", skipped=skipped)


def _require_size(result: Result, size_HW: tuple[int, int], where: str) -> None:
    """Require that a region was drawn on an image of this size, and not rotated."""
    if result.image_rotation % 360:
        raise DataError(
            f"{where}: was drawn on the image rotated by {result.image_rotation:g} degrees "
            f"(image_rotation); rotate it back in Label Studio and draw the region again"
        )
    original_HW = (result.original_height or size_HW[0], result.original_width or size_HW[1])
    if original_HW != size_HW:
        rotated = " (its EXIF tag rotates it)" if original_HW == size_HW[::-1] else ""
        raise DataError(
            f"{where}: was drawn on an image of {original_HW[0]} x {original_HW[1]} (H x W), "
            f"this one is {size_HW[0]} x {size_HW[1]}{rotated}; use the image that was labelled"
        )


def _read_area(
    region: Region[Result], size_HW: tuple[int, int], where: str
) -> tuple[tuple[NDArray[np.float64], ...], tuple[Crop, ...]]:
    """Read a region as rings, or as a crop of a mask."""
    value, scale = region.result.value, np.array(size_HW[::-1]) / 100
    if region.kind == "polygon":
        points = np.array(value.points, np.float64).reshape(-1, 2)
        return (np.round(points * scale, 9),), ()  # a whole number of pixels stays whole
    if region.kind == "rectangle":
        corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * (value.width, value.height)
        start = np.array((value.x, value.y)) * scale
        return (np.round(start + corners * scale @ _make_rotation(value.rotation), 9),), ()
    if region.kind == "ellipse":
        return (), (_fill_ellipse(value, size_HW),)
    if region.kind == "bitmask":
        return (), (_decode_bitmask(value.imageDataURL, size_HW, where),)
    if value.rle is None or value.format != "rle":
        raise DataError(f"{where}: has no run lengths ('format': 'rle'); export it again")
    inside_HW = unpack_mask(np.array(value.rle, np.uint8), size_HW, where=where)
    return (), (crop_mask(inside_HW),)


def _make_rotation(degrees: float) -> NDArray[np.float64]:
    """Make the 2 x 2 matrix that rotates rows of (x, y) clockwise, with y down."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([(cosine, sine), (-sine, cosine)])


def _fill_ellipse(value: ResultValue, size_HW: tuple[int, int]) -> Crop:
    """Fill an ellipse: a pixel is inside if its centre is."""
    scale = np.array(size_HW[::-1]) / 100
    center, radii = (
        np.array((value.x, value.y)) * scale,
        np.array((value.radiusX, value.radiusY)),
    )
    reach = float(np.abs(radii * scale).max())
    if not reach or not np.abs(radii).min():
        return Crop(0, 0, np.zeros((0, 0), np.bool_))
    low = np.clip(np.floor(center - reach), 0, size_HW[::-1]).astype(int)
    high = np.clip(np.ceil(center + reach), 0, size_HW[::-1]).astype(int)
    x, y = (np.arange(low[axis], high[axis]) + 0.5 - center[axis] for axis in (0, 1))
    (cosine, sine), _ = _make_rotation(value.rotation)
    along, across = radii * scale
    # In the axes of the ellipse, (h, w); x is a row, y a column.
    u = (x * cosine + y[:, None] * sine) / along
    v = (y[:, None] * cosine - x * sine) / across
    return Crop(int(low[1]), int(low[0]), u * u + v * v <= 1)


def _decode_bitmask(text: str, size_HW: tuple[int, int], where: str) -> Crop:
    """Decode a PNG of the whole image: pixels that are opaque, or without alpha not black."""
    try:
        content = base64.b64decode(text.removeprefix(_PNG), validate=True)
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            if image.size != size_HW[::-1]:
                raise DataError(
                    f"{where}: its bitmask has {image.height} x {image.width} pixels (H x W), "
                    f"the image has {size_HW[0]} x {size_HW[1]}; export it again"
                )
            transparent = image.has_transparency_data
            inside_HW = (
                np.array(image.convert("RGBA").getchannel("A" if transparent else "R")) > 0
            )
    except (binascii.Error, UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise DataError(
            f"{where}: its bitmask is not a PNG in base64: {error}; export it again"
        ) from error
    return crop_mask(inside_HW)


def write(folder: Path, picture: Picture) -> WriteResult:
    """Write the image; its task goes into the record, for the file of all tasks."""
    path = PurePosixPath("images", picture.entry.split, picture.name)
    copy_image(picture, folder / path)
    joined = not picture.is_drawn and picture.outlined is None
    drawing, (height, width) = picture.by_class if joined else picture.drawing, picture.size_HW
    results = [
        {
            "id": f"region{index}",
            "type": f"{kind}labels",
            "from_name": kind,
            "to_name": "image",
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": {**value, f"{kind}labels": [shape.label]},
        }
        for index, shape in enumerate(drawing.shapes)
        for kind, value in _write_shape(shape, drawing)
    ]
    polygons = [shape for shape in drawing.shapes if shape.is_polygon]
    lost = {
        MOVED: sum(count_moved(drawing, shape, OUTLINE_FILL) for shape in polygons),
        MASKED: count_masked(drawing),
    }
    image = f"/data/local-files/?d={quote(str(path))}"
    return WriteResult(record={"image": image, "result": results}, lost=lost)


def finish(folder: Path, spec: LabelSpec, records: Iterable[Record]) -> None:
    """Write all tasks into one file, and the labels as a labelling configuration."""
    with (folder / _EXPORT).open("w", encoding="utf-8") as file:
        for task_id, record in enumerate(records, start=1):
            annotation = {"id": task_id, "was_cancelled": False, "result": record["result"]}
            data = {"image": record["image"]}
            task = {"id": task_id, "annotations": [annotation], "predictions": [], "data": data}
            text = json.dumps(task, allow_nan=False, separators=(",", ":"))
            file.write(("[\n" if task_id == 1 else ",\n") + text)
        file.write("\n]\n")
    write_text(folder / "label_config.xml", _format_config(spec))


def _write_shape(shape: Shape, drawing: Drawing) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield kind and value of a shape; nothing if it is empty."""
    if shape.is_polygon:
        yield "polygon", _write_ring(shape.rings[0], drawing)
        return
    crop = shape.fill(drawing.size_HW, drawing.raster)
    if not crop.area_px:
        return
    packed = pack_mask(crop, drawing.size_HW)
    rings = trace_outlines(crop) if is_one_region(crop) else ()
    if rings and len(rings[0]) * _CORNER_BYTES < len(packed) * _PACKED_BYTES:
        yield "polygon", _write_ring(rings[0], drawing)
    else:
        yield "brush", {"format": "rle", "rle": packed}


def _write_ring(ring: Ring, drawing: Drawing) -> dict[str, object]:
    points = ring * 100 / np.array(drawing.size_HW[::-1])
    return {"points": points.tolist(), "closed": True}


def _format_config(spec: LabelSpec) -> str:
    """Format the labelling configuration: brush and polygon, with all labels."""
    colors = {entry.name: "#{:02x}{:02x}{:02x}".format(*entry.color) for entry in spec.classes}
    labels = "".join(
        f"\n    <Label value={quoteattr(name)} background={quoteattr(color)}/>"
        for name, color in {**colors, IGNORED: "#ffffff"}.items()
    )
    tags = "".join(
        f'\n  <{tag} name="{name}" toName="image">{labels}\n  </{tag}>'
        for tag, name in (("BrushLabels", "brush"), ("PolygonLabels", "polygon"))
    )
    return f'<View>\n  <Image name="image" value="$image"/>{tags}\n</View>\n'
