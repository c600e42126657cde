"""A JSON file that holds a whole data set, read piece by piece: only places in it are kept.

The file is an object whose long values are arrays of objects, as COCO's are. One pass over its
bytes finds where each element of these arrays begins and ends (16 bytes an element); elements
are parsed when they are asked for. Every byte of what is asked for is checked as JSON, and the
file without its elements, the `skeleton`, is too.
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
from .documents import parse_json

Spans = NDArray[np.int64]
"""N x 2: first byte of an element, and the byte behind its last."""

_Model = TypeVar("_Model", bound=BaseModel)
_CHUNK = 1 << 22
_BATCH = 1 << 20
_QUOTE, _ESCAPE, _OPEN, _CLOSE = 1, 2, 3, 4
_MARKS = np.zeros(256, np.uint8)
for _text, _mark in ((b'"', _QUOTE), (b"\\", _ESCAPE), (b"{[", _OPEN), (b"}]", _CLOSE)):
    _MARKS[list(_text)] = _mark
_KEY = re.compile(rb'"([^"\\]*)"\s*:\s*\[$')
_LONGEST_KEY = 256
_MOST_VALUES = 1000


class _Batch(BaseModel, Generic[_Model]):
    elements: tuple[_Model, ...]


class _Object(BaseModel):
    """Any object: what it holds is of no interest, that it is JSON is."""


class _Array(RootModel[tuple[()]]):
    """An array whose elements were taken out."""


@dataclass(frozen=True, slots=True, eq=False)
class JsonIndex:
    """Where the elements of the arrays of one file lie, by the key of the array."""

    path: Path
    spans: dict[str, Spans]

    def read_all(self, key: str, model: type[_Model]) -> Iterator[_Model]:
        """Every element of an array, some megabytes in memory at a time.

        Raises:
            DataError: An element is not as `model` describes it; the message says which.
        """
        spans = self.spans.get(key, np.zeros((0, 2), np.int64))
        with self.path.open("rb") as file:
            for first, last in _batches(spans):
                end = spans[last, 0] if last < len(spans) else spans[last - 1, 1]
                content = _read(file, spans[first, 0], end)
                if last < len(spans):
                    content = _without_comma(content, f"{self.path}: {key}.{last}")
                yield from _parsed(content, model, f"{self.path}: {key}", first)

    def read_at(
        self, key: str, indices: NDArray[np.int64], model: type[_Model]
    ) -> list[_Model]:
        """The elements of an array at these places.

        Raises:
            DataError: As `read_all`, and where the file has changed since it was indexed.
        """
        with self.path.open("rb") as file:
            return [
                parse_json(
                    _read(file, *self.spans[key][index].tolist()),
                    model,
                    where=f"{self.path}: {key}.{index}",
                )
                for index in indices.tolist()
            ]


def index_json(path: Path) -> JsonIndex:
    """Find the elements of all arrays of a file; those of objects inside are not looked for.

    Raises:
        DataError: Unreadable, no JSON object, broken off, or a key that comes twice.
    """
    try:
        with path.open("rb") as file:
            start = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
            if start[:1] != b"{":
                raise DataError(
                    f"{path}: no JSON object, expected one with 'images', 'annotations' and "
                    f"'categories' (a list of results alone is no data set)"
                )
            marks = _structure(file, path)
            return JsonIndex(path, _named(file, marks, path))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def index_json_list(path: Path, key: str) -> JsonIndex:
    """As `index_json`, of a file that is an array of objects; `key` is what they are called.

    Raises:
        DataError: Unreadable, no JSON array, or broken off.
    """
    try:
        with path.open("rb") as file:
            if file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] != b"[":
                raise DataError(f"{path}: no JSON array, expected one of {key}: [{{...}}, ...]")
            marks = _structure(file, path)
            spans = np.column_stack(
                (np.concatenate(marks.value_starts), np.concatenate(marks.value_ends))
            )
            parse_json(_skeleton(file, [spans], path), _Array, where=str(path))
            return JsonIndex(path, {key: spans})
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


@dataclass(slots=True)
class _Marks:
    """Places of brackets: of values of the object, and of elements of these values."""

    value_starts: list[NDArray[np.int64]] = field(default_factory=list)
    value_ends: list[NDArray[np.int64]] = field(default_factory=list)
    starts: list[NDArray[np.int64]] = field(default_factory=list)
    ends: list[NDArray[np.int64]] = field(default_factory=list)


def _structure(file: BinaryIO, path: Path) -> _Marks:
    """One pass: brackets outside of strings, by depth."""
    marks, depth, num_quotes, offset, kept = _Marks(), 0, 0, 0, b""
    file.seek(0)
    while chunk := file.read(_CHUNK):
        chunk = kept + chunk
        body = chunk.rstrip(b"\\")
        kept = chunk[len(body) :]
        place, sign, num_quotes = _brackets(body, num_quotes)
        after = depth + np.cumsum(sign)
        if after.size:
            depth = int(after[-1])
            if after.min() < 0:
                raise DataError(f"{path}: not valid JSON: a bracket closes that none opened")
        place = place + offset
        marks.value_starts.append(place[(sign > 0) & (after == 2)])
        marks.value_ends.append(place[(sign < 0) & (after == 1)] + 1)
        marks.starts.append(place[(sign > 0) & (after == 3)])
        marks.ends.append(place[(sign < 0) & (after == 2)] + 1)
        offset += len(body)
    if depth or num_quotes % 2 or kept:
        raise DataError(
            f"{path}: not valid JSON: it breaks off after {offset:,} bytes; copy or export it "
            f"again"
        )
    return marks


def _brackets(body: bytes, num_quotes: int) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Places of brackets outside of strings, +1 or -1 for each, and the quotes so far.

    `body` does not end within an escape.
    """
    codes = _MARKS[np.frombuffer(body, np.uint8)]
    place = np.flatnonzero(codes)
    kind = codes[place]
    if (kind == _ESCAPE).any():
        place, kind = _unescaped(place, kind)
    quotes = np.cumsum(kind == _QUOTE) + num_quotes
    bracket = (kind >= _OPEN) & (quotes % 2 == 0)
    num_quotes = int(quotes[-1]) if quotes.size else num_quotes
    return place[bracket], np.where(kind[bracket] == _OPEN, 1, -1), num_quotes


