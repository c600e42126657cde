"""Read two report folders of the same data: their counts by image and by class.

Same data means the same classes in the same order, the same images in the same groups, and the
same truth in every image (the hash of its map, and its pixels by class); anything else is
refused, and the message names the first difference.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ...core.jsonfile import read_json
from ...core.labels import LabelSpec
from ...core.report import FILE_NAME, Report
from ...data.opening.splitfile import match_groups
from ...metrics.family import all_families
from ...pages.csvfile import read_rows
from ...pages.text import format_subject
from ..imagetable import KEY_COLUMNS, NAME, TRUTH_HASH, columns

_MAX_DIGITS = 15
"""A count of pixels has fewer, and their sum over all images fits 64 bits."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReportFolder:
    """A report folder: the report, the group of each image, and counts by name, (N, C) each.

    `truth_hashes` identify the truth of each image; reports of older versions have none.
    """

    path: Path
    report: Report
    groups: Mapping[str, str]
    counts: Mapping[str, NDArray[np.int64]]
    truth_hashes: Mapping[str, str] = field(default_factory=dict)

    @property
    def labels(self) -> LabelSpec:
        """The classes."""
        return self.report.labels

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the images, in the order of the counts' first axis."""
        return tuple(self.groups)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReportPair:
    """Two reports of the same data: the same images, and the same names of counts."""

    a: ReportFolder
    b: ReportFolder
    left_out: tuple[str, ...]
    """Names of counts that only one of the two has."""

    @property
    def has_truth_hashes(self) -> bool:
        """Whether both name the truth of each image: only then it is known to be the same."""
        return bool(self.a.truth_hashes and self.b.truth_hashes)

    @property
    def group_names(self) -> tuple[str, ...]:
        """All groups, sorted."""
        return tuple(sorted(set(self.a.groups.values())))

    def by_group(self, folder: ReportFolder) -> NDArray[np.float64]:
        """Counts of one folder summed over the images of each group, (G, C * names)."""
        index_of = {group: index for index, group in enumerate(self.group_names)}
        rows = np.array([index_of[group] for group in folder.groups.values()])
        columns = [folder.counts[name] for name in self.names]
        sums = np.zeros((len(index_of), sum(c.shape[1] for c in columns)))
        np.add.at(sums, rows, np.concatenate(columns, axis=1))
        return sums

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the counts."""
        return tuple(self.a.counts)


def read_report_pair(a: Path, b: Path, *, group: str | None = None) -> ReportPair:
    """Read both folders; the images of B are put in the order of A.

    `group` is a regular expression whose match in a key is its group, instead of the groups of
    the reports.

    Raises:
        DataError: A file is missing or damaged, or the two are not of the same data.
        ConfigError: `group` is not a regular expression.
    """
    first, second = read_report_folder(a), read_report_folder(b)
    if group is not None:
        first, second = _match_groups(first, group), _match_groups(second, group)
    _require_same_classes(first, second)
    _require_same_images(first, second)
    both = [name for name in first.counts if name in second.counts]
    left_out = set(first.counts) ^ set(second.counts)
    first, second = (_select(folder, first.keys, both) for folder in (first, second))
    _require_same_groups(first, second)
    _require_same_hashes(first, second)
    for family in all_families().values():
        if family.COLUMNS.keys() & set(both):
            for key in family.SETTINGS:
                _require_same_setting(first, second, key)
        for name in family.TRUTH_COUNTS:
            if name in both:
                _require_same_truth(first, second, name)
    return ReportPair(a=first, b=second, left_out=tuple(sorted(left_out)))


def read_report_folder(path: Path) -> ReportFolder:
    """Read report.json and images.csv of one folder.

    Raises:
        DataError: A file is missing or damaged.
    """
    for name in (FILE_NAME, NAME):
        if not (path / name).is_file():
            raise DataError(
                f"{path}: has no {name}; give a folder that `maskwright score` or "
                f"`maskwright evaluate` wrote"
            )
    file = path / FILE_NAME
    report = Report.from_json(read_json(file, fix="score again"), where=str(file))
    groups, counts, hashes = _read_table(path / NAME, report.labels)
    return ReportFolder(
        path=path, report=report, groups=groups, counts=counts, truth_hashes=hashes
    )


def _read_table(
    path: Path, labels: LabelSpec
) -> tuple[dict[str, str], dict[str, NDArray[np.int64]], dict[str, str]]:
    """Groups by key, counts by name, and the hash of each truth, where there are hashes."""
    lines = read_rows(path)
    names = _read_heads(path, next(lines, []))
    index = {name: i for i, name in enumerate(labels.names)}
    groups: dict[str, str] = {}
    hashes: dict[str, str] = {}
    rows: list[NDArray[np.int64]] = []
    rows_of_file = _require_columns(path, lines, names)
    hashed = names[:1] == [TRUTH_HASH]
    names = names[hashed:]
    for number, (key, group, name, *texts) in enumerate(rows_of_file, 2):
        values = texts[hashed:]
        if hashed:
            hashes[key] = texts[0]
        if key not in groups:
            rows.append(np.zeros((len(names), len(labels)), np.int64))
        if groups.setdefault(key, group) != group or (name and name not in index):
            raise _damage_error(path, number)
        if name:
            rows[-1][:, index[name]] = [_parse_count(path, number, v) for v in values]
    if not groups:
        raise DataError(f"{path}: lists no image; score again")
    stacked = np.stack(rows)
    return groups, {name: stacked[:, i] for i, name in enumerate(names)}, hashes


def _read_heads(path: Path, heads: list[str]) -> list[str]:
    """Names of the columns after the key; an unknown column is its own name."""
    name_of = {column: name for name, column in columns().items()}
    names = [name_of.get(head, head) for head in heads[3:]]
    if tuple(heads[:3]) != KEY_COLUMNS or not {"truth", "predicted", "hit"} <= set(names):
        raise _damage_error(path, 1)
    return names


def _require_columns(
    path: Path, lines: Iterable[list[str]], names: list[str]
) -> Iterator[list[str]]:
    for number, line in enumerate(lines, 2):
        if len(line) != 3 + len(names):
            raise _damage_error(path, number)
        yield line


def _parse_count(path: Path, line: int, text: str) -> int:
    if not text.isdecimal() or len(text) > _MAX_DIGITS:
        raise _damage_error(path, line)
    return int(text)


def _damage_error(path: Path, line: int) -> DataError:
    return DataError(f"{path}: line {line} is not as maskwright wrote it; score again")


def _require_same_classes(a: ReportFolder, b: ReportFolder) -> None:
    if a.labels.names == b.labels.names:
        return
    pairs = enumerate(zip(a.labels.names, b.labels.names, strict=False))
    first = next(
        (
            f"; class {i} is {p!r} in the first and {q!r} in the second"
            for i, (p, q) in pairs
            if p != q
        ),
        "",
    )
    raise DataError(
        f"{b.path}: {len(b.labels)} classes, {a.path} has {len(a.labels)}{first}; "
        f"compare reports of the same classes"
    )


def _require_same_images(a: ReportFolder, b: ReportFolder) -> None:
    for lacking, full in ((b, a), (a, b)):
        missing = sorted(set(full.groups) - set(lacking.groups))
        if missing:
            raise DataError(
                f"{lacking.path}: lacks {len(missing)} of the {len(full.groups)} images of "
                f"{full.path}, the first is {missing[0]!r}; compare reports of the same "
                f"images"
            )


def _select(folder: ReportFolder, keys: tuple[str, ...], names: list[str]) -> ReportFolder:
    """Keep the counts of `names` alone, with the images in the order of `keys`."""
    index_of = {key: index for index, key in enumerate(folder.groups)}
    order = [index_of[key] for key in keys]
    return replace(
        folder,
        groups={key: folder.groups[key] for key in keys},
        counts={name: folder.counts[name][order] for name in names},
    )


def _require_same_groups(a: ReportFolder, b: ReportFolder) -> None:
    differing = [key for key in a.groups if a.groups[key] != b.groups[key]]
    if differing:
        key = differing[0]
        raise DataError(
            f"{b.path}: {format_subject(len(differing), 'image is', 'images are')} in another "
            f"group than in {a.path}, the "
            f"first is {key!r} ({a.groups[key]!r} there, {b.groups[key]!r} here); score both "
            f"with the same --group"
        )


def _match_groups(folder: ReportFolder, pattern: str) -> ReportFolder:
    groups = match_groups(folder.keys, pattern)
    return replace(folder, groups=dict(zip(folder.keys, groups, strict=True)))


def _require_same_hashes(a: ReportFolder, b: ReportFolder) -> None:
    if not (a.truth_hashes and b.truth_hashes):
        return
    differing = [key for key in a.keys if a.truth_hashes[key] != b.truth_hashes[key]]
    if differing:
        raise DataError(
            f"{b.path}: {format_subject(len(differing), 'image has', 'images have')} another "
            f"truth than in {a.path}, the first "
            f"is {differing[0]!r} (its hash is {a.truth_hashes[differing[0]]} there and "
            f"{b.truth_hashes[differing[0]]} here); score both against the same truth"
        )


def _require_same_truth(a: ReportFolder, b: ReportFolder, name: str) -> None:
    differs_NC = a.counts[name] != b.counts[name]
    if not differs_NC.any():
        return
    image, index = (int(i) for i in np.argwhere(differs_NC)[0])
    counted = format_subject(int(differs_NC.any(axis=1).sum()), "image has", "images have")
    raise DataError(
        f"{b.path}: {counted} another truth than in {a.path}, the first is "
        f"{a.keys[image]!r}: {a.labels.names[index]!r} has {a.counts[name][image, index]} "
        f"pixels there and {b.counts[name][image, index]} here; score both against the same "
        f"truth"
    )


def _require_same_setting(a: ReportFolder, b: ReportFolder, key: str) -> None:
    first, second = (folder.report.settings.of_families.get(key) for folder in (a, b))
    if first != second:
        raise DataError(
            f"{b.path}: {key} is {second}, in {a.path} it is {first}; "
            f"score both with the same settings"
        )
