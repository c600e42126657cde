"""COCO panoptic: a PNG of segment ids for each image, and a JSON file that lists the segments.

    annotations/panoptic_val2017.json   annotations/panoptic_val2017/<name>.png
    val2017/<name>.jpg                  (or images/val2017/)

The id of a pixel is red + 256 green + 65536 blue; 0 is void. Void is IGNORE, and so are ids
that `segments_info` does not list; these are counted, as are listed segments without a pixel. A
PNG that has none of the listed segments is an error: it belongs to another image, or is of the
two-channel format (red: category, green: instance). A crowd segment is a region of its class.
Image ids may be text (Cityscapes).

`convert` writes one segment for each object of a thing and one for each class of stuff, the
background included; ids are colours near that of the class.
Source: cocodataset.org, "Data format", 4; panopticapi, utils.py (rgb2id) and converters/.
"""

import re
from collections.abc import Collection, Iterable, Iterator
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
    is_coco_file,
    list_category_classes,
    list_unread,
    open_coco_files,
)
from ..layouts.coco_images import list_entries, require_stated_size
from ..layouts.coco_write import (
    ANNOTATIONS,
    locate_image,
    make_record,
    to_category_id,
    write_coco_files,
)
from ..pixels.imageref import ImageRef
from ..pixels.images import image_size
from ..pixels.rawmask import read_raw
from ..reading.documents import Document, Id, find_annotation_files
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
"""Step to the next id; odd, so that its multiples modulo 2^24 reach every id."""


class _Segment(Document):
    id: Annotated[int, Field(ge=1, lt=_NUM_IDS)]
    category_id: Id
    iscrowd: int = 0


class _Annotation(Document):
    image_id: Id
    file_name: str
    segments_info: tuple[_Segment, ...]


class _PngOfAnnotation(Document):
    file_name: str


def recognises(root: Path) -> bool:
    """Whether the first file with a name of COCO, else the first JSON file, has its keys."""
    if not root.is_dir():
        return False
    named = (
        path
        for path in find_annotation_files(root, ".json")
        if path.name.startswith(_KIND) and not _MAPILLARY.fullmatch(path.name)
    )
    path = next(named, None) or next(find_annotation_files(root, ".json"), None)
    return path is not None and is_coco_file(path, panoptic=True)


def scan(root: Path, document: DatasetFile) -> Scan:
    """List every image that a file names and that is there.

    Raises:
        DataError: A file is not COCO's, a PNG is missing, or no image is there.
    """
    files, notes = open_coco_files(root, _KIND, panoptic=True)
    images = ImageLookup(root)
    pngs = {file.path: _find_pngs(file, images) for file in files}

    def annotate(
        file: CocoFile, index: int, listed: ImageEntry, image: ImageRef
    ) -> Annotation | None:
        png = pngs[file.path].get(index)
        if png is None:
            return None
        read = partial(_read, file, index, image, png)
        return Annotation(file=png.file, place=listed.file_name, overlap="file", read=read)

    avoid = {png for by_index in pngs.values() for png in by_index.values()}
    listing = list_entries(root, files, images, annotate, avoid=avoid)
    return Scan(
        entries=listing.entries,
        classes=list_category_classes(files, document, undrawn=False),
        codec=CodecEntry(pixels="name", ignored=(UNDRAWN,)),
        overlap="file",
        left_out=listing.left_out,
        notes=notes,
        unread=list_unread(files),
    )


def _find_pngs(file: CocoFile, images: ImageLookup) -> dict[int, ImageRef]:
    """Find the PNG of each image, by the index of the image."""
    folders = (file.path.with_suffix(""), file.path.parent)
    names = [
        annotation.file_name
        for annotation in file.index.read_all("annotations", _PngOfAnnotation)
    ]
    pngs: dict[int, ImageRef] = {}
    missing = []
    for index, (start, end) in enumerate(zip(file.starts, file.starts[1:], strict=False)):
        if end - start > 1:
            raise DataError(
                f"{file.path}: {end - start} annotations are of the image "
                f"{file.read_image(index).file_name!r}, expected one; remove the others"
            )
        if start == end:
            continue
        name = names[file.order[start]]
        nearby = (path for folder in folders if (path := images.find_at(folder, name)))
        png = next(nearby, None) or images.find(name, where=str(file.path))
        if png is None:
            missing.append(name)
        else:
            pngs[index] = png
    if missing:
        raise DataError(
            f"{file.path}: {missing[0]!r} and {len(missing) - 1} other PNG files are missing; "
            f"unpack them into {folders[0]}"
        )
    return pngs