def _unescaped(
    place: NDArray[np.int64], kind: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Without backslashes, and without the quotes behind an odd number of them."""
    slash = np.flatnonzero(kind == _ESCAPE)
    first = np.concatenate(([True], np.diff(place[slash]) != 1))
    begins = np.flatnonzero(first)
    length = np.diff(np.concatenate((begins, [len(slash)])))
    behind = slash[begins] + length
    odd = (length % 2 == 1) & (behind < len(place))
    behind, last = behind[odd], place[slash[begins[odd]] + length[odd] - 1]
    keep = kind != _ESCAPE
    keep[behind[(place[behind] == last + 1) & (kind[behind] == _QUOTE)]] = False
    return place[keep], kind[keep]


def _named(file: BinaryIO, marks: _Marks, path: Path) -> dict[str, Spans]:
    """The elements of each array by its key; checks the skeleton."""
    values = np.concatenate(marks.value_starts), np.concatenate(marks.value_ends)
    elements = np.column_stack((np.concatenate(marks.starts), np.concatenate(marks.ends)))
    if len(values[0]) > _MOST_VALUES:
        raise DataError(f"{path}: an object of {len(values[0]):,} values is no data set")
    spans: dict[str, Spans] = {}
    for begin, close in zip(*(v.tolist() for v in values), strict=True):
        low, high = np.searchsorted(elements[:, 0], (begin, close))
        key = _KEY.search(_read(file, max(begin - _LONGEST_KEY, 0), begin + 1))
        if key is None:
            continue
        name = key[1].decode("utf-8", errors="replace")
        if name in spans:
            raise DataError(f"{path}: the key {name!r} comes twice; keep one")
        spans[name] = elements[low:high]
    parse_json(_skeleton(file, list(spans.values()), path), _Object, where=str(path))
    return spans


def _skeleton(file: BinaryIO, cut: list[Spans], path: Path) -> bytes:
    """The file without the elements that can be asked for."""
    cut = [spans for spans in cut if len(spans)]
    ends = [0, *(int(spans[-1, 1]) for spans in cut)]
    starts = [*(int(spans[0, 0]) for spans in cut), path.stat().st_size]
    pieces = [_read(file, end, start) for end, start in zip(ends, starts, strict=True)]
    return b"".join(pieces).removeprefix(b"\xef\xbb\xbf")


def _batches(spans: Spans) -> Iterator[tuple[int, int]]:
    """First element and the one behind the last of pieces of about a megabyte."""
    first = 0
    while first < len(spans):
        last = int(np.searchsorted(spans[:, 1], spans[first, 0] + _BATCH, "right"))
        last = max(last, first + 1)
        yield first, last
        first = last


def _without_comma(content: bytes, where: str) -> bytes:
    content = content.rstrip()
    if not content.endswith(b","):
        raise DataError(f"{where}: not valid JSON: expected a comma before it")
    return content[:-1]


def _parsed(content: bytes, model: type[_Model], where: str, first: int) -> tuple[_Model, ...]:
    """The elements; where one is wrong, each is parsed alone to say which."""
    batch: type[_Batch[_Model]] = _Batch[model]  # type: ignore[valid-type]
    document = b'{"elements":[' + content + b"]}"
    more = f" (from element {first} on)" if first else ""
    return parse_json(document, batch, where=f"{where}{more}").elements


def _read(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(end - start)
