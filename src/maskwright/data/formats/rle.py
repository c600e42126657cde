"""Run lengths in a CSV table, as in competitions on Kaggle.

    <any>.csv     ImageId,ClassId,EncodedPixels     <folders>/<name>.jpg
                  a.jpg,1,"5 2 9 1"                 (`Image_Label`: a.jpg_Fish; the suffix of
                                                     the image may be missing)

`start length start length ...`: pixels are counted from 1, down the columns, or along the rows
with `runs: rows` in dataset.yaml. Starts that decrease, runs that overlap and runs beyond the
image are errors that name the row. Several rows of one image are several regions, of which the
later is on top; no run lengths, or -1, mean that nothing is on the image. The class is in the
column that `label_key` of dataset.yaml names, else in one with a usual name, else all regions
are `object`. Images that no row names are skipped, and so are files called `...submission...`.

`masks.csv` is written beside the images: one row per shape, one empty row per image without
shapes.
Source: the rules of Kaggle's "Airbus Ship Detection Challenge" (one class) and of "Severstal:
Steel Defect Detection" (several).
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ...core.labels import LabelSpec
from ..classes.dataset_yaml import DatasetFile
from ..entries.annotation import SHAPE_CODEC, Annotation, list_shape_classes
from ..entries.picture import Picture, Record, WriteResult, copy_image
from ..entries.scan import (
    SPLITS,
    UNSPLIT,
    Entry,
    LeftOut,
    Scan,
    make_keys_unique,
    normalise_split,
    parse_place,
)
from ..entries.walk import image_files
from ..pixels.imageref import ImageRef
from ..pixels.images import image_size
from ..reading.lookup import NameTable
from ..reading.run_table import (
    UNNAMED,
    RunTable,
    find_tables,
    has_runs,
    is_empty,
    iterate_rows,
)
from ..shapes.drawing import Drawing, Overlap, Shape
from ..shapes.raster import Crop
from ..shapes.runs import decode_columns, encode_columns

HOLDS = frozenset({"overlaps", "ignored", "usual splits"})
READS = frozenset({"label_key", "runs"})
OVERLAP: Overlap = "file"
_TABLE, _HEAD = "masks.csv", ("ImageId", "ClassId", "EncodedPixels")


@dataclass(slots=True)
class _Rows:
    """The rows of one image in a file: number and offset of the first byte of each."""

    table: RunTable
    offsets: list[tuple[int, int]] = field(default_factory=list)


def recognises(root: Path) -> bool:
    """Whether a CSV file has columns for images and run lengths, and run lengths in them."""
    return root.is_dir() and any(map(has_runs, find_tables(root, None)))


def scan(root: Path, document: DatasetFile) -> Scan:
    """List every image that a row names.

    Raises:
        DataError: There is no table, or two tables name the same image.
    """
    files = list(image_files(root))
    images, labels = NameTable(_index_images(root, files)), set[str]()
    rows_of: dict[ImageRef, _Rows] = {}
    missing: dict[str, None] = {}
    for table in find_tables(root, document.label_key):
        for row, offset, fields in iterate_rows(table):
            name, label = table.read_names(fields)
            if image := images.find(name) or images.find(name.strip()):
                rows = rows_of.setdefault(image, _Rows(table))
                _require_same_table(rows.table, table, image)
                rows.offsets.append((row, offset))
                if label and not is_empty(fields[table.pixels]):
                    labels.add(label)
            else:
                missing[name] = None
    if not rows_of:
        raise DataError(
            f"{root}: no CSV file with columns such as {', '.join(_HEAD)} names an image that "
            f"is here, {len(missing)} missing images are named; put them beside the file"
        )
    return Scan(
        entries=make_keys_unique(
            _make_entry(root, *item, document) for item in rows_of.items()
        ),
        classes=list_shape_classes(labels, document),
        codec=SHAPE_CODEC,
        overlap=document.overlap or OVERLAP,
        left_out=tuple(_list_left_out(root, missing, files, rows_of)),
        notes=tuple(_describe_tables(rows_of)),
    )


def _make_entry(root: Path, image: ImageRef, rows: _Rows, document: DatasetFile) -> Entry:
    split, key, group = parse_place(image.path.relative_to(root))
    shapes = Annotation(
        file=rows.table.path,
        place=image.path.name,
        overlap=document.overlap or OVERLAP,
        read=partial(_read, rows, image, down=document.runs != "rows"),
    )
    split = split or _find_split(rows.table.path)
    return Entry(key=key, split=split, image=image, labels=shapes, group=group)


def _describe_tables(rows_of: Mapping[ImageRef, _Rows]) -> Iterator[str]:
    """Yield the notes on what is assumed."""
    if any(rows.table.label is None for rows in rows_of.values()):
        yield (
            f"no column holds classes, so all regions are {UNNAMED!r}; if there is one, name "
            f"it as 'label_key' in dataset.yaml"
        )


def _list_left_out(
    root: Path,
    missing: Iterable[str],
    files: Iterable[ImageRef],
    rows_of: Mapping[ImageRef, _Rows],
) -> Iterator[LeftOut]:
    if names := tuple(missing):
        yield LeftOut("images that are listed and not there", names)
    unnamed = (i.path.relative_to(root).as_posix() for i in files if i not in rows_of)
    if names := tuple(unnamed):
        yield LeftOut("images that no row names", names)


def _require_same_table(one: RunTable, other: RunTable, image: ImageRef) -> None:
    if one.path != other.path:
        raise DataError(f"{image}: has rows in {one.path} and in {other.path}; keep one")


def _index_images(root: Path, files: Iterable[ImageRef]) -> dict[str, ImageRef]:
    """Index images by path and by name, with and without suffix, if only one image fits."""
    images_of: dict[str, set[ImageRef]] = {}
    for image in files:
        path = PurePosixPath(image.path.relative_to(root).as_posix())
        for name in {str(path), str(path.with_suffix("")), path.name, path.stem}:
            images_of.setdefault(name, set()).add(image)
    return {name: next(iter(fit)) for name, fit in images_of.items() if len(fit) == 1}


def _find_split(path: Path) -> str:
    split = normalise_split(path.stem)
    return split if split in SPLITS else UNSPLIT


def _read(rows: _Rows, image: ImageRef, *, down: bool) -> Drawing:
    table, size_HW, shapes = rows.table, image_size(image), []
    with table.path.open("rb") as file:
        for row, offset in rows.offsets:
            file.seek(offset)
            fields = table.split(file.readline(), row)
            text = fields[table.pixels]
            if is_empty(text):
                continue
            where = f"{table.path}: row {row}"
            label = table.read_names(fields)[1]
            if not label:
                raise DataError(f"{where}: has run lengths but no class; add the class")
            crop = _decode_crop(_decode_counts(text, size_HW, where), size_HW, where, down=down)
            shapes.append(Shape(label=label, masks=(crop,)))
    return Drawing(size_HW=size_HW, shapes=tuple(shapes))


def _decode_counts(text: str, size_HW: tuple[int, int], where: str) -> NDArray[np.int64]:
    """Decode `start length start length ...` into counts of zeros, ones, zeros ..."""
    try:
        numbers = np.array(text.split(), np.int64)
    except (ValueError, OverflowError) as error:
        raise DataError(
            f"{where}: expected whole numbers as run lengths: {error}; correct them"
        ) from error
    if len(numbers) % 2:
        raise DataError(
            f"{where}: {len(numbers)} numbers, expected a start and a length for each run; add "
            f"what is missing"
        )
    total = size_HW[0] * size_HW[1]
    starts, lengths = numbers[::2] - 1, numbers[1::2]
    if starts.min() < 0 or lengths.min() < 1 or max(starts.max(), lengths.max()) > total:
        raise DataError(
            f"{where}: a start or a length is not in 1..{total}, the pixels of the image; "
            f"correct it (starts are counted from 1)"
        )
    ends = starts + lengths
    overlapping = np.flatnonzero(starts[1:] < ends[:-1])
    if overlapping.size:
        run = int(overlapping[0]) + 1
        raise DataError(
            f"{where}: run {run + 1} starts at {starts[run] + 1}, run {run} ends at "
            f"{ends[run - 1]} ({overlapping.size} such); sort the runs, join those that overlap"
        )
    if ends[-1] > total:
        raise DataError(
            f"{where}: runs go to pixel {ends[-1]}, the image has {size_HW[0]} x {size_HW[1]} "
            f"= {total} (H x W); use the image that was labelled"
        )
    changes = np.column_stack((starts, ends)).ravel()
    return np.diff(np.concatenate(([0], changes, [total])))


def _decode_crop(
    counts: NDArray[np.int64], size_HW: tuple[int, int], where: str, *, down: bool
) -> Crop:
    """Decode counts down the columns, or along the rows: those are columns of the transpose."""
    if down:
        return decode_columns(counts, size_HW, where=where)
    transposed = decode_columns(counts, size_HW[::-1], where=where)
    return Crop(transposed.left, transposed.top, transposed.inside_hw.T)


def write(folder: Path, picture: Picture) -> WriteResult:
    """Write the image; its rows go into the record, for the table of all images.

    Raises:
        DataError: A name has a line break, which ends a row.
    """
    for name in (picture.name, *picture.spec.names):
        if "\n" in name:
            raise DataError(f"{name!r} has a line break, which ends a row; rename it")
    copy_image(picture, folder / "images" / picture.entry.split / picture.name)
    drawing, rows = picture.drawing, []
    for shape in drawing.shapes:
        crop = shape.fill(drawing.size_HW, drawing.raster)
        if crop.area_px:
            counts = encode_columns(crop, drawing.size_HW)
            starts, lengths = np.cumsum(counts)[0::2] + 1, counts[1::2]
            runs = np.column_stack((starts[: len(lengths)], lengths))
            rows.append([shape.label, " ".join(map(str, runs.ravel().tolist()))])
    return WriteResult(record={"image": picture.name, "rows": rows or [["", ""]]})


def finish(folder: Path, _spec: LabelSpec, records: Iterable[Record]) -> None:
    """Write the table of all images."""
    with (folder / _TABLE).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(_HEAD)
        for record in records:
            table.writerows([record["image"], *row] for row in record["rows"])
