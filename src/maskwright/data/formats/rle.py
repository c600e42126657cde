"""Run lengths in a table, as competitions hand them out (Kaggle).

    <any>.csv     ImageId,ClassId,EncodedPixels     <folders>/<name>.jpg
                  a.jpg,1,"5 2 9 1"                 (`Image_Label`: a.jpg_Fish; the ending may
                                                     be left out)

`start length start length ...`: pixels are counted from 1, down the columns; `runs: rows` in
dataset.yaml says that it is along the rows. Starts that decrease or runs that overlap are
refused by the row, as are runs beyond the image. Several rows of one image are several regions,
the later is seen; empty or -1 is an image with nothing on it. The class is the column that
`label_key` of dataset.yaml names, else one called so, else all is `object`. Images that no row
names are passed over, and so are files called `...submission...`.

Written are `masks.csv` and images; a row for each shape, an empty one for an image without.
Source: the rules of Kaggle's "Airbus Ship Detection Challenge" (one class) and of "Severstal:
Steel Defect Detection" (several).
"""

import csv
import re
from collections.abc import Iterable, Iterator
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
    Scan,
    make_keys_unique,
    normalise_split,
    parse_place,
)
from ..entries.walk import image_files
from ..pixels.imageref import ImageRef
from ..pixels.images import image_size
from ..reading.documents import find_annotation_files
from ..shapes.drawing import Drawing, Overlap, Shape
from ..shapes.raster import Crop
from ..shapes.runs import decode_columns, encode_columns

HOLDS = frozenset({"overlaps", "ignored", "splits"})
READS = frozenset({"label_key", "runs"})
OVERLAP: Overlap = "file"
_TABLE, _HEAD, _UNNAMED = "masks.csv", ("ImageId", "ClassId", "EncodedPixels"), "object"
_PIXELS = ("encodedpixels", "encoded_pixels", "rle", "rle_mask", "segmentation", "annotation")
_BOTH = ("imageid_classid", "image_label", "image_class")
_IMAGE = ("imageid", "image_id", "img_id", "image", "image_name", "filename", "file_name", "id")
_CLASS = ("classid", "class_id", "class", "label", "category", "category_id", "cell_type")
_FIELD = re.compile(r'(?:^|(?<=[,;\t]))(?:"((?:[^"]|"")*)"|([^,;\t"]*))(?=[,;\t]|$)')
_MOST_HEAD = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """Which columns of a file say what; `label` is None where no class is said."""

    path: Path
    num: int
    image: int
    label: int | None
    pixels: int

    def fields(self, line: bytes, row: int) -> list[str]:
        """The fields of a line of the file.

        Raises:
            DataError: Not as many as the header has.
        """
        try:
            fields = _fields(line.decode("utf-8"))
        except UnicodeError as error:
            raise DataError(f"{self.path}: row {row} is not UTF-8 text: {error}") from error
        if len(fields) != self.num:
            raise DataError(
                f"{self.path}: row {row} has {len(fields)} fields, the header has {self.num}; "
                f"put quotes around commas"
            )
        return fields

    def named(self, fields: list[str]) -> tuple[str, str]:
        """Image and class of a row."""
        if self.label is None:
            return fields[self.image].strip(), _UNNAMED
        if self.label != self.image:
            return fields[self.image].strip(), fields[self.label].strip()
        image, _, label = fields[self.image].strip().rpartition("_")
        return image, label


@dataclass(slots=True)
class _Rows:
    """Where the rows of one image lie in a file: number and first byte."""

    table: _Table
    places: list[tuple[int, int]] = field(default_factory=list)


def recognises(root: Path) -> bool:
    """Whether a CSV file has columns for images and run lengths."""
    return root.is_dir() and any(_tables(root, None))


