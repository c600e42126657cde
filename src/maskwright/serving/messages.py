"""Messages between the server and the process of a model: a JSON head, then bytes.

A message is the length of the head (uint32) and of the body (uint64), both little-endian, then
the head and the body. The process first sends its `ModelFacts`; then it takes a `Task` per
request and sends an `Outcome` for each, in any order.
"""

import asyncio
import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import accumulate, pairwise
from typing import IO, NamedTuple, Self

from ..core.observation import Families, Levels
from ..core.versioned import Document

_LENGTHS = struct.Struct("<IQ")
RAW = ".raw"
"""In place of the ending of an image file: pixels, row by row, channels last."""

TENSORS = "tensors"
"""Answer of the inference protocol: labels, then confidence, H x W bytes each."""

SCORE = "score"
"""No image to predict, but the truth of one and its predicted class map, for their counts."""

_PARTS = ("body", "class_map", "view")
"""The bytes of an Outcome, in the order in which they follow its head."""


class Message(NamedTuple):
    """A head and the bytes that belong to it."""

    head: Document
    body: bytes = b""

    def pack(self) -> bytes:
        """The bytes that `read_message` reads, without the body."""
        head = json.dumps(self.head).encode()
        return _LENGTHS.pack(len(head), len(self.body)) + head


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One image to predict, whose bytes are the body of the message.

    `suffix` is the ending of an image file of its kind, or `RAW` with `shape_HWC` and `dtype`;
    `num_px` are its pixels by its head.
    `name` stands for the image in messages, `source` is its camera or site. `form` is the form
    of the answer, `order` that of run lengths. `tile` and `refine` are None where the model
    decides. With `observe` the outcome has the numbers of an Observation, and its class map
    where its uncertainty is `map_above` or more. `map_bytes` at the end of the body are a class
    map, see `SCORE`.
    """

    id: int
    suffix: str
    num_px: int
    name: str
    form: str
    order: str = "columns"
    confidence: bool = False
    tile: str | None = None
    refine: str | None = None
    timeout_s: float = 60.0
    shape_HWC: tuple[int, ...] = ()
    dtype: str = "uint8"
    observe: bool = False
    map_above: float | None = None
    map_bytes: int = 0
    source: str = ""

    def of_image(
        self, suffix: str, num_px: int, name: str, shape_HWC: tuple[int, ...] = ()
    ) -> Self:
        """The same wishes for an image."""
        return replace(self, suffix=suffix, num_px=num_px, name=name, shape_HWC=shape_HWC)

    def to_message(self, body: bytes) -> Message:
        """The message that carries the task; `from_json` reads its head."""
        return Message({"task": asdict(self)}, body)

    @classmethod
    def from_json(cls, document: Document) -> Self:
        """Undo `to_message` for its head."""
        return cls(**document["task"] | {"shape_HWC": tuple(document["task"]["shape_HWC"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a task: the answer is the body of the message, or a message of error.

    `status` is that of HTTP. `seconds` are those of each stage, `batch` the images that the
    engine ran at once, and `release` why they were run; 0 and "" where no batch was run.
    `families` are the numbers of its Observation, `levels` the histograms of its channels,
    `figures` what the rules of the server measure, and `class_map` (PNG) and `view` (a small
    JPEG with the colours of the classes) are for the server, where the task asks for them.
    """

    id: int
    status: int = 200
    media_type: str = "application/json"
    error: str = ""
    size_HW: tuple[int, ...] = ()
    tiling: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    batch: int = 0
    release: str = ""
    verdict: tuple[str, ...] | None = None
    families: Families | None = None
    levels: Levels = field(default_factory=dict)
    figures: Mapping[str, float | None] = field(default_factory=dict)
    class_map: bytes = b""
    view: bytes = b""
    body: bytes = b""

    def to_message(self) -> Message:
        """The message that carries the outcome; `from_message` undoes it."""
        document = asdict(self)
        parts = [document.pop(name) for name in _PARTS]
        return Message({"outcome": document, "parts": [*map(len, parts)]}, b"".join(parts))

    @classmethod
    def from_message(cls, message: Message) -> Self:
        """Undo `to_message`."""
        document = message.head["outcome"]
        verdict = document["verdict"]
        ends = [*accumulate(message.head["parts"], initial=0)]
        parts = [message.body[start:end] for start, end in pairwise(ends)]
        return cls(
            **document
            | dict(zip(_PARTS, parts, strict=True))
            | {
                "size_HW": tuple(document["size_HW"]),
                "verdict": None if verdict is None else tuple(verdict),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What clients are told of a model.

    `bundle` is its id and `labels` the fingerprint of its classes. `colors` are RGB.
    `card` is the ModelCard without its provenance.
    `max_batch` is the measured best batch of each size that was warmed up, by its text.
    """

    bundle: str
    labels: str
    classes: tuple[str, ...]
    colors: tuple[tuple[int, ...], ...]
    engine: str
    precision: str
    channels: int
    max_value: float
    tiling: str
    refine: str
    has_verdicts: bool
    card: Document
    max_batch: Mapping[str, int]

    @classmethod
    def from_json(cls, document: Document) -> Self:
        """Undo `dataclasses.asdict` and JSON."""
        tuples = {
            "classes": tuple(document["classes"]),
            "colors": tuple(tuple(color) for color in document["colors"]),
        }
        return cls(**document | tuples)


def read_message(file: IO[bytes]) -> Message | None:
    """Read one message; None at the end of the file, also in the middle of a message."""
    lengths = file.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return None
    head_bytes, body_bytes = _LENGTHS.unpack(lengths)
    head, body = file.read(head_bytes), file.read(body_bytes)
    if len(head) < head_bytes or len(body) < body_bytes:
        return None
    return Message(json.loads(head), body)


def write_message(file: IO[bytes], message: Message) -> None:
    """Write one message and flush it."""
    file.write(message.pack())
    file.write(message.body)
    file.flush()


async def receive_message(reader: asyncio.StreamReader) -> Message | None:
    """As `read_message`, of a stream."""
    try:
        head_bytes, body_bytes = _LENGTHS.unpack(await reader.readexactly(_LENGTHS.size))
        head, body = await reader.readexactly(head_bytes), await reader.readexactly(body_bytes)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return Message(json.loads(head), body)
