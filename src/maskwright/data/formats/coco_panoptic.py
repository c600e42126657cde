"""COCO panoptic: a PNG of segment ids for each image, and a JSON file that says what they are.

    annotations/panoptic_val2017.json   annotations/panoptic_val2017/<name>.png
    val2017/<name>.jpg                  (or images/val2017/)

The id of a pixel is red + 256 green + 65536 blue; 0 is void. What `segments_info` does not list
is IGNORE, as void is, and counted, as is a segment that is listed and has no pixel. Where none
that is listed is in the PNG, it belongs to another image, or is of the two-channel format (red:
category, green: instance), and is refused. A crowd segment is a region of its class. Image ids
may be text (Cityscapes).

Written is one segment for each object of a thing and one for each class of stuff, the
background among them; ids are colours near that of the class.
Source: cocodataset.org, "Data format", 4; panopticapi, utils.py (rgb2id) and converters/.
"""

import re
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ...core.codec import UNDRAWN, LabelCodec
from ...core.errors import DataError
from ...core.labels import IGNORE, LabelSpec
from ..classes.dataset_yaml import CodecEntry, DatasetFile
from ..entries.annotation import Annotation
from ..entries.picture import Picture, Record, WriteResult, copy_image, write_mask
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
from ..layouts.coco_write import ANNOTATIONS, category_id, image_path, record_of, write_files
from ..pixels.imageref import ImageRef
from ..pixels.images import image_size
from ..pixels.rawmask import read_raw
from ..reading.documents import Document, find_annotation_files
from ..reading.lookup import ImageLookup
from ..shapes.drawing import Drawing, Shape
from ..shapes.raster import Crop
from ..shapes.segments import crop_each_id

HOLDS = frozenset({"instances", "ignored", "splits"})
_KIND = "panoptic"
_CROWD = "iscrowd"
_MAPILLARY = re.compile(r"panoptic_20\d\d\.json")
_NUM_IDS = 1 << 24
_STEP = 0x2F1B0D
"""Odd, so that steps of it modulo 2^24 pass every id."""


class _Segment(Document):
    id: Annotated[int, Field(ge=1, lt=_NUM_IDS)]
    category_id: int
    iscrowd: int = 0


class _Annotation(Document):
    image_id: int | str
    file_name: str
    segments_info: tuple[_Segment, ...]


class _Png(Document):
    file_name: str


def recognises(root: Path) -> bool:
    """Whether a file is called as COCO's are, or the first JSON file has its keys."""
    if not root.is_dir():
        return False
    called = (
        path
        for path in find_annotation_files(root, ".json")
        if path.name.startswith(_KIND) and not _MAPILLARY.fullmatch(path.name)
    )
    path = next(called, None) or next(find_annotation_files(root, ".json"), None)
    return path is not None and looks_coco(path, panoptic=True)


def scan(root: Path, document: DatasetFile) -> Scan:
    """Every image that a file lists and that is there.

    Raises:
        DataError: A file is not COCO's, a PNG is missing, or no image is there.
    """
    files, passed = open_all(root, _KIND, panoptic=True)
    images = ImageLookup(root)
    pngs = {file.path: _pngs(file, images) for file in files}

    def labels(
        file: CocoFile, number: int, named: ImageEntry, image: ImageRef
    ) -> Annotation | None:
        png = pngs[file.path].get(number)
        if png is None:
            return None
        read = partial(_read, file, number, image, png)
        return Annotation(file=png.file, place=named.file_name, overlap="file", read=read)

    avoid = {png for found in pngs.values() for png in found.values()}
    listing = list_entries(root, files, images, labels, avoid=avoid)
    return Scan(
        entries=listing.entries,
        classes=category_classes(files, document, undrawn=False),
        codec=CodecEntry(pixels="name", ignored=(UNDRAWN,)),
        overlap="file",
        notes=(*listing.notes, *passed),
    )