def _read(file: CocoFile, image_index: int, image: ImageRef, png: ImageRef) -> Drawing:
    entry = file.read_image(image_index)
    where = f"{file.path}: {entry.file_name}"
    size_HW = require_stated_size(image, entry, where=where)
    (annotation,) = file.read_annotations(image_index, _Annotation)
    file.require_annotation_of(image_index, entry, annotation.image_id, where=where)
    if (png_HW := image_size(png)) != size_HW:
        raise DataError(
            f"{png}: is {png_HW[0]} x {png_HW[1]} (H x W), the image {image} is {size_HW[0]} x "
            f"{size_HW[1]}; export both again"
        )
    ids_HW = _decode_ids(read_raw(png, "rgb"))
    crops = crop_each_id(ids_HW)
    listed = annotation.segments_info
    _require_matching_segments(listed, crops, png, ids_HW, file)
    shapes = tuple(
        _make_shape(file, segment, crops, where) for segment in listed if segment.id in crops
    )
    skipped = {
        "segments that are not listed, ignored": len(crops.keys() - {0}) - len(shapes),
        "listed segments without a pixel": len(listed) - len(shapes),
    }
    return Drawing(size_HW=size_HW, shapes=shapes, skipped=skipped)


def _decode_ids(packed_HW: NDArray[np.integer]) -> NDArray[np.uint32]:
    """Decode 0xRRGGBB to segment ids: red + 256 green + 65536 blue."""
    packed_HW = packed_HW.astype(np.uint32)
    ids_HW: NDArray[np.uint32] = (
        packed_HW >> 16 | packed_HW & 0xFF00 | (packed_HW & 0xFF) << 16
    ).astype(np.uint32)
    return ids_HW


def _require_matching_segments(
    listed: tuple[_Segment, ...],
    crops: dict[int, Crop],
    png: ImageRef,
    ids_HW: NDArray[np.uint32],
    file: CocoFile,
) -> None:
    """Require that each listed id is unique, and that the PNG has at least one of them."""
    ids = [segment.id for segment in listed]
    if len(set(ids)) < len(ids):
        repeated = next(segment_id for segment_id in ids if ids.count(segment_id) > 1)
        raise DataError(
            f"{file.path}: two segments of {png.path.name} have the id {repeated}; export it "
            f"again"
        )
    if not ids or not crops.keys().isdisjoint(ids):
        return
    categories = {segment_id % 256 for segment_id in crops} - {0}
    if ids_HW.max() < 1 << 16 and categories <= file.categories.keys():
        raise DataError(
            f"{png}: is of the two-channel format (red: category, green: instance), and has no "
            f"id that {file.path.name} lists; convert it with panopticapi, "
            f"converters/2channels2panoptic_coco_format.py"
        )
    raise DataError(
        f"{png}: holds none of the {len(ids)} segments that {file.path.name} lists for it "
        f"({ids[0]} first); it may be of another image: export both again"
    )


def _make_shape(file: CocoFile, segment: _Segment, crops: dict[int, Crop], where: str) -> Shape:
    label = file.name_category(segment.category_id, where=f"{where}: segment {segment.id}")
    is_thing = file.categories[segment.category_id].entry.kind == "thing"
    return Shape(
        label=label,
        masks=(crops[segment.id],),
        instance=str(segment.id) if is_thing else None,
        attributes={_CROWD: "1"} if segment.iscrowd else {},
    )


