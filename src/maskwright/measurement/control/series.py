"""Series of one figure of a table that `measure` wrote, in the order of its rows."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import ConfigError, DataError, UnknownNameError
from ...pages.csvfile import read_rows

_IMAGE = "image"


@dataclass(frozen=True, slots=True)
class Series:
    """Keys of images and their values."""

    keys: tuple[str, ...]
    values: tuple[float, ...]


def read_series(
    table: Path,
    figure: str,
    *,
    where: Mapping[str, str] | None = None,
    by: str | None = None,
) -> dict[str, Series]:
    """Read the values of a column, by group; empty cells are left out.

    Args:
        table: A CSV with a column `image`, such as coverage.csv.
        figure: The column of the values.
        where: Values that other columns must have, such as {"class": "crack"}.
        by: A column, or a regular expression whose match in the key of an image is its group;
            all are one group "" unless given.

    Raises:
        DataError: No such file, no row is left, an image has several, or a cell is no number.
        ConfigError: `by` is neither.
        UnknownNameError: There is no such column.
    """
    rows = read_rows(table)
    names = next(rows, [])
    for name in (_IMAGE, figure, *(where or {})):
        if name not in names:
            raise UnknownNameError("column", name, names)
    found: dict[str, dict[str, float]] = {}
    for number, cells in enumerate(rows, start=2):
        row = dict(zip(names, cells, strict=False))
        if any(row.get(name) != value for name, value in (where or {}).items()):
            continue
        key, text = row[_IMAGE], row.get(figure, "")
        if not text:
            continue
        values = found.setdefault(find_group(row, by), {})
        if key in values:
            raise DataError(
                f"{table}: line {number}: {key} has several rows; choose one with --where, "
                f"such as --where class=NAME"
            )
        values[key] = _read_number(text, f"{table}: line {number}: {figure}")
    if not found:
        chosen = ", ".join(f"{name}={value}" for name, value in (where or {}).items())
        raise DataError(f"{table}: no row with a value of {figure} {chosen}".rstrip())
    return {group: Series(tuple(v), tuple(v.values())) for group, v in found.items()}


def parse_where(texts: Sequence[str]) -> dict[str, str]:
    """Read `class=crack` and more.

    Raises:
        ConfigError: A text without an equals sign.
    """
    found = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign:
            raise ConfigError(f"--where {text!r}: write COLUMN=VALUE, such as class=crack")
        found[name] = value
    return found


def find_group(row: Mapping[str, str], by: str | None) -> str:
    """The value of a column, or what a regular expression matches in the key of the image.

    Raises:
        ConfigError: `by` is no column, and no expression that matches.
    """
    if by is None:
        return ""
    if by in row:
        return row[by]
    try:
        match = re.search(by, row[_IMAGE])
    except re.error as error:
        raise ConfigError(
            f"--each {by!r}: neither a column ({', '.join(row)}) nor a regular expression "
            f"({error})"
        ) from error
    if match is None:
        raise ConfigError(f"--each {by!r}: matches nothing in {row[_IMAGE]}, and is no column")
    return match[match.re.groups and 1]


def _read_number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise DataError(f"{where} is {text!r}, expected a number") from error
