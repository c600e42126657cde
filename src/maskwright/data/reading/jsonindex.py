"""Index a JSON file that holds a whole dataset, and read its elements on demand.

The file is an object whose long values are arrays of objects, as COCO's are. One pass over its
bytes finds the first and last byte of each element of these arrays (16 bytes of memory per
element). Elements are parsed when they are read. Each element that is read is checked as JSON,
and so is the skeleton, which is the file without its elements.

A parser of the whole file would hold all of it in memory, and COCO files of gigabytes exist.
The pass looks only at the bytes that shape JSON (quotes, backslashes and brackets), as NumPy
arrays.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, RootModel

from ...core.errors import DataError
from ...core.files import open_file
from .documents import MAX_INDEXED_BYTES, parse_json

Spans = NDArray[np.int64]
"""N x 2: offset of the first byte of each element, and of the byte behind its last."""

_Model = TypeVar("_Model", bound=BaseModel)
_CHUNK = 1 << 22
"""Bytes that one step of the pass reads."""

_BATCH = 1 << 20
"""Bytes of elements that `read_all` parses at once."""

_QUOTE, _ESCAPE, _OPEN, _CLOSE = 1, 2, 3, 4
_MARKS = np.zeros(256, np.uint8)
for _text, _mark in ((b'"', _QUOTE), (b"\\", _ESCAPE), (b"{[", _OPEN), (b"}]", _CLOSE)):
    _MARKS[list(_text)] = _mark
_KEY = re.compile(rb'"([^"\\]*)"\s*:\s*\[$')
_LONGEST_KEY = 256
"""Bytes before a bracket in which its key is looked for."""

_MOST_VALUES = 1000
"""Objects and arrays that the outer object may hold; a dataset has a handful."""


class _Batch(BaseModel, Generic[_Model]):
    elements: tuple[_Model, ...]


class _Object(BaseModel):
    """Any object; parsing it checks that the skeleton is JSON."""


class _Array(RootModel[tuple[()]]):
    """An array without its elements."""


@dataclass(frozen=True, slots=True, eq=False)
class JsonIndex:
    """The spans of the elements of each array in one file, by the key of the array."""

    path: Path
    spans: dict[str, Spans]

    def read_all(self, key: str, model: type[_Model]) -> Iterator[_Model]:
        """Read every element of an array; about a megabyte of JSON is in memory at a time.

        Raises:
            DataError: An element does not fit `model`; the message gives its index.
        """
        spans = self.spans.get(key, np.zeros((0, 2), np.int64))
        with open_file(self.path, most_bytes=MAX_INDEXED_BYTES) as file:
            for first, last in _split_batches(spans):
                # Up to the next element, so that the comma between them is checked too.
                end = spans[last, 0] if last < len(spans) else spans[last - 1, 1]
                content = _read(file, spans[first, 0], end)
                if last < len(spans):
                    content = _strip_comma(content, f"{self.path}: {key}.{last}")
                yield from _parse_batch(content, model, f"{self.path}: {key}", first)

    def read_at(
        self, key: str, indices: NDArray[np.int64], model: type[_Model]
    ) -> list[_Model]:
        """Read the elements of an array at these indices.

        Raises:
            DataError: As `read_all`, or the file has changed since it was indexed.
        """
        with open_file(self.path, most_bytes=MAX_INDEXED_BYTES) as file:
            return [
                parse_json(
                    _read(file, *self.spans[key][index].tolist()),
                    model,
                    where=f"{self.path}: {key}.{index}",
                )
                for index in indices.tolist()
            ]


def index_json(path: Path) -> JsonIndex:
    """Index the elements of all arrays that are values of the outer object of a file.

    Raises:
        DataError: The file cannot be read, is not a JSON object or is truncated, or a key
            occurs twice.
    """
    with open_file(path, most_bytes=MAX_INDEXED_BYTES) as file:
        start = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
        if start[:1] != b"{":
            raise DataError(
                f"{path}: is not a JSON object, expected one with 'images', 'annotations' and "
                f"'categories' (a list of results is not a dataset); export it again"
            )
        brackets = _scan_brackets(file, path)
        return JsonIndex(path, _assign_keys(file, brackets, path))


def index_json_list(path: Path, key: str) -> JsonIndex:
    """Index a file that is one array of objects; `key` becomes the key of the array.

    Raises:
        DataError: The file cannot be read, is not a JSON array, or is truncated.
    """
    with open_file(path, most_bytes=MAX_INDEXED_BYTES) as file:
        if file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] != b"[":
            raise DataError(
                f"{path}: is not a JSON array, expected one of {key}: [{{...}}, ...]; export "
                f"it again"
            )
        brackets = _scan_brackets(file, path)
        # The elements of an outer array are where an outer object has its values.
        spans = _join_spans(brackets.value_starts, brackets.value_ends)
        parse_json(_read_skeleton(file, [spans], path), _Array, where=str(path))
        return JsonIndex(path, {key: spans})


@dataclass(slots=True)
class _Brackets:
    """Offsets of brackets, one array per chunk.

    `value_*` are those of the values of the outer object (depth 2), the others those of the
    elements of these values (depth 3).
    """

    value_starts: list[NDArray[np.int64]] = field(default_factory=list)
    value_ends: list[NDArray[np.int64]] = field(default_factory=list)
    starts: list[NDArray[np.int64]] = field(default_factory=list)
    ends: list[NDArray[np.int64]] = field(default_factory=list)


def _scan_brackets(file: BinaryIO, path: Path) -> _Brackets:
    """Find the brackets outside strings in one pass, by their depth."""
    brackets, depth, num_quotes, offset, kept = _Brackets(), 0, 0, 0, b""
    file.seek(0)
    while chunk := file.read(_CHUNK):
        chunk = kept + chunk
        # Backslashes at the end of a chunk may escape the byte that follows: they are kept for
        # the next chunk, so that no escape is cut in two.
        body = chunk.rstrip(b"\\")
        kept = chunk[len(body) :]
        position, sign, num_quotes = _find_brackets(body, num_quotes)
        after = depth + np.cumsum(sign)  # depth behind each bracket
        if after.size:
            depth = int(after[-1])
            if after.min() < 0:
                raise DataError(
                    f"{path}: not valid JSON: a closing bracket has no opening one; export it "
                    f"again"
                )
        position = position + offset
        brackets.value_starts.append(position[(sign > 0) & (after == 2)])
        brackets.value_ends.append(position[(sign < 0) & (after == 1)] + 1)
        brackets.starts.append(position[(sign > 0) & (after == 3)])
        brackets.ends.append(position[(sign < 0) & (after == 2)] + 1)
        offset += len(body)
    if depth or num_quotes % 2 or kept:
        raise DataError(
            f"{path}: not valid JSON: it is truncated after {offset:,} bytes; copy or export "
            f"it again"
        )
    return brackets


def _join_spans(starts: list[NDArray[np.int64]], ends: list[NDArray[np.int64]]) -> Spans:
    # In valid JSON, brackets of one depth alternate: the n-th end closes the n-th start.
    return np.column_stack((np.concatenate(starts), np.concatenate(ends)))


def _find_brackets(
    body: bytes, num_quotes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Find the brackets outside strings.

    Args:
        body: Bytes that do not end within an escape.
        num_quotes: Quotes before `body`.

    Returns:
        Offset in `body` and sign of each bracket (+1 opens, -1 closes), and the quotes up to
        the end of `body`.
    """
    codes = _MARKS[np.frombuffer(body, np.uint8)]
    position = np.flatnonzero(codes)
    kind = codes[position]
    if (kind == _ESCAPE).any():
        position, kind = _drop_escaped(position, kind)
    quotes = np.cumsum(kind == _QUOTE) + num_quotes
    # After an odd number of quotes we are inside a string, whose brackets mean nothing.
    bracket = (kind >= _OPEN) & (quotes % 2 == 0)
    num_quotes = int(quotes[-1]) if quotes.size else num_quotes
    return position[bracket], np.where(kind[bracket] == _OPEN, 1, -1), num_quotes