def _pngs(file: CocoFile, images: ImageLookup) -> dict[int, ImageRef]:
    """The PNG of each image, by the number of the image."""
    folders = (file.path.with_suffix(""), file.path.parent)
    names = [annotation.file_name for annotation in file.index.read_all("annotations", _Png)]
    found: dict[int, ImageRef] = {}
    missing = []
    for number, (start, end) in enumerate(zip(file.starts, file.starts[1:], strict=False)):
        if end - start > 1:
            raise DataError(
                f"{file.path}: {end - start} annotations are of the image "
                f"{file.image(number).file_name!r}; keep one"
            )
        if start == end:
            continue
        name = names[file.order[start]]
        there = (path for folder in folders if (path := images.find_at(folder, name)))
        png = next(there, None) or images.find(name, where=str(file.path))
        if png is None:
            missing.append(name)
        else:
            found[number] = png
    if missing:
        raise DataError(
            f"{file.path}: {missing[0]!r} and {len(missing) - 1} other PNG files are not here; "
            f"unpack them into {folders[0]}"
        )
    return found


def _read(file: CocoFile, number: int, image: ImageRef, png: ImageRef) -> Drawing:
    named = file.image(number)
    where = f"{file.path}: {named.file_name}"
    size_HW = check_size(image, named, where=where)
    (annotation,) = file.annotations(number, _Annotation)
    if annotation.image_id != named.id:
        raise DataError(f"{where}: the file has changed while it was read; read it again")
    if (png_HW := image_size(png)) != size_HW:
        raise DataError(
            f"{png}: is {png_HW[0]} x {png_HW[1]} (H x W), the image {image} is {size_HW[0]} x "
            f"{size_HW[1]}; export both again"
        )
    ids_HW = _ids(read_raw(png, "rgb"))
    crops = crop_each_id(ids_HW)
    listed = annotation.segments_info
    _refuse_strange(listed, crops, png, ids_HW, file)
    shapes = tuple(_shape(file, found, crops, where) for found in listed if found.id in crops)
    skipped = {
        "segments that are not listed, ignored": len(crops.keys() - {0}) - len(shapes),
        "listed segments without a pixel": len(listed) - len(shapes),
    }
    return Drawing(size_HW=size_HW, shapes=shapes, skipped=skipped)


def _ids(packed_HW: NDArray[np.integer]) -> NDArray[np.uint32]:
    """0xRRGGBB -> red + 256 green + 65536 blue."""
    packed_HW = packed_HW.astype(np.uint32)
    ids_HW: NDArray[np.uint32] = (
        packed_HW >> 16 | packed_HW & 0xFF00 | (packed_HW & 0xFF) << 16
    ).astype(np.uint32)
    return ids_HW


def _refuse_strange(
    listed: tuple[_Segment, ...],
    crops: dict[int, Crop],
    png: ImageRef,
    ids_HW: NDArray[np.uint32],
    file: CocoFile,
) -> None:
    """Refuse two segments of one id, and a PNG in which none is found."""
    ids = [segment.id for segment in listed]
    if len(set(ids)) < len(ids):
        twice = next(number for number in ids if ids.count(number) > 1)
        raise DataError(f"{file.path}: two segments of {png.path.name} have the id {twice}")
    if not ids or not crops.keys().isdisjoint(ids):
        return
    categories = {number % 256 for number in crops} - {0}
    if ids_HW.max() < 1 << 16 and categories <= file.categories.keys():
        raise DataError(
            f"{png}: is of the two-channel format (red: category, green: instance), and the "
            f"ids of {file.path.name} are none of its; convert it with panopticapi, "
            f"converters/2channels2panoptic_coco_format.py"
        )
    raise DataError(
        f"{png}: holds none of the {len(ids)} segments that {file.path.name} lists for it "
        f"({ids[0]} first); it may be of another image: export both again"
    )


