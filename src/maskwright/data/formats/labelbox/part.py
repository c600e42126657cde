"""Labelbox: exports v2, and files for its import; rows are lines of NDJSON or an array.

    <export>.ndjson    masks/<id>.png    <images>

The image of a data row is the file with the name of its external id, its global key, the last
part of its address, or its id, with any suffix. An export holds addresses of masks, which
expire after 30 days. They are never fetched: download each mask with the API key, as a PNG into
`masks` beside the file, under the id in its address (`.../masks/<id>/...`,
`.../annotations/<id>/...`, else the last part), or, if it holds all objects of an image, under
the name of that image. The pixels of an object are those of its colour, or without colour all
that are not black. `mask.png` of an import is a PNG in base64 with values 0 and 1.

Polygons are filled as by Labelbox's library, by OpenCV with the outline. Objects are painted in
the order of the file. The split is a folder, else the metadata field `split`. Boxes,
points and lines are skipped and counted.
Source: docs.labelbox.com, "Export image annotations" and "Import image annotations"; labelbox
6, data/annotation_types/geometry and data/serialization/ndjson/objects.py.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np

from ....core.errors import DataError
from ...classes.dataset_yaml import DatasetFile
from ...entries.annotation import SHAPE_CODEC, Annotation, list_shape_classes
from ...entries.scan import (
    SPLITS,
    UNSPLIT,
    Entry,
    LeftOut,
    Scan,
    make_keys_unique,
    normalise_split,
    parse_place,
)
from ...pixels.imageref import ImageRef
from ...pixels.images import image_size
from ...reading.documents import find_annotation_files, peek_first
from ...reading.jsonindex import JsonIndex
from ...reading.lookup import ImageLookup, fold_name
from ...shapes.drawing import Drawing, Overlap, Shape
from ...shapes.raster import Crop, Ring
from .masks import (
    MASKS,
    MaskFiles,
    find_mask,
    find_mask_files,
    missing_mask_error,
    pack_color,
    read_mask,
    split_colors,
)
from .rows import (
    ROWS,
    DataRow,
    Mask,
    ObjectAnnotation,
    Row,
    index_rows,
    looks_labelbox,
)

OVERLAP: Overlap = "file"
_SUFFIXES = (".ndjson", ".jsonl", ".json")


@dataclass(slots=True)
class _ImageRows:
    """The rows of one image, in one file."""

    index: JsonIndex
    exported: bool
    split: str
    indices: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Collection:
    """Rows, labels and mask files of the rows that were read so far.

    `missing` holds the row and the address of each mask that is not here, `absent` the names of
    images that are not here, `bare` the images of rows without a label.
    """

    rows: dict[ImageRef, _ImageRows] = field(default_factory=dict)
    labels: set[str] = field(default_factory=set)
    missing: list[tuple[str, str]] = field(default_factory=list)
    files: dict[Path, MaskFiles] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    bare: list[ImageRef] = field(default_factory=list)

    def list_left_out(self, root: Path, images: ImageLookup) -> Iterator[LeftOut]:
        """List the images that are named and missing, not labelled, or not named."""
        bare = (image.path.relative_to(root).as_posix() for image in self.bare)
        for reason, names in (
            ("images that are listed and not there", tuple(self.absent)),
            ("images of rows without a label", tuple(bare)),
        ):
            if names:
                yield LeftOut(reason, names)
        used = {*self.rows, *self.bare}
        yield from images.leave_out_others("images that no row names", used)


def recognises(root: Path) -> bool:
    """Whether the first file of rows has Labelbox's keys."""
    words = ('"data_row"', '"dataRow"', '"DataRow ID"')
    return any(
        any(word in text for word in words)
        for text in (peek_first(root, suffix) for suffix in _SUFFIXES)
    )


def scan(root: Path, document: DatasetFile) -> Scan:
    """List every labelled row whose image is here.

    Raises:
        DataError: A file is an export v1, a row is a video or has several labels, or masks are
            missing.
    """
    images, overlap = ImageLookup(root, without={MASKS}), document.overlap or OVERLAP
    collection = _collect_rows(root, images)
    if collection.missing:
        raise missing_mask_error(*collection.missing[0], others=len(collection.missing) - 1)
    if not collection.rows:
        raise DataError(
            f"{root}: no row of Labelbox here is labelled and has its image here; put the "
            f"images beside the file"
            + (f"; {collection.absent[0]!r} is missing" if collection.absent else "")
            + (f"; {len(collection.bare)} rows have no label" if collection.bare else "")
        )
    return Scan(
        entries=make_keys_unique(_make_entries(root, collection, overlap)),
        classes=list_shape_classes(collection.labels, document),
        codec=SHAPE_CODEC,
        overlap=overlap,
        left_out=tuple(collection.list_left_out(root, images)),
    )


def _collect_rows(root: Path, images: ImageLookup) -> _Collection:
    """Read all rows of all files."""
    collection, by_stem = _Collection(), defaultdict[str, list[ImageRef]](list)
    for image in images:
        by_stem[fold_name(image.path.stem)].append(image)
    paths = chain.from_iterable(find_annotation_files(root, suffix) for suffix in _SUFFIXES)
    for path in filter(looks_labelbox, paths):
        index = index_rows(path)
        collection.files[path] = find_mask_files(path)
        for row_index in range(len(index.spans[ROWS])):
            row = index.read_at(ROWS, np.array([row_index]), Row)[0]
            _add_row(collection, row, (index, row_index), images, by_stem)
    return collection


