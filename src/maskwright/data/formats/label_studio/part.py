"""Label Studio: its JSON export, an array of tasks with what people drew on each image.

    <any>.json    <folders>/<name>.jpg    of `/data/upload/1/<name>.jpg`, a local file, a URL

An image is found by its path, or by its name, without the eight characters that an upload puts
before it too. Brush strokes, bitmasks, polygons, rectangles and ellipses are regions, in the
order of the file: the later is seen. Coordinates are percent of the image. Polygons are filled
as pycocotools does with Label Studio's own COCO export, an ellipse where centres of pixels are
inside, a brush stroke where its alpha is not 0. Key points, vectors and relations are counted.

Of several annotations of one task the ground truth is read, else the one changed last; those
that were skipped (`was_cancelled`) are not read, nor are predictions. A task without any is
passed over; an annotation without regions is all background. What was drawn on a rotated image
is refused: its coordinates are not those of the image.

Written are `export.json`, images and `label_config.xml`: polygons of one ring as polygons, all
else as brush strokes.
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
    MOVED,
    Picture,
    Record,
    WriteResult,
    copy_image,
    count_moved,
)
from ...entries.scan import Entry, Scan, make_keys_unique, parse_place
from ...pixels.imageref import ImageRef
from ...pixels.images import image_size
from ...reading.documents import find_annotation_files, peek
from ...reading.jsonindex import JsonIndex, index_json_list
from ...reading.lookup import ImageLookup
from ...shapes.drawing import Drawing, Overlap, Shape
from ...shapes.raster import Crop, crop_mask
from .rlepack import pack_mask, unpack_mask
from .tasks import (
    DrawnValue,
    Listed,
    Region,
    Result,
    Task,
    attributes_of,
    chosen_of,
    find_image,
    kinds_of,
    regions_of,
)

HOLDS = frozenset({"overlaps", "ignored", "splits"})
OVERLAP: Overlap = "file"
_PNG = "data:image/png;base64,"
_TASKS, _EXPORT = "tasks", "export.json"


def recognises(root: Path) -> bool:
    """Whether the first JSON file is an array of tasks."""
    first = next(find_annotation_files(root, ".json"), None) if root.is_dir() else None
    return first is not None and _looks_so(first)


def scan(root: Path, document: DatasetFile) -> Scan:
    """Every labelled task whose image is there.

    Raises:
        DataError: A file is not Label Studio's, no image is there, or two tasks name one.
    """
    images = ImageLookup(root)
    found = _Found()
    for path in filter(_looks_so, find_annotation_files(root, ".json")):
        index = index_json_list(path, _TASKS)
        for number, task in enumerate(index.read_all(_TASKS, Task[Listed])):
            image = find_image(images, task, f"{path}: {_TASKS}.{number}")
            found.add(root, image, task, (index, number), document.overlap or OVERLAP)
    if not found.entries:
        raise DataError(
            f"{root}: no JSON export of Label Studio here has a labelled task whose image is "
            f"here too"
            + "".join(f"; {count} tasks {what}" for what, count in found.counts.items())
        )
    bare = len(images) - len(found.images)
    return Scan(
        entries=make_keys_unique(found.entries),
        classes=list_shape_classes(found.labels, document),
        codec=SHAPE_CODEC,
        overlap=document.overlap or OVERLAP,
        notes=(
            *(f"{count} tasks {what}" for what, count in sorted(found.counts.items())),
            *((f"{bare} image files that no task names are passed over",) if bare else ()),
        ),
    )


@dataclass(slots=True)
class _Found:
    """What the tasks that were gone through say."""

    images: set[ImageRef] = field(default_factory=set)
    entries: list[Entry] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)

    def add(
        self,
        root: Path,
        image: ImageRef | None,
        task: Task[Listed],
        place: tuple[JsonIndex, int],
        overlap: Overlap,
    ) -> None:
        """One task, its image and where it lies."""
        if image is None:
            self.counts["name an image that is not here"] += 1
            return
        file = place[0].path
        if image in self.images:
            raise DataError(
                f"{file}: {_TASKS}.{place[1]}: {image} is the image of a task before it; keep "
                f"one of the two"
            )
        self.images.add(image)
        self.counts.update(kinds_of(task))
        chosen = chosen_of(task.annotations)
        if chosen is None:
            return
        for region in regions_of(chosen.result)[0]:
            self.labels.update(region.labels)
        read = partial(_read, *place, image)
        drawn = Annotation(file=file, place=image.path.name, overlap=overlap, read=read)
        split, key, group = parse_place(image.path.relative_to(root))
        self.entries.append(Entry(key=key, split=split, image=image, labels=drawn, group=group))


def _looks_so(path: Path) -> bool:
    text = peek(path)
    words = ('"annotations"', '"data"', '"result"')
    return text.lstrip("\ufeff \n\r\t").startswith("[") and all(word in text for word in words)


def _read(index: JsonIndex, number: int, image: ImageRef) -> Drawing:
    task = index.read_at(_TASKS, np.array([number]), Task[Result])[0]
    where, size_HW = f"{index.path}: {image.path.name}", image_size(image)
    chosen = chosen_of(task.annotations)
    results = chosen.result if chosen else ()
    regions, skipped = regions_of(results)
    attributes = attributes_of(results)
    shapes = []
    for region in regions:
        place = f"{where}: {region.kind} {region.result.id!r}"
        _check_size(region.result, size_HW, place)
        rings, masks = _area(region, size_HW, place)
        if rings and len(rings[0]) < 3:
            skipped["polygons of fewer than three corners"] += 1
            continue
        known = attributes.get(region.result.id, {})
        label = region.label(where=place)
        shapes.append(Shape(label=label, rings=rings, masks=masks, attributes=known))
    return Drawing(size_HW=size_HW, shapes=tuple(shapes), raster="coco", skipped=skipped)


def _check_size(result: Result, size_HW: tuple[int, int], where: str) -> None:
    """Refuse what was drawn on an image of another size, or turned."""
    if result.image_rotation % 360:
        raise DataError(
            f"{where}: was drawn on the image turned by {result.image_rotation:g} degrees "
            f"(image_rotation); turn it back in Label Studio and draw it again"
        )
    stated = (result.original_height or size_HW[0], result.original_width or size_HW[1])
    if stated != size_HW:
        turned = "; it is turned by its EXIF tag" if stated == size_HW[::-1] else ""
        raise DataError(
            f"{where}: is of an image of {stated[0]} x {stated[1]} (H x W), this is "
            f"{size_HW[0]} x {size_HW[1]}{turned}; put the image that was labelled there"
        )


def _area(
    region: Region[Result], size_HW: tuple[int, int], where: str
) -> tuple[tuple[NDArray[np.float64], ...], tuple[Crop, ...]]:
    """Rings, or a piece of a mask."""
    value, scale = region.result.value, np.array(size_HW[::-1]) / 100
    if region.kind == "polygon":
        points = np.array(value.points, np.float64).reshape(-1, 2)
        return (np.round(points * scale, 9),), ()  # percent of a whole pixel is one again
    if region.kind == "rectangle":
        corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * (value.width, value.height)
        start = np.array((value.x, value.y)) * scale
        return (np.round(start + corners * scale @ _turn(value.rotation), 9),), ()
    if region.kind == "ellipse":
        return (), (_ellipse(value, size_HW),)
    if region.kind == "bitmask":
        return (), (_bitmask(value.imageDataURL, size_HW, where),)
    if value.rle is None or value.format != "rle":
        raise DataError(f"{where}: has no run lengths ('format': 'rle'); export it again")
    inside_HW = unpack_mask(np.array(value.rle, np.uint8), size_HW, where=where)
    return (), (crop_mask(inside_HW),)


def _turn(degrees: float) -> NDArray[np.float64]:
    """Turns rows of (x, y) clockwise, as y goes down."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([(cosine, sine), (-sine, cosine)])


