"""Tables as CSV: a cell that a spreadsheet would run as a formula begins with an apostrophe.

Names of classes and files may begin with `=`, `+`, `-`, `@`, a tab or a line end. Such a text,
unless it is a number, is written with `'` before it (OWASP, CSV Injection), and reading takes
that `'` away, so that every text comes back as it was.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Protocol

from ..core.errors import DataError
from ..core.files import open_file

MAX_BYTES = 4 << 30
"""Largest table that is read."""

WriteRow = Callable[[Iterable[Any]], Any]
"""Writes the cells of one row."""

_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?", re.ASCII)


class _Stream(Protocol):
    def write(self, text: str, /) -> Any:
        """Take a line."""


def write_rows(file: _Stream) -> WriteRow:
    r"""Give the function that writes one row to `file`, whose lines end with `\n`.

    Cells are texts and numbers; None is an empty cell.
    """
    write_row = csv.writer(file, lineterminator="\n").writerow
    return lambda cells: write_row([neutralize_cell(cell) for cell in cells])


def read_rows(path: Path) -> Iterator[list[str]]:
    """Read the rows of a UTF-8 file, with or without a byte order mark, one after the other.

    Bytes that are not UTF-8 come back as surrogates, as in names of files.

    Raises:
        DataError: The file cannot be read, or is not CSV; the message has the line.
    """
    with open_file(path, most_bytes=MAX_BYTES) as file:
        lines = TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
        yield from parse_rows(lines, where=str(path))


def parse_rows(lines: Iterable[str], *, where: str) -> Iterator[list[str]]:
    """Parse lines into rows; `where` names their file. Raises as `read_rows`."""
    rows = csv.reader(lines)
    try:
        for row in rows:
            yield [restore_cell(cell) for cell in row]
    except csv.Error as error:
        raise DataError(
            f"{where}: cannot be read as CSV: line {rows.line_num}: {error}; restore the file"
        ) from error


def neutralize_cell(cell: Any) -> Any:
    """The cell; a text that a spreadsheet would run gets an apostrophe before it."""
    if isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def restore_cell(text: str) -> str:
    """Undo `neutralize_cell`."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text
