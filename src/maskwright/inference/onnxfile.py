"""Other files that an ONNX graph reads: its external data, found without running the graph.

https://github.com/onnx/onnx/blob/main/onnx/onnx.proto: a tensor may lie in a file of its own,
whose path is the `location` in its `external_data`. Only the messages that can hold a tensor
are read here; all other bytes are skipped.
"""

import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..core.errors import BundleError

_MODEL, _TRAINING, _GRAPH, _FUNCTION = "model", "training", "graph", "function"
_NODE, _ATTRIBUTE, _SPARSE, _TENSOR, _ENTRY = "node", "attribute", "sparse", "tensor", "entry"
_FIELDS: Mapping[str, Mapping[int, str]] = {
    _MODEL: {7: _GRAPH, 20: _TRAINING, 25: _FUNCTION},
    _TRAINING: {1: _GRAPH, 2: _GRAPH},
    _GRAPH: {1: _NODE, 5: _TENSOR, 15: _SPARSE},
    _FUNCTION: {7: _NODE, 11: _ATTRIBUTE},
    _NODE: {5: _ATTRIBUTE},
    _ATTRIBUTE: {5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH, 22: _SPARSE, 23: _SPARSE},
    _SPARSE: {1: _TENSOR, 2: _TENSOR},
    _TENSOR: {13: _ENTRY},
}
"""Of each kind of message, the numbers of the fields that hold another of these."""

_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5


def list_external_files(path: Path) -> tuple[str, ...]:
    """The locations of all external data of the graph in a file, as it states them; sorted.

    Raises:
        BundleError: The file is not an ONNX graph.
    """
    damaged = BundleError(
        f"{path}: not an ONNX graph; copy the bundle again or export it again"
    )
    if not path.stat().st_size:
        raise damaged
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        try:
            return tuple(sorted(set(_find_locations(content))))
        except (IndexError, ValueError) as error:
            raise damaged from error


def _find_locations(content: mmap.mmap) -> Iterator[str]:
    waiting = [(_MODEL, 0, len(content))]
    while waiting:
        kind, start, end = waiting.pop()
        if kind == _ENTRY:
            entry = {n: content[a:b] for n, a, b in _read_fields(content, start, end)}
            if entry.get(1) == b"location":
                yield entry.get(2, b"").decode()
            continue
        holds = _FIELDS[kind]
        waiting += [
            (holds[number], first, last)
            for number, first, last in _read_fields(content, start, end)
            if number in holds
        ]


def _read_fields(content: mmap.mmap, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, start and end of each field of bytes in a message; skip all others.

    Raises IndexError or ValueError where the bytes are not such a message.
    """
    while at < end:
        key, at = _read_varint(content, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            _, at = _read_varint(content, at)
        elif wire == _BYTES:
            size, at = _read_varint(content, at)
            if at + size > end:
                raise ValueError("a field ends after its message")
            yield number, at, at + size
            at += size
        elif wire in {_FIXED_64, _FIXED_32}:
            at += 8 if wire == _FIXED_64 else 4
        else:
            raise ValueError(f"a field of type {wire}")


def _read_varint(content: mmap.mmap, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number of more than ten bytes")
