"""Requests and answers of the inference protocol with its extension of binary tensors.

A request is JSON, then the raw bytes of its binary inputs in their order; the header
`Inference-Header-Content-Length` has the length of the JSON, in bytes after decompression.
Without the header the whole body is JSON. Sources: KServe's open inference protocol and
Triton's `protocol/extension_binary_data.md`.
"""

import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ...core.versioned import Document
from ..errors import ServingError

LENGTH = "Inference-Header-Content-Length"
BYTES, UINT8 = "BYTES", "UINT8"
SIZES = {"BOOL": 1, UINT8: 1, "INT8": 1, "UINT16": 2, "INT16": 2, "FP16": 2, "BF16": 2}
SIZES |= {"UINT32": 4, "INT32": 4, "FP32": 4, "UINT64": 8, "INT64": 8, "FP64": 8}
_MOST_DIMENSIONS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A tensor by its wire form: little-endian, row by row, or BYTES as its elements."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    content: bytes = b""
    elements: tuple[bytes, ...] = ()

    def to_bytes(self) -> bytes:
        """The raw form; each element of BYTES after its length, uint32."""
        if self.datatype != BYTES:
            return self.content
        return b"".join(struct.pack("<I", len(e)) + e for e in self.elements)

    def to_data(self) -> list[object]:
        """The elements as JSON shows them: flat."""
        if self.datatype == BYTES:
            return [element.decode("utf-8", "replace") for element in self.elements]
        return list(self.content)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedOutput:
    """An output that the client asks for, and in which form."""

    name: str
    is_binary: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceRequest:
    """A request; `outputs` is empty where the client wants all of them."""

    id: str | None
    inputs: tuple[Tensor, ...]
    outputs: tuple[WantedOutput, ...] = ()
    all_binary: bool = False
    parameters: Mapping[str, object] = field(default_factory=dict)


