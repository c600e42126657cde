"""Tables that people write: a value, such as a group or a split, for each image."""

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from ...core.errors import DataError, nearest
from ...core.pseudonyms import spell
from ...pages.csvfile import read_rows
from ...pages.text import format_subject
from ..entries.scan import Entry

KEY_COLUMNS = ("key", "file", "image", "filename", "file_name", "name", "path")
"""Names of the column that names the image, the first that is there."""


def read_key_table(path: Path, column: str, entries: Sequence[Entry]) -> dict[str, str]:
    """Read `column` of a CSV file for each entry, by key; rows of other images are left out.

    An image is named by its key, or by its file name or path, with or without suffix.

    Raises:
        DataError: The file cannot be read or lacks a column, an entry has no row or no value,
            or two rows of one image differ.
    """
    keys_of = _list_names(entries)
    values: dict[str, str] = {}
    for name, value in _read_column(path, column):
        for key in keys_of.get(spell(_plain(name)), ()):
            if values.setdefault(key, value) != value:
                raise DataError(
                    f"{path}: {key!r} has two values of {column!r}, {values[key]!r} and "
                    f"{value!r}; keep one"
                )
    missing = [entry.key for entry in entries if not values.get(entry.key)]
    if missing:
        raise DataError(
            f"{path}: {format_subject(len(missing), 'image has', 'images have')} no row with a "
            f"{column!r}, the first is {missing[0]!r}; add a row for each"
        )
    return values


def _list_names(entries: Iterable[Entry]) -> dict[str, list[str]]:
    """The keys that each name may mean; a file name of two images means neither."""
    keys_of: dict[str, list[str]] = {}
    by_stem: dict[str, list[str]] = {}
    for entry in entries:
        path = PurePosixPath(entry.image.path.as_posix()).with_suffix("").as_posix()
        keys_of[entry.key] = [entry.key]
        parts = path.split("/")
        for start in range(len(parts)):
            by_stem.setdefault("/".join(parts[start:]), []).append(entry.key)
    unique = {name: keys for name, keys in by_stem.items() if len(keys) == 1}
    return unique | keys_of


def _read_column(path: Path, column: str) -> Iterable[tuple[str, str]]:
    rows = iter(read_rows(path))
    heads = [head.strip().lower() for head in next(rows, [])]
    name = next((known for known in KEY_COLUMNS if known in heads), None)
    if name is None or column not in heads:
        missing = "key" if name is None else column
        raise DataError(
            f"{path}: has no column {missing!r}{nearest(missing, heads)}; its first line is "
            f"{','.join(heads)!r}, expected for example 'key,{column}'"
        )
    positions = heads.index(name), heads.index(column)
    for row in rows:
        if len(row) > max(positions):
            yield row[positions[0]].strip(), row[positions[1]].strip()


def _plain(name: str) -> str:
    """A name of a key or a path, without the suffix of an image."""
    path = PurePosixPath(name.replace("\\", "/"))
    return path.with_suffix("").as_posix() if len(path.suffix) in {4, 5} else path.as_posix()