def write(folder: Path, picture: Picture) -> WriteResult:
    """Copy the image, write the PNG, and record the segments for the file of the split."""
    copy_image(picture, locate_image(folder, picture))
    split, name = picture.entry.split, f"{picture.entry.key}.png"
    objects = _ObjectMap(picture)
    ids_HW, segments, class_indices = np.zeros(picture.size_HW, np.uint32), [], []
    used: set[int] = set()
    for index, crowd, crop in objects.crop_segments():
        segment_id = _choose_segment_id(picture.spec.classes[index].color, used)
        used.add(segment_id)
        ids_HW[crop.slices][crop.inside_hw] = segment_id
        height, width = crop.inside_hw.shape
        segments.append(
            {
                "id": segment_id,
                "category_id": to_category_id(index),
                "area": crop.area_px,
                "bbox": [crop.left, crop.top, width, height],
                "iscrowd": int(crowd),
            }
        )
        class_indices.append(index)
    rgb_HW3 = np.stack([ids_HW >> shift & 255 for shift in (0, 8, 16)], axis=-1)
    png = folder / ANNOTATIONS / (f"{_KIND}_{split}" if split else _KIND) / name
    write_mask(png, rgb_HW3.astype(np.uint8))
    annotation = {"file_name": name, "segments_info": segments}
    record = make_record(picture, class_indices, [annotation])
    return WriteResult(record=record, lost=objects.lost)


def finish(folder: Path, spec: LabelSpec, records: Iterable[Record]) -> None:
    """Write one JSON file per split."""
    write_coco_files(folder, _KIND, spec, records, panoptic=True)


def list_notes(spec: LabelSpec, splits: Collection[str]) -> tuple[str, ...]:
    """List that no class is a thing, which tools for panoptic segmentation do not expect."""
    if any(entry.kind == "thing" for entry in spec):
        return ()
    note = (
        "all classes are stuff, so that no segment is an object, and panopticapi divides by "
        "the number of things; write 'kind: thing' at classes of objects in dataset.yaml"
    )
    return (note,)


def codec_for(spec: LabelSpec, _background: int | None) -> LabelCodec:
    """Labels are the names of the classes; void is IGNORE."""
    return LabelCodec(
        spec=spec,
        raw_to_index={index: index for index in range(len(spec))},
        ignored=frozenset({len(spec)}),
        pixels="name",
        names=(*spec.names, UNDRAWN),
    )


class _ObjectMap:
    """The object of each pixel of a thing; 0 for stuff.

    `object_HW` indexes `crowds`; index 0 stands for pixels without an object.
    """

    def __init__(self, picture: Picture) -> None:
        self.spec, self.labels_HW = picture.spec, picture.labels_HW
        self.crowds = [False]
        num_attributes = 0
        index_of: dict[tuple[str, str], int] = {}
        self.object_HW = np.zeros(picture.size_HW, np.int64)
        drawing = picture.drawing
        for shape, crop in zip(drawing.shapes, drawing.fill_shapes(), strict=True):
            name = f"shape {id(shape)}" if shape.instance is None else shape.instance
            index = index_of.setdefault((shape.label, name), len(index_of) + 1)
            if index == len(self.crowds):
                self.crowds.append(shape.attributes.get(_CROWD) == "1")
            num_attributes += len(shape.attributes.keys() - {_CROWD})
            self.object_HW[crop.slices][crop.inside_hw] = index
        things = np.array([c.kind == "thing" for c in self.spec], np.bool_)
        is_thing_256 = np.append(things, np.zeros(256 - len(things), np.bool_))
        self.object_HW[~is_thing_256[self.labels_HW]] = 0
        self.lost = {"attributes of shapes": num_attributes}

    def crop_segments(self) -> Iterator[tuple[int, bool, Crop]]:
        """Yield class index, whether it is a crowd, and the pixels of each segment."""
        num = len(self.crowds)
        for key, crop in crop_each_id(self.labels_HW * np.int64(num) + self.object_HW).items():
            class_index, object_index = divmod(key, num)
            if class_index != IGNORE:
                yield class_index, self.crowds[object_index], crop


def _choose_segment_id(color: tuple[int, int, int], used: set[int]) -> int:
    """Choose the id that is the colour itself, or the next id that is free."""
    segment_id = color[0] | color[1] << 8 | color[2] << 16
    while segment_id in used or not segment_id:
        segment_id = (segment_id + _STEP) % _NUM_IDS
    return segment_id