def scan(root: Path, document: DatasetFile) -> Scan:
    """Every image that a row names.

    Raises:
        DataError: There is no table, or two tables name one image.
    """
    images, labels = _by_name(root), set[str]()
    found: dict[ImageRef, _Rows] = {}
    missing: set[str] = set()
    for table in _tables(root, document.label_key):
        for row, place, fields in _lines(table):
            name, label = table.named(fields)
            if image := images.get(name):
                rows = found.setdefault(image, _Rows(table))
                _refuse_other(rows.table, table, image)
                rows.places.append((row, place))
                if label and not _is_empty(fields[table.pixels]):
                    labels.add(label)
            else:
                missing.add(name)
    if not found:
        raise DataError(
            f"{root}: no CSV file with columns as {', '.join(_HEAD)} names an image that is "
            f"here; {len(missing)} others are named"
        )
    bare = len(set(images.values())) - len(found)
    return Scan(
        entries=make_keys_unique(_entry(root, *item, document) for item in found.items()),
        classes=list_shape_classes(labels, document),
        codec=SHAPE_CODEC,
        overlap=document.overlap or OVERLAP,
        notes=tuple(_notes(found, missing, bare)),
    )


def _entry(root: Path, image: ImageRef, rows: _Rows, document: DatasetFile) -> Entry:
    split, key, group = parse_place(image.path.relative_to(root))
    drawn = Annotation(
        file=rows.table.path,
        place=image.path.name,
        overlap=document.overlap or OVERLAP,
        read=partial(_read, rows, image, down=document.runs != "rows"),
    )
    split = split or _split_of(rows.table.path)
    return Entry(key=key, split=split, image=image, labels=drawn, group=group)


def _notes(found: dict[ImageRef, _Rows], missing: set[str], bare: int) -> Iterator[str]:
    if any(rows.table.label is None for rows in found.values()):
        yield (
            f"no column says a class, all is {_UNNAMED!r}; name one as 'label_key' in "
            f"dataset.yaml if there is one"
        )
    if missing:
        yield f"{len(missing)} images that rows name are not here, {min(missing)!r} first"
    if bare:
        yield (
            f"{bare} images that no row names are passed over; a row without run lengths says "
            f"that nothing is on the image"
        )


def _refuse_other(one: _Table, other: _Table, image: ImageRef) -> None:
    if one.path != other.path:
        raise DataError(f"{image}: has rows in {one.path} and in {other.path}; keep one")


def _by_name(root: Path) -> dict[str, ImageRef]:
    """Images by path, name, and both without the ending, where these are of one image."""
    found: dict[str, set[ImageRef]] = {}
    for image in image_files(root):
        place = PurePosixPath(image.path.relative_to(root).as_posix())
        for name in {str(place), str(place.with_suffix("")), place.name, place.stem}:
            found.setdefault(name, set()).add(image)
    return {name: next(iter(paths)) for name, paths in found.items() if len(paths) == 1}


def _split_of(path: Path) -> str:
    split = normalise_split(path.stem)
    return split if split in SPLITS else UNSPLIT


def _tables(root: Path, label_key: str | None) -> Iterator[_Table]:
    """The tables below a folder but those to be handed in."""
    for path in find_annotation_files(root, ".csv"):
        if "submission" in path.stem.lower():
            continue
        try:
            with path.open("rb") as file:
                head = file.readline(_MOST_HEAD).removeprefix(b"\xef\xbb\xbf")
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from error
        names = [name.strip() for name in _fields(head.decode("utf-8", errors="replace"))]
        table = _table_of(path, names, label_key)
        if table is not None:
            yield table


def _table_of(path: Path, names: list[str], label_key: str | None) -> _Table | None:
    low = [name.lower() for name in names]

    def place(known: tuple[str, ...]) -> int | None:
        return next((low.index(name) for name in known if name in low), None)

    pixels, both, image = place(_PIXELS), place(_BOTH), place(_IMAGE)
    if pixels is None or (both is None and image is None):
        return None
    label = both if both is not None else place(_CLASS)
    if label_key is not None:
        if label_key not in names:
            raise DataError(
                f"{path}: has no column {label_key!r} (label_key); it has {', '.join(names)}"
            )
        label = names.index(label_key)
    first = image if both is None or image is not None else both
    return _Table(path=path, num=len(names), image=first or 0, label=label, pixels=pixels)


