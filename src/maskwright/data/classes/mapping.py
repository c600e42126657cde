"""Merge, rename, reorder or ignore the classes of a dataset by a mapping file.

    classes:
      - {name: vehicle, from: [car, truck], color: [0, 0, 142], kind: thing}
      - {name: road}                      # from: [road]
    ignored: [void]

The new classes are those listed, in that order. Every old class must be named once, under
`from` or `ignored`: a class that the mapping does not name is an error.
"""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from ...core.codec import LabelCodec
from ...core.errors import ConfigError, UnknownNameError
from ...core.labels import IGNORE, ClassDef, LabelMap, LabelSpec
from ...core.strictmodel import StrictModel
from ...core.versioned import Schema
from ...core.yamlfile import read_yaml, validate_yaml
from .dataset_yaml import Channel, DatasetFile

SCHEMA = Schema(kind="mapping file", version=1, unversioned=1, error=ConfigError, key="version")


class _Class(StrictModel):
    name: str
    of: tuple[str, ...] | None = Field(default=None, alias="from", min_length=1)
    color: tuple[Channel, Channel, Channel] | None = None
    kind: Literal["stuff", "thing"] | None = None


class MappingFile(StrictModel):
    """The content of a mapping file."""

    classes: tuple[_Class, ...] = Field(min_length=1)
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ClassMapping:
    """A mapping of class indices: `table` holds the new index of each old one, (256,)."""

    before: LabelSpec
    after: LabelSpec
    table: LabelMap

    def codec(self, codec: LabelCodec) -> LabelCodec:
        """The codec of the same files for the new classes."""
        moved = {raw: int(self.table[old]) for raw, old in codec.raw_to_index.items()}
        dropped = frozenset(raw for raw, new in moved.items() if new == IGNORE)
        return replace(
            codec,
            spec=self.after,
            raw_to_index={raw: new for raw, new in moved.items() if new != IGNORE},
            ignored=codec.ignored | dropped,
        )


SHIPPED = Path(__file__).parent / "mappings"
"""Mappings that come with maskwright: the conventions of well-known datasets."""


def read_mapping(path: Path, spec: LabelSpec) -> ClassMapping:
    """Read a mapping file for a dataset of the classes `spec`.

    `path` may be the name alone of a mapping that comes with maskwright (`SHIPPED`).

    Raises:
        ConfigError: Not of this form, a class that there is not, or one forgotten or twice.
    """
    if not path.suffix and not path.exists():
        path = _find_shipped(path.name)
    content = SCHEMA.read(read_yaml(path), where=str(path))
    document = validate_yaml(content, MappingFile, path=path)
    sources = [entry.of or (entry.name,) for entry in document.classes]
    named = Counter([*document.ignored, *(name for names in sources for name in names)])
    _require_all_classes(named, spec, path)
    table = np.full(256, IGNORE, np.uint8)
    for index, names in enumerate(sources):
        table[[spec.index(name) for name in names]] = index
    try:
        after = LabelSpec(
            tuple(
                _build_class(entry, spec.classes[spec.index(names[0])])
                for entry, names in zip(document.classes, sources, strict=True)
            )
        )
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return ClassMapping(spec, after, table)


def apply_mappings(codec: LabelCodec, document: DatasetFile, folder: Path) -> LabelCodec:
    """The codec after the mappings that a dataset.yaml in `folder` names, if any.

    Raises:
        ConfigError: As `read_mapping`.
    """
    for name in document.mappings:
        path = folder / name if Path(name).suffix else Path(name)
        codec = read_mapping(path, codec.spec).codec(codec)
    return codec


def _find_shipped(name: str) -> Path:
    known = sorted(path.stem for path in SHIPPED.glob("*.yaml"))
    if name not in known:
        raise UnknownNameError("mapping", name, known)
    return SHIPPED / f"{name}.yaml"


def _require_all_classes(named: Counter[str], spec: LabelSpec, path: Path) -> None:
    for name in named:
        if name not in spec.names:
            raise ConfigError(f"{path}: {UnknownNameError('class', name, spec.names)}")
    twice = [name for name, count in named.items() if count > 1]
    forgotten = [name for name in spec.names if name not in named]
    if twice:
        raise ConfigError(f"{path}: names {twice[0]!r} twice; name each class once")
    if forgotten:
        raise ConfigError(
            f"{path}: does not name {', '.join(map(repr, forgotten))}; put each "
            f"under 'from' of a class or under 'ignored'"
        )


def _build_class(entry: _Class, old: ClassDef) -> ClassDef:
    """Colour and kind are those of the first source class, where the entry gives none."""
    return ClassDef(
        name=entry.name, color=entry.color or old.color, kind=entry.kind or old.kind
    )