def _drop_escaped(
    position: NDArray[np.int64], kind: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Drop backslashes, and quotes that follow an odd number of backslashes."""
    slash = np.flatnonzero(kind == _ESCAPE)
    # Group backslashes that touch: of 2n + 1 of them, the last escapes the next byte.
    is_first = np.concatenate(([True], np.diff(position[slash]) != 1))
    first = np.flatnonzero(is_first)
    length = np.diff(np.concatenate((first, [len(slash)])))
    behind = slash[first] + length
    odd = (length % 2 == 1) & (behind < len(position))
    behind, last = behind[odd], position[slash[first[odd]] + length[odd] - 1]
    keep = kind != _ESCAPE
    # The next mark is escaped only if it is the next byte as well. Brackets need no escape.
    keep[behind[(position[behind] == last + 1) & (kind[behind] == _QUOTE)]] = False
    return position[keep], kind[keep]


def _assign_keys(file: BinaryIO, brackets: _Brackets, path: Path) -> dict[str, Spans]:
    """Sort the elements by the key of their array, and check the skeleton."""
    values = _join_spans(brackets.value_starts, brackets.value_ends)
    elements = _join_spans(brackets.starts, brackets.ends)
    if len(values) > _MOST_VALUES:
        raise DataError(
            f"{path}: an object of {len(values):,} values, expected a dataset of at most "
            f"{_MOST_VALUES:,}; export it again"
        )
    spans: dict[str, Spans] = {}
    for start, end in values.tolist():
        low, high = np.searchsorted(elements[:, 0], (start, end))
        # Only arrays match: what is inside a value that is an object is not indexed.
        match = _KEY.search(_read(file, max(start - _LONGEST_KEY, 0), start + 1))
        if match is None:
            continue
        key = match[1].decode("utf-8", errors="replace")
        if key in spans:
            raise DataError(f"{path}: the key {key!r} occurs twice; keep one")
        spans[key] = elements[low:high]
    # Parsing the skeleton finds all faults outside elements: commas, keys, plain values.
    parse_json(_read_skeleton(file, list(spans.values()), path), _Object, where=str(path))
    return spans


def _read_skeleton(file: BinaryIO, cut: list[Spans], path: Path) -> bytes:
    """Read the file without the elements in `cut`, which are in the order of the file."""
    cut = [spans for spans in cut if len(spans)]
    ends = [0, *(int(spans[-1, 1]) for spans in cut)]
    starts = [*(int(spans[0, 0]) for spans in cut), path.stat().st_size]
    pieces = [_read(file, end, start) for end, start in zip(ends, starts, strict=True)]
    return b"".join(pieces).removeprefix(b"\xef\xbb\xbf")


def _split_batches(spans: Spans) -> Iterator[tuple[int, int]]:
    """Split elements into batches of about a megabyte: first index, and last index + 1."""
    first = 0
    while first < len(spans):
        last = int(np.searchsorted(spans[:, 1], spans[first, 0] + _BATCH, "right"))
        last = max(last, first + 1)
        yield first, last
        first = last


def _strip_comma(content: bytes, where: str) -> bytes:
    content = content.rstrip()
    if not content.endswith(b","):
        raise DataError(f"{where}: not valid JSON: expected a comma before it; export it again")
    return content[:-1]


def _parse_batch(
    content: bytes, model: type[_Model], where: str, first: int
) -> tuple[_Model, ...]:
    """Parse elements that commas separate; an error counts from element `first`."""
    batch: type[_Batch[_Model]] = _Batch[model]  # type: ignore[valid-type]
    document = b'{"elements":[' + content + b"]}"
    more = f" (from element {first} on)" if first else ""
    return parse_json(document, batch, where=f"{where}{more}").elements


def _read(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(end - start)
