"""Two report folders of the same data -> their counts, image by image and class by class.

Same data means the same classes in the same order, the same images in the same groups, and the
same truth in every image; anything else is refused, naming the first difference.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ...core.labels import LabelSpec
from ...core.report import Report
from ..imagetable import COLUMNS, NAME

REPORT = "report.json"
_TOLERANCE = "boundary_tolerance"
_OF_TRUTH = ("truth", "boundary_truth")
"""Counts that predictions do not change."""
_KEY_COLUMNS = ("key", "group", "class")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Side:
    """One report with its folder, and its counts by name, each (N, C) int64."""

    folder: Path
    report: Report
    groups: Mapping[str, str]
    counts: Mapping[str, NDArray[np.int64]]

    @property
    def labels(self) -> LabelSpec:
        """The classes."""
        return self.report.labels

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the images, in the order of the counts' first axis."""
        return tuple(self.groups)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pair:
    """Two reports of the same data: the same images, and the same names of counts."""

    a: Side
    b: Side
    left_out: tuple[str, ...]
    """Names of counts that only one of the two has."""

    @property
    def group_names(self) -> tuple[str, ...]:
        """All groups, sorted."""
        return tuple(sorted(set(self.a.groups.values())))

    def by_group(self, side: Side) -> NDArray[np.float64]:
        """Counts of `side` summed over the images of each group, (G, C * names)."""
        place = {group: i for i, group in enumerate(self.group_names)}
        rows = np.array([place[group] for group in side.groups.values()])
        columns = [side.counts[name] for name in self.names]
        sums = np.zeros((len(place), sum(c.shape[1] for c in columns)))
        np.add.at(sums, rows, np.concatenate(columns, axis=1))
        return sums

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the counts."""
        return tuple(self.a.counts)


def read_pair(a: Path, b: Path) -> Pair:
    """Read both folders, B in the order of A's images.

    Raises:
        DataError: A file is missing or damaged, or the two are not of the same data.
    """
    first, second = read_side(a), read_side(b)
    _require_same_classes(first, second)
    _require_same_images(first, second)
    both = [name for name in first.counts if name in second.counts]
    left_out = set(first.counts) ^ set(second.counts)
    first, second = (_narrowed(side, first.keys, both) for side in (first, second))
    _require_same_groups(first, second)
    if "boundary_truth" in both:
        _require_same_setting(first, second)
    for name in _OF_TRUTH:
        if name in both:
            _require_same_truth(first, second, name)
    return Pair(a=first, b=second, left_out=tuple(sorted(left_out)))


def read_side(folder: Path) -> Side:
    """Read report.json and images.csv of one folder.

    Raises:
        DataError: A file is missing or damaged.
    """
    for name in (REPORT, NAME):
        if not (folder / name).is_file():
            raise DataError(
                f"{folder}: has no {name}; give a folder that `maskwright score` or "
                f"`maskwright evaluate` wrote"
            )
    path = folder / REPORT
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path}: not JSON ({error}); score again") from error
    report = Report.from_json(document, where=str(path))
    groups, counts = _read_table(folder / NAME, report.labels)
    return Side(folder=folder, report=report, groups=groups, counts=counts)


def _read_table(
    path: Path, labels: LabelSpec
) -> tuple[dict[str, str], dict[str, NDArray[np.int64]]]:
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        lines = csv.reader(file)
        names = _names_of_columns(path, next(lines, []))
        index = {name: i for i, name in enumerate(labels.names)}
        groups: dict[str, str] = {}
        rows: list[NDArray[np.int64]] = []
        for number, (key, group, name, *values) in enumerate(_whole(path, lines, names), 2):
            if key not in groups:
                rows.append(np.zeros((len(names), len(labels)), np.int64))
            if groups.setdefault(key, group) != group or (name and name not in index):
                raise _damaged(path, number)
            if name:
                rows[-1][:, index[name]] = [_whole_number(path, number, v) for v in values]
    if not groups:
        raise DataError(f"{path}: lists no image; score again")
    stacked = np.stack(rows)
    return groups, {name: stacked[:, i] for i, name in enumerate(names)}


def _names_of_columns(path: Path, heads: list[str]) -> list[str]:
    names = {column: name for name, column in COLUMNS.items()}
    found = [names.get(head, "") for head in heads[3:]]
    if tuple(heads[:3]) != _KEY_COLUMNS or not {"truth", "predicted", "hit"} <= set(found):
        raise _damaged(path, 1)
    return found


def _whole(path: Path, lines: Iterable[list[str]], names: list[str]) -> Iterator[list[str]]:
    for number, line in enumerate(lines, 2):
        if len(line) != 3 + len(names):
            raise _damaged(path, number)
        yield line


def _whole_number(path: Path, line: int, text: str) -> int:
    if not text.isdecimal():
        raise _damaged(path, line)
    return int(text)


def _damaged(path: Path, line: int) -> DataError:
    return DataError(f"{path}: line {line} is not as maskwright wrote it; score again")


def _require_same_classes(a: Side, b: Side) -> None:
    if a.labels.names == b.labels.names:
        return
    pairs = enumerate(zip(a.labels.names, b.labels.names, strict=False))
    place = next(
        (
            f"; class {i} is {p!r} in the first and {q!r} in the second"
            for i, (p, q) in pairs
            if p != q
        ),
        "",
    )
    raise DataError(
        f"{b.folder}: {len(b.labels)} classes, {a.folder} has {len(a.labels)}{place}; "
        f"compare reports of the same classes"
    )


def _require_same_images(a: Side, b: Side) -> None:
    for lacking, full in ((b, a), (a, b)):
        missing = sorted(set(full.groups) - set(lacking.groups))
        if missing:
            raise DataError(
                f"{lacking.folder}: lacks {len(missing)} of the {len(full.groups)} images of "
                f"{full.folder}, the first is {missing[0]!r}; compare reports of the same "
                f"images"
            )


def _narrowed(side: Side, keys: tuple[str, ...], names: list[str]) -> Side:
    """The counts of `names` alone, with the images in the order of `keys`."""
    place = {key: i for i, key in enumerate(side.groups)}
    order = [place[key] for key in keys]
    return Side(
        folder=side.folder,
        report=side.report,
        groups={key: side.groups[key] for key in keys},
        counts={name: side.counts[name][order] for name in names},
    )


def _require_same_groups(a: Side, b: Side) -> None:
    differing = [key for key in a.groups if a.groups[key] != b.groups[key]]
    if differing:
        key = differing[0]
        raise DataError(
            f"{b.folder}: {len(differing)} images are in another group than in {a.folder}, the "
            f"first is {key!r} ({a.groups[key]!r} there, {b.groups[key]!r} here); score both "
            f"with the same --group"
        )


def _require_same_truth(a: Side, b: Side, name: str) -> None:
    differs_NC = a.counts[name] != b.counts[name]
    if not differs_NC.any():
        return
    image, index = (int(i) for i in np.argwhere(differs_NC)[0])
    raise DataError(
        f"{b.folder}: {int(differs_NC.any(axis=1).sum())} images have another truth than in "
        f"{a.folder}, the first is {a.keys[image]!r}: {a.labels.names[index]!r} has "
        f"{a.counts[name][image, index]} pixels there and {b.counts[name][image, index]} here; "
        f"score both against the same truth"
    )


def _require_same_setting(a: Side, b: Side) -> None:
    there, here = (side.report.settings.of_families.get(_TOLERANCE) for side in (a, b))
    if there != here:
        raise DataError(
            f"{b.folder}: boundaries were scored with {here}, in {a.folder} with {there}; "
            f"score both with the same tolerance"
        )