def read_request(body: bytes, length: str | None) -> InferenceRequest:
    """Read the body of a request; `length` is its header.

    Raises:
        ServingError: 400, with what is wrong.
    """
    size = _read_length(length, len(body))
    if size == 0:
        return _read_bare(body)
    try:
        document = json.loads(body[:size])
    except ValueError as error:
        raise ServingError(400, f"the request is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ServingError(400, "the request is not a JSON object")
    entries = document.get("inputs")
    if not isinstance(entries, list) or not entries:
        raise ServingError(400, "'inputs' is not a list of tensors")
    parameters = _object(document, "parameters")
    all_binary = _flag(parameters, "binary_data_output", default=False)
    number = document.get("id")
    return InferenceRequest(
        id=None if number is None else str(number),
        inputs=_read_inputs(entries, body, size),
        outputs=_read_outputs(document.get("outputs", []), all_binary),
        all_binary=all_binary,
        parameters=parameters,
    )


def write_answer(
    head: Document, tensors: Sequence[Tensor], request: InferenceRequest
) -> tuple[dict[str, str], bytes]:
    """Headers and body of an answer with the outputs in the order that the client wants.

    Raises:
        ServingError: 400, there is no output of a name.
    """
    known = {tensor.name: tensor for tensor in tensors}
    wanted = request.outputs or tuple(
        WantedOutput(name=name, is_binary=request.all_binary) for name in known
    )
    entries, raw = [], []
    for output in wanted:
        if output.name not in known:
            names = ", ".join(known)
            raise ServingError(400, f"no output named {output.name!r}; there are {names}")
        tensor = known[output.name]
        entry: Document = {
            "name": tensor.name,
            "datatype": tensor.datatype,
            "shape": list(tensor.shape),
        }
        if output.is_binary:
            raw.append(tensor.to_bytes())
            entry["parameters"] = {"binary_data_size": len(raw[-1])}
        else:
            entry["data"] = tensor.to_data()
        entries.append(entry)
    number = {} if request.id is None else {"id": request.id}
    text = json.dumps(head | number | {"outputs": entries}).encode()
    if not any(output.is_binary for output in wanted):
        return {"Content-Type": "application/json"}, text
    headers = {"Content-Type": "application/octet-stream", LENGTH: str(len(text))}
    return headers, text + b"".join(raw)


def _read_length(length: str | None, most: int) -> int:
    if length is None:
        return most or 1  # an empty body is no raw request
    if not (length.isascii() and length.isdecimal()) or int(length) > most:
        raise ServingError(
            400, f"{LENGTH} is {length!r}, expected a number up to the {most} bytes of the body"
        )
    return int(length)


def _read_bare(body: bytes) -> InferenceRequest:
    """A body without JSON is the one input, an encoded image; all outputs are binary."""
    encoded = Tensor(name="encoded", datatype=BYTES, shape=(1,), elements=(body,))
    return InferenceRequest(id=None, inputs=(encoded,), all_binary=True)


def _read_inputs(entries: Sequence[object], body: bytes, at: int) -> tuple[Tensor, ...]:
    found = []
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise ServingError(400, f"input {index} is not a JSON object")
        name, datatype = entry.get("name"), entry.get("datatype")
        if not isinstance(name, str) or datatype not in (BYTES, *SIZES):
            raise ServingError(400, f"input {index}: name {name!r}, datatype {datatype!r}")
        shape = _read_shape(name, entry.get("shape"))
        size = _object(entry, "parameters").get("binary_data_size")
        if size is None:
            found.append(_read_data(name, datatype, shape, entry.get("data")))
            continue
        left = len(body) - at
        if type(size) is not int or not 0 <= size <= left:
            raise ServingError(
                400, f"input {name!r}: binary_data_size is {size!r}, {left} bytes are left"
            )
        found.append(_read_raw(name, datatype, shape, body[at : at + size]))
        at += size
    if at != len(body):
        raise ServingError(400, f"{len(body) - at} bytes belong to no input")
    return tuple(found)


def _read_shape(name: str, shape: object) -> tuple[int, ...]:
    sides = shape if isinstance(shape, list) else []
    is_right = all(type(side) is int and side >= 0 for side in sides)
    if not 0 < len(sides) <= _MOST_DIMENSIONS or not is_right:
        raise ServingError(400, f"input {name!r}: shape is {shape!r}, expected whole numbers")
    return tuple(sides)


def _read_raw(name: str, datatype: str, shape: tuple[int, ...], content: bytes) -> Tensor:
    count = math.prod(shape)
    if datatype == BYTES:
        elements = _split(name, content)
        _require_count(name, shape, len(elements), count)
        return Tensor(name=name, datatype=datatype, shape=shape, elements=elements)
    _require_count(name, shape, len(content), count * SIZES[datatype], "bytes")
    return Tensor(name=name, datatype=datatype, shape=shape, content=content)


def _split(name: str, content: bytes) -> tuple[bytes, ...]:
    found, at = [], 0
    while at < len(content):
        size = int.from_bytes(content[at : at + 4], "little")
        if at + 4 + size > len(content):
            raise ServingError(400, f"input {name!r}: an element of {size} bytes is cut off")
        found.append(content[at + 4 : at + 4 + size])
        at += 4 + size
    return tuple(found)


def _read_data(name: str, datatype: str, shape: tuple[int, ...], data: object) -> Tensor:
    """JSON data: flat or nested; of numbers only UINT8, which images are."""
    if datatype not in (BYTES, UINT8):
        raise ServingError(400, f"input {name!r}: {datatype} is taken as binary data alone")
    flat = _flatten(name, data)
    _require_count(name, shape, len(flat), math.prod(shape))
    try:
        if datatype == UINT8:
            return Tensor(name=name, datatype=datatype, shape=shape, content=bytes(flat))  # type: ignore[arg-type]
        elements = tuple(element.encode("latin-1") for element in flat)  # type: ignore[attr-defined]
    except (TypeError, ValueError, AttributeError) as error:
        raise ServingError(400, f"input {name!r}: data is not {datatype}: {error}") from error
    return Tensor(name=name, datatype=datatype, shape=shape, elements=elements)


def _flatten(name: str, data: object, depth: int = 0) -> list[object]:
    if not isinstance(data, list) or depth > _MOST_DIMENSIONS:
        raise ServingError(400, f"input {name!r}: 'data' is not a list of its elements")
    if data and isinstance(data[0], list):
        return [value for part in data for value in _flatten(name, part, depth + 1)]
    return data


def _require_count(
    name: str, shape: tuple[int, ...], found: int, expected: int, what: str = "elements"
) -> None:
    if found != expected:
        raise ServingError(
            400, f"input {name!r}: shape {list(shape)} has {expected} {what}, got {found}"
        )


def _read_outputs(entries: object, all_binary: bool) -> tuple[WantedOutput, ...]:  # noqa: FBT001
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise ServingError(400, "'outputs' is not a list of objects")
    return tuple(
        WantedOutput(
            name=str(entry.get("name")),
            is_binary=_flag(_object(entry, "parameters"), "binary_data", default=all_binary),
        )
        for entry in entries
    )


def _object(document: Document, key: str) -> Document:
    found = document.get(key, {})
    if not isinstance(found, dict):
        raise ServingError(400, f"{key!r} is not a JSON object")
    return found


def _flag(parameters: Document, key: str, *, default: bool) -> bool:
    value = parameters.get(key, default)
    if not isinstance(value, bool):
        raise ServingError(400, f"{key} is {value!r}, expected true or false")
    return value
