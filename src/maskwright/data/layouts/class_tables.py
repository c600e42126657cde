"""Tables of classes beside masks: CSV files with the value or the colour of each class.

    Pixel Value, Class            _classes.csv of Roboflow, in each split
    name,r,g,b                    class_dict.csv of the Semantic Segmentation Suite
    , name, r, g, b               class_dict_seg.csv and others like it

A table with values says what masks store. A table with colours says it for colour masks; for
masks of numbers, number n is row n, counted from 0.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ...core.errors import ConfigError
from ...core.labels import MAX_CLASSES, Rgb
from ..classes.dataset_yaml import ClassEntry, CodecEntry
from ..entries.scan import SPLITS, Scan, normalise_split
from ..entries.walk import folders
from ..reading.text import read_lines

_NAMES = ("class", "name", "class_name", "classname", "label", "label_name", "category")
_VALUES = ("pixel_value", "pixelvalue", "value", "id", "class_id", "label_id", "index", "grey")
_COLORS = (("r", "g", "b"), ("red", "green", "blue"))
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class _Table:
    """The rows of one file: name, and the value or the colour, by the row."""

    path: Path
    names: tuple[str, ...]
    values: tuple[int, ...] | None
    colors: tuple[Rgb, ...] | None

    @property
    def content(self) -> object:
        return self.names, self.values, self.colors

    def list_classes(self) -> tuple[ClassEntry, ...]:
        """The classes, those with values with them as raw values."""
        return tuple(
            ClassEntry(
                name=name,
                color=None if self.colors is None else self.colors[row],
                raw=None if self.values is None else (self.values[row],),
            )
            for row, name in enumerate(self.names)
        )


def read_class_tables(root: Path, scan: Scan) -> Scan:
    """The scan, with the classes of the tables in `root` and in the folders of its splits.

    Raises:
        ConfigError: A table has a row that cannot be read, or two tables differ.
    """
    tables = list(_find_tables(root))
    if not tables:
        inner = folders(root)
        return read_class_tables(root / inner[0], scan) if len(inner) == 1 else scan
    first = tables[0]
    for other in tables[1:]:
        if other.content != first.content:
            raise ConfigError(
                f"{first.path} and {other.path} list different classes; keep one of them, or "
                f"list the classes in dataset.yaml"
            )
    stated = CodecEntry(pixels="index") if first.values is not None else scan.codec
    return replace(
        scan,
        classes=first.list_classes(),
        codec=stated,
        origin=str(first.path.relative_to(root)),
        listing=f"add its row to {first.path.name}",
    )


def _find_tables(root: Path) -> Iterator[_Table]:
    tops = [root, *(root / name for name in folders(root) if normalise_split(name) in SPLITS)]
    for top in tops:
        for path in sorted(top.glob("*.csv")):
            if path.is_file() and path.stat().st_size <= _MOST_BYTES:
                table = _read_table(path)
                if table is not None:
                    yield table


def _read_table(path: Path) -> _Table | None:
    """Read a file; None where its columns are not those of a table of classes."""
    try:
        rows = list(csv.reader(read_lines(path, error=ConfigError), skipinitialspace=True))
    except (csv.Error, ConfigError):
        return None
    rows = [[cell.strip() for cell in row] for row in rows if any(cell.strip() for cell in row)]
    if len(rows) < 2:
        return None
    columns = {re.sub(r"[ -]+", "_", cell.lower()): i for i, cell in enumerate(rows[0])}
    name = next((columns[key] for key in _NAMES if key in columns), None)
    colors = next((keys for keys in _COLORS if columns.keys() >= set(keys)), None)
    value = next((columns[key] for key in _VALUES if key in columns), None)
    if name is None or (colors is None and value is None):
        return None
    numbers = [columns[key] for key in colors] if colors else [value or 0]
    parsed = [
        _parse_row(path, line, row, name, numbers) for line, row in enumerate(rows[1:], 2)
    ]
    if len(parsed) > MAX_CLASSES:
        raise ConfigError(
            f"{path}: lists {len(parsed)} classes, at most {MAX_CLASSES} are read"
        )
    names = tuple(text for text, _ in parsed)
    if colors:
        return _Table(path, names, None, tuple((n[0], n[1], n[2]) for _, n in parsed))
    return _Table(path, names, tuple(n[0] for _, n in parsed), None)


def _parse_row(
    path: Path, line: int, row: list[str], name: int, numbers: list[int]
) -> tuple[str, list[int]]:
    cells = [row[column] if column < len(row) else "" for column in (name, *numbers)]
    most = 255 if len(numbers) == 3 else 65535
    if not cells[0] or not all(c.isdecimal() and int(c) <= most for c in cells[1:]):
        raise ConfigError(
            f"{path}: line {line} is {','.join(row)!r}, expected a name and numbers of "
            f"0..{most}; correct the line"
        )
    return cells[0], [int(cell) for cell in cells[1:]]
