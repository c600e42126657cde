"""What is known about masks before they are read, and one interpretation of their values."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import DataError
from .dataset_yaml import FILE_NAME, UNSPECIFIED, ClassEntry, CodecEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What is known before masks are read: raw value -> class, if listed, and settings.

    `colors` are the packed colours of the palette that gives the classes their order, where
    masks are read by colour although they store indices (`palettes.py`).
    """

    root: Path
    classes: Mapping[int, ClassEntry] | None = None
    origin: str = ""
    codec: CodecEntry = UNSPECIFIED
    colors: tuple[int, ...] = ()

    @property
    def have_colors(self) -> bool:
        """Whether each listed class has a colour."""
        return all(e.color is not None for e in (self.classes or {}).values())


@dataclass(frozen=True, slots=True)
class Interpretation:
    """One interpretation of the masks: raw value -> name, ignored values, and reasons."""

    names: Mapping[int, str]
    ignored: frozenset[int]
    why: tuple[str, ...]


def ask(hints: Hints, reason: str, line: str, otherwise: str) -> DataError:
    """The error that asks for one line of dataset.yaml, where two readings are plausible."""
    where = hints.root / FILE_NAME
    return DataError(f"{hints.root}: {reason}; write one line in {where}: '{line}' {otherwise}")
