"""Tables of run lengths in CSV files: their columns, found by usual names, and their rows."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ...core.errors import DataError
from ...core.files import open_file
from .documents import MAX_INDEXED_BYTES, find_annotation_files

UNNAMED = "object"
"""The class of all regions where no column holds classes."""

# Usual names of columns, in lower case: run lengths, image and class in one, image, class.
_PIXELS = (
    *("encodedpixels", "encoded_pixels", "rle", "rle_mask", "mask_rle", "rle_encoding"),
    *("encoding", "segmentation", "annotation"),
)
_BOTH = ("imageid_classid", "image_label", "image_class")
_IMAGE = (
    *("imageid", "image_id", "img_id", "image", "image_name", "img", "img_name"),
    *("filename", "file_name", "image_path", "id"),
)
_CLASS = ("classid", "class_id", "class", "label", "category", "category_id", "cell_type")
_FIELDS = {
    separator: re.compile(
        rf'(?:^|(?<={separator}))(?:"((?:[^"]|"")*)"|([^{separator}"]*))(?={separator}|$)'
    )
    for separator in (",", ";", "\t")
}
"""The fields of a line, by the separator of the file."""

_RUNS = re.compile(r"\d+ +\d+(?: +\d+)*")
_MOST_ROWS = 1000
"""Rows in which a recogniser looks for run lengths."""

_MOST_HEAD = 1 << 16
"""Bytes of a header that are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTable:
    """The number of columns of a file, and the index of each that is read.

    `label` is None if there is no column of classes. `separator` lies between the fields.
    """

    path: Path
    separator: str
    num_columns: int
    image: int
    label: int | None
    pixels: int

    def split(self, line: bytes, row: int) -> list[str]:
        """Split a line of the file into its fields.

        Raises:
            DataError: There are more or fewer fields than in the header.
        """
        try:
            fields = _split_fields(line.decode("utf-8"), self.separator)
        except UnicodeError as error:
            raise DataError(
                f"{self.path}: row {row} is not UTF-8 text: {error}; save it as UTF-8"
            ) from error
        if len(fields) != self.num_columns:
            raise DataError(
                f"{self.path}: row {row} has {len(fields)} fields, expected "
                f"{self.num_columns} as in the header; put quotes around a field that has a "
                f"{self.separator!r}"
            )
        return fields

    def read_names(self, fields: list[str]) -> tuple[str, str]:
        """Read the image and the class of a row."""
        if self.label is None:
            return fields[self.image], UNNAMED
        if self.label != self.image:
            return fields[self.image], fields[self.label].strip()
        image, _, label = fields[self.image].strip().rpartition("_")
        return image, label


def has_runs(table: RunTable) -> bool:
    """Whether the first row that is not empty has run lengths."""
    for _, _, fields in islice(iterate_rows(table), _MOST_ROWS):
        if not is_empty(fields[table.pixels]):
            return _RUNS.match(fields[table.pixels].strip()) is not None
    return True


def find_tables(root: Path, label_key: str | None) -> Iterator[RunTable]:
    """Find the tables below a folder, without those to be submitted."""
    for path in find_annotation_files(root, ".csv"):
        if "submission" in path.stem.lower():
            continue
        with open_file(path, most_bytes=MAX_INDEXED_BYTES) as file:
            head = file.readline(_MOST_HEAD).removeprefix(b"\xef\xbb\xbf")
        table = _read_header(path, head.decode("utf-8", errors="replace"), label_key)
        if table is not None:
            yield table


def _read_header(path: Path, head: str, label_key: str | None) -> RunTable | None:
    """Find the columns by their names; None if the file is not a table of run lengths."""
    separator = max(_FIELDS, key=head.count)  # of equals the comma
    names = [name.strip() for name in _split_fields(head, separator)]
    low = [name.lower() for name in names]

    def find_column(known: tuple[str, ...]) -> int | None:
        return next((low.index(name) for name in known if name in low), None)

    pixels, both, image = find_column(_PIXELS), find_column(_BOTH), find_column(_IMAGE)
    if pixels is None or (both is None and image is None):
        return None
    label = both if both is not None else find_column(_CLASS)
    if label_key is not None:
        if label_key not in names:
            raise DataError(
                f"{path}: expected the column {label_key!r} (label_key in dataset.yaml), found "
                f"{', '.join(names)}; correct label_key"
            )
        label = names.index(label_key)
    image_column = image if both is None or image is not None else both
    return RunTable(
        path=path,
        separator=separator,
        num_columns=len(names),
        image=image_column or 0,
        label=label,
        pixels=pixels,
    )


def iterate_rows(table: RunTable) -> Iterator[tuple[int, int, list[str]]]:
    """Iterate over the rows that are not blank: number (the header is 1), offset and fields."""
    with table.path.open("rb") as file:
        offset = len(file.readline())
        for row, line in enumerate(file, start=2):
            if line.strip():
                yield row, offset, table.split(line, row)
            offset += len(line)


def _split_fields(line: str, separator: str) -> list[str]:
    """Split a line of a CSV file; the csv module limits fields to 131,072 characters."""
    line = line.rstrip("\r\n")
    if '"' not in line:
        return line.split(separator)
    return [
        quoted.replace('""', '"') if quoted else plain
        for quoted, plain in _FIELDS[separator].findall(line)
    ]


def is_empty(text: str) -> bool:
    """Whether a field states that nothing is on the image."""
    return text.strip() in {"", "-1"}