def _ellipse(value: DrawnValue, size_HW: tuple[int, int]) -> Crop:
    """Pixels whose centres are inside."""
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
    (cosine, sine), _ = _turn(value.rotation)
    along, across = radii * scale
    u = (x * cosine + y[:, None] * sine) / along
    v = (y[:, None] * cosine - x * sine) / across
    return Crop(int(low[1]), int(low[0]), u * u + v * v <= 1)


def _bitmask(text: str, size_HW: tuple[int, int], where: str) -> Crop:
    """A PNG of the whole image: what is not transparent, or without alpha what is not black."""
    try:
        content = base64.b64decode(text.removeprefix(_PNG), validate=True)
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            if image.size != size_HW[::-1]:
                raise DataError(
                    f"{where}: its bitmask is of {image.height} x {image.width} (H x W), the "
                    f"image has {size_HW[0]} x {size_HW[1]}; export it again"
                )
            clear = image.has_transparency_data
            inside_HW = np.array(image.convert("RGBA").getchannel("A" if clear else "R")) > 0
    except (binascii.Error, UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{where}: its bitmask is no PNG in base64: {error}") from error
    return crop_mask(inside_HW)


def write(folder: Path, picture: Picture) -> WriteResult:
    """The image; its task goes into the record, for the one file."""
    place = PurePosixPath("images", picture.entry.split, picture.name)
    copy_image(picture, folder / place)
    drawing, (height, width) = picture.drawing, picture.size_HW
    results = [
        {
            "id": f"region{number}",
            "type": f"{kind}labels",
            "from_name": kind,
            "to_name": "image",
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": {**value, f"{kind}labels": [shape.label]},
        }
        for number, shape in enumerate(drawing.shapes)
        for kind, value in _written(shape, drawing)
    ]
    moved = sum(
        count_moved(drawing, shape, "coco") for shape in drawing.shapes if _is_ring(shape)
    )
    image = f"/data/local-files/?d={quote(str(place))}"
    return WriteResult(record={"image": image, "result": results}, lost={MOVED: moved})


def finish(folder: Path, spec: LabelSpec, records: Iterable[Record]) -> None:
    """All tasks in one file, and the labels as Label Studio's labelling configuration."""
    with (folder / _EXPORT).open("w", encoding="utf-8") as file:
        for number, record in enumerate(records, start=1):
            drawn = {"id": number, "was_cancelled": False, "result": record["result"]}
            data = {"image": record["image"]}
            task = {"id": number, "annotations": [drawn], "predictions": [], "data": data}
            file.write(("[\n" if number == 1 else ",\n") + json.dumps(task, allow_nan=False))
        file.write("\n]\n")
    write_text(folder / "label_config.xml", _config(spec))


def _is_ring(shape: Shape) -> bool:
    return len(shape.rings) == 1 and not shape.masks and len(shape.rings[0]) >= 3


def _written(shape: Shape, drawing: Drawing) -> Iterator[tuple[str, dict[str, object]]]:
    """Kind and value: a polygon as it is, all else as a brush stroke; nothing of no pixels."""
    if _is_ring(shape):
        points = shape.rings[0] * 100 / np.array(drawing.size_HW[::-1])
        yield "polygon", {"points": points.tolist(), "closed": True}
        return
    crop = shape.fill(drawing.size_HW, drawing.raster)
    if crop.area_px:
        yield "brush", {"format": "rle", "rle": pack_mask(crop.to_mask(drawing.size_HW))}


def _config(spec: LabelSpec) -> str:
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