def _lines(table: _Table) -> Iterator[tuple[int, int, list[str]]]:
    """Number (the header is 1), first byte and fields of each row that is not blank."""
    with table.path.open("rb") as file:
        place = len(file.readline())
        for row, line in enumerate(file, start=2):
            if line.strip():
                yield row, place, table.fields(line, row)
            place += len(line)


def _fields(line: str) -> list[str]:
    """Of a line of a CSV file; the csv module takes no field above 131,072 characters."""
    line = line.rstrip("\r\n")
    if '"' not in line:
        return re.split("[,;\t]", line)
    return [
        quoted.replace('""', '"') if quoted else plain for quoted, plain in _FIELD.findall(line)
    ]


def _is_empty(text: str) -> bool:
    return text.strip() in {"", "-1"}


def _read(rows: _Rows, image: ImageRef, *, down: bool) -> Drawing:
    table, size_HW, shapes = rows.table, image_size(image), []
    with table.path.open("rb") as file:
        for row, place in rows.places:
            file.seek(place)
            fields = table.fields(file.readline(), row)
            text = fields[table.pixels]
            if _is_empty(text):
                continue
            where = f"{table.path}: row {row}"
            label = table.named(fields)[1]
            if not label:
                raise DataError(f"{where}: has run lengths and no class; say it there")
            crop = _crop(_counts(text, size_HW, where), size_HW, where, down=down)
            shapes.append(Shape(label=label, masks=(crop,)))
    return Drawing(size_HW=size_HW, shapes=tuple(shapes))


def _counts(text: str, size_HW: tuple[int, int], where: str) -> NDArray[np.int64]:
    """Zeros, ones, zeros ... of `start length start length ...`."""
    try:
        numbers = np.array(text.split(), np.int64)
    except (ValueError, OverflowError) as error:
        raise DataError(f"{where}: run lengths are whole numbers; {error}") from error
    if len(numbers) % 2:
        raise DataError(
            f"{where}: {len(numbers)} numbers, expected a start and a length for each run"
        )
    total = size_HW[0] * size_HW[1]
    starts, lengths = numbers[::2] - 1, numbers[1::2]
    if starts.min() < 0 or lengths.min() < 1 or max(starts.max(), lengths.max()) > total:
        raise DataError(
            f"{where}: a start is below 1, a length below 1, or one of them above the {total} "
            f"pixels of the image; starts are counted from 1"
        )
    ends = starts + lengths
    wrong = np.flatnonzero(starts[1:] < ends[:-1])
    if wrong.size:
        run = int(wrong[0]) + 1
        raise DataError(
            f"{where}: run {run + 1} starts at {starts[run] + 1}, the one before ends at "
            f"{ends[run - 1]} ({wrong.size} such); sort the runs and join what overlaps"
        )
    if ends[-1] > total:
        raise DataError(
            f"{where}: runs go to pixel {ends[-1]}, the image has {size_HW[0]} x {size_HW[1]} "
            f"= {total} (H x W); is it of another size?"
        )
    turns = np.column_stack((starts, ends)).ravel()
    return np.diff(np.concatenate(([0], turns, [total])))


def _crop(
    counts: NDArray[np.int64], size_HW: tuple[int, int], where: str, *, down: bool
) -> Crop:
    if down:
        return decode_columns(counts, size_HW, where=where)
    turned = decode_columns(counts, size_HW[::-1], where=where)
    return Crop(turned.left, turned.top, turned.inside_hw.T)


def write(folder: Path, picture: Picture) -> WriteResult:
    """The image; its rows go into the record, for the one table."""
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
    """One table of all images."""
    with (folder / _TABLE).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(_HEAD)
        for record in records:
            table.writerows([record["image"], *row] for row in record["rows"])