def _shape(file: CocoFile, found: _Segment, crops: dict[int, Crop], where: str) -> Shape:
    label = file.category(found.category_id, where=f"{where}: segment {found.id}")
    thing = file.categories[found.category_id].entry.kind == "thing"
    return Shape(
        label=label,
        masks=(crops[found.id],),
        instance=str(found.id) if thing else None,
        attributes={_CROWD: "1"} if found.iscrowd else {},
    )


def write(folder: Path, picture: Picture) -> WriteResult:
    """Image and PNG; what the segments are goes into the record."""
    copy_image(picture, image_path(folder, picture))
    split, name = picture.entry.split, f"{picture.entry.key}.png"
    objects = _Objects(picture)
    ids_HW, segments, drawn = np.zeros(picture.size_HW, np.uint32), [], []
    used: set[int] = set()
    for index, crowd, crop in objects.regions():
        segment = _free_id(picture.spec.classes[index].color, used)
        used.add(segment)
        ids_HW[crop.slices][crop.inside_hw] = segment
        height, width = crop.inside_hw.shape
        segments.append(
            {
                "id": segment,
                "category_id": category_id(index),
                "area": crop.area_px,
                "bbox": [crop.left, crop.top, width, height],
                "iscrowd": int(crowd),
            }
        )
        drawn.append(index)
    rgb_HW3 = np.stack([ids_HW >> shift & 255 for shift in (0, 8, 16)], axis=-1)
    place = folder / ANNOTATIONS / (f"{_KIND}_{split}" if split else _KIND) / name
    write_mask(place, rgb_HW3.astype(np.uint8))
    annotation = {"file_name": name, "segments_info": segments}
    return WriteResult(record=record_of(picture, drawn, [annotation]), lost=objects.lost)


def finish(folder: Path, spec: LabelSpec, records: Iterable[Record]) -> None:
    """One JSON file a split."""
    write_files(folder, _KIND, spec, records, panoptic=True)


def codec_for(spec: LabelSpec, _background: int | None) -> LabelCodec:
    """Labels are names of classes; void is IGNORE."""
    return LabelCodec(
        spec=spec,
        raw_to_index={index: index for index in range(len(spec))},
        ignored=frozenset({len(spec)}),
        pixels="name",
        names=(*spec.names, UNDRAWN),
    )


class _Objects:
    """Which pixels are of which object of a thing, or of which class of stuff."""

    def __init__(self, picture: Picture) -> None:
        self.spec, self.labels_HW = picture.spec, picture.labels_HW
        self.crowds = [False]
        num_attributes = 0
        numbers: dict[tuple[str, str], int] = {}
        self.object_HW = np.zeros(picture.size_HW, np.int64)
        drawing = picture.drawing
        for shape, crop in zip(drawing.shapes, drawing.fill_shapes(), strict=True):
            own = f"shape {id(shape)}" if shape.instance is None else shape.instance
            number = numbers.setdefault((shape.label, own), len(numbers) + 1)
            if number == len(self.crowds):
                self.crowds.append(shape.attributes.get(_CROWD) == "1")
            num_attributes += len(shape.attributes.keys() - {_CROWD})
            self.object_HW[crop.slices][crop.inside_hw] = number
        things = np.array([c.kind == "thing" for c in self.spec], np.bool_)
        table = np.append(things, np.zeros(256 - len(things), np.bool_))
        self.object_HW[~table[self.labels_HW]] = 0
        self.lost = {"attributes of shapes": num_attributes}

    def regions(self) -> Iterator[tuple[int, bool, Crop]]:
        """Class index, whether it is a crowd, and the pixels of each segment."""
        num = len(self.crowds)
        for key, crop in crop_each_id(self.labels_HW * np.int64(num) + self.object_HW).items():
            index, number = divmod(key, num)
            if index != IGNORE:
                yield index, self.crowds[number], crop


def _free_id(color: tuple[int, int, int], used: set[int]) -> int:
    """The colour itself, or the next one that is free."""
    number = color[0] | color[1] << 8 | color[2] << 16
    while number in used or not number:
        number = (number + _STEP) % _NUM_IDS
    return number