def _add_row(
    collection: _Collection,
    row: Row,
    location: tuple[JsonIndex, int],
    images: ImageLookup,
    by_stem: Mapping[str, list[ImageRef]],
) -> None:
    """Add one row; `location` is the index of its file, and the index of the row in it."""
    index, row_index = location
    where, data_row = f"{index.path}: {ROWS}.{row_index}", row.data_row or row.dataRow
    if data_row is None:
        raise DataError(f"{where}: expected 'data_row' as in an export v2; export it again")
    image = _find_image(data_row, images, by_stem, where)
    if image is None:
        collection.absent.append(next(data_row.names(), data_row.id))
        return
    objects = row.objects(where=where)
    if objects is None:
        collection.bare.append(image)
        return
    exported = row.data_row is not None
    rows = collection.rows.setdefault(image, _ImageRows(index, exported, row.split))
    # An import has one row per object, an export one per image.
    if rows.indices and (exported or rows.exported or rows.index is not index):
        raise DataError(
            f"{where}: {image} is the image of {rows.index.path}: {ROWS}.{rows.indices[0]} "
            f"too; keep one of the two"
        )
    rows.indices.append(row_index)
    for item in filter(lambda item: item.is_region, objects):
        collection.labels.add(_require_name(item, where))
        if item.masks and find_mask(item, image, collection.files[index.path], where) is None:
            address = item.masks[0].url or ""
            collection.missing.append((f"{where} ({image.path.name})", address))


def _find_image(
    data_row: DataRow, images: ImageLookup, by_stem: Mapping[str, list[ImageRef]], where: str
) -> ImageRef | None:
    """Find the image of a data row by any of its names, with or without suffix."""
    for name in (*data_row.names(), data_row.id):
        if image := images.find(name, where=where):
            return image
        if len(namesakes := by_stem.get(fold_name(name), [])) > 1:
            raise DataError(
                f"{where}: names the image {name!r}, and {namesakes[0]} and {namesakes[1]} "
                f"have that name; keep one"
            )
        if namesakes:
            return namesakes[0]
    return None


def _require_name(item: ObjectAnnotation, where: str) -> str:
    if not item.name:
        raise DataError(
            f"{where}: an object has no 'name' (perhaps only a schema id), so its class is not "
            f"known; add the name of the tool"
        )
    return item.name


def _make_entries(root: Path, collection: _Collection, overlap: Overlap) -> Iterator[Entry]:
    for image, rows in collection.rows.items():
        split, key, group = parse_place(image.path.relative_to(root))
        path = rows.index.path
        read = partial(_read, rows.index, tuple(rows.indices), image, collection.files[path])
        shapes = Annotation(file=path, place=image.path.name, overlap=overlap, read=read)
        metadata_split = normalise_split(rows.split.lower())
        split = split or (metadata_split if metadata_split in SPLITS else UNSPLIT)
        yield Entry(key=key, split=split, image=image, labels=shapes, group=group)


def _read(
    index: JsonIndex, indices: tuple[int, ...], image: ImageRef, files: MaskFiles
) -> Drawing:
    size_HW, skipped, shapes = image_size(image), Counter[str](), list[Shape]()
    items = list(_iterate_objects(index, indices, image, size_HW))
    # A file of all objects is read once: first the colours that occur in it are collected.
    colors: dict[Path, set[int]] = {}
    masks: list[tuple[Mask, Path | None] | None] = []
    for item, where in items:
        mask = find_mask(item, image, files, where) if item.masks else None
        if item.masks and mask is None:
            raise missing_mask_error(where, item.masks[0].url or "", others=0)
        masks.append(mask)
        if mask is not None and mask[1] is not None and mask[0].color is not None:
            colors.setdefault(mask[1], set()).add(pack_color(mask[0].color))
    crops = {path: split_colors(path, used, size_HW, skipped) for path, used in colors.items()}
    for (item, where), mask in zip(items, masks, strict=True):
        if not item.is_region:
            skipped[_describe_kind(item)] += 1
        elif mask is None and len(item.polygon or ()) < 3:
            skipped["polygons of fewer than three corners"] += 1
        elif mask is None:
            shapes.append(_make_shape(item, where, rings=(_read_ring(item),)))
        else:
            crop = read_mask(*mask, size_HW, crops, where)
            shapes.append(_make_shape(item, where, masks=(crop,)))
    return Drawing(size_HW=size_HW, shapes=tuple(shapes), raster="opencv", skipped=skipped)


def _iterate_objects(
    index: JsonIndex, indices: tuple[int, ...], image: ImageRef, size_HW: tuple[int, int]
) -> Iterator[tuple[ObjectAnnotation, str]]:
    """Iterate over the objects in the rows of one image, each with its row for messages."""
    rows = index.read_at(ROWS, np.array(indices), Row)
    for row_index, row in zip(indices, rows, strict=True):
        where, media = f"{index.path}: {ROWS}.{row_index}", row.media_attributes
        if (media.height or size_HW[0], media.width or size_HW[1]) != size_HW:
            raise DataError(
                f"{where}: labels an image of {media.height} x {media.width} (H x W), {image} "
                f"is {size_HW[0]} x {size_HW[1]}; use the image that was labelled"
            )
        for item in row.objects(where=where) or ():
            yield item, where


def _describe_kind(item: ObjectAnnotation) -> str:
    kinds = {"boxes": item.bounding_box, "points": item.point, "lines": item.line}
    return next((kind for kind in kinds if kinds[kind] is not None), "objects of another kind")


def _make_shape(
    item: ObjectAnnotation,
    where: str,
    *,
    rings: tuple[Ring, ...] = (),
    masks: tuple[Crop, ...] = (),
) -> Shape:
    return Shape(
        label=_require_name(item, where),
        rings=rings,
        masks=masks,
        instance=item.id or None,
        attributes={question.name: question.text() for question in item.classifications},
    )


def _read_ring(item: ObjectAnnotation) -> Ring:
    return np.array([(corner.x, corner.y) for corner in item.polygon or ()], np.float64)
