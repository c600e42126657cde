"""The classes of a segmentation task, and class indices.

There are two integer spaces and no third:

* raw value: what a file stores (an int, or an RGB colour packed as 0xRRGGBB); lives only in
  `LabelCodec`.
* class index: position in `LabelSpec.classes`, 0..C-1; lives everywhere else.

`IGNORE` marks pixels that are neither trained on nor scored. It is not a class.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from .errors import ConfigError, UnknownNameError

IGNORE = 255
"""Unsigned: indexing a table of C < 255 rows with it raises, -1 would not."""

MAX_CLASSES = 255

LabelMap = NDArray[np.uint8]
"""H x W class indices or IGNORE."""

Rgb = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassDef:
    """One class: its name, its display colour (sRGB, 0-255), and whether it can be counted."""

    name: str
    color: Rgb
    kind: Literal["stuff", "thing"] = "stuff"

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ConfigError("a class needs a name, got an empty one")
        if len(self.color) != 3 or not all(0 <= v <= 255 for v in self.color):
            raise ConfigError(
                f"class {self.name!r}: colour must be three values 0..255, got {self.color}"
            )


@dataclass(frozen=True, slots=True)
class LabelSpec:
    """An ordered set of classes; a class index is a position in this order."""

    classes: tuple[ClassDef, ...]

    def __post_init__(self) -> None:
        names = [c.name for c in self.classes]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ConfigError(f"class names must be unique; repeated: {', '.join(twice)}")
        if not 1 <= len(names) <= MAX_CLASSES:
            raise ConfigError(
                f"need 1..{MAX_CLASSES} classes, got {len(names)}; merge or ignore some "
                f"(index {IGNORE} is IGNORE and never a class)"
            )

    @classmethod
    def from_names(cls, names: tuple[str, ...]) -> Self:
        """Classes with these names, in the Pascal VOC colours."""
        colors = voc_palette()
        return cls(tuple(ClassDef(name=n, color=colors[i]) for i, n in enumerate(names)))

    @classmethod
    def from_json(cls, document: list[dict[str, Any]]) -> Self:
        """Undo `to_json`."""
        return cls(
            tuple(
                ClassDef(name=c["name"], color=tuple(c["color"]), kind=c.get("kind", "stuff"))
                for c in document
            )
        )

    def to_json(self) -> list[dict[str, Any]]:
        """A list with one object per class, in order of index."""
        return [asdict(c) for c in self.classes]

    def __len__(self) -> int:
        return len(self.classes)

    def __iter__(self) -> Iterator[ClassDef]:
        return iter(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """Class names in order of index."""
        return tuple(c.name for c in self.classes)

    @property
    def things(self) -> tuple[int, ...]:
        """Indices of the classes whose objects can be counted."""
        return tuple(i for i, c in enumerate(self.classes) if c.kind == "thing")

    def index(self, name: str) -> int:
        """Class index of `name`."""
        if name not in self.names:
            raise UnknownNameError("class", name, self.names)
        return self.names.index(name)

    @property
    def palette(self) -> NDArray[np.uint8]:
        """256 x 3 display colours by index; IGNORE and unused rows have their VOC colour."""
        palette = np.array(voc_palette(), np.uint8)
        palette[: len(self.classes)] = [c.color for c in self.classes]
        return palette

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits that change whenever a name, a colour or the order changes.

        Kinds are left out: whether a class is counted changes nothing that a network learns.
        """
        return _hash_classes([{**entry, "kind": "stuff"} for entry in self.to_json()])

    @property
    def fingerprint_with_kinds(self) -> str:
        """The fingerprint as it was up to version 0.1, where it changed with a kind too."""
        return _hash_classes(self.to_json())


def _hash_classes(classes: list[dict[str, Any]]) -> str:
    text = json.dumps(classes, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def voc_palette() -> tuple[Rgb, ...]:
    """The 256 colours of Pascal VOC: the bits of the index spread over R, G, B from the top.

    Source: VOCcode/VOClabelcolormap.m of the VOC development kit. 0 is black, 1 is
    (128, 0, 0), 255 is (224, 224, 192).
    """
    return tuple(_voc_color(i) for i in range(256))


def _voc_color(index: int) -> Rgb:
    channels = [0, 0, 0]
    for bit in range(8):
        for c in range(3):
            channels[c] |= ((index >> (3 * bit + c)) & 1) << (7 - bit)
    return channels[0], channels[1], channels[2]
