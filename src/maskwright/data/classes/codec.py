"""The codec that a dataset.yaml describes, and dataset.yaml with a codec spelled out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...core.atomic import write_text
from ...core.codec import LabelCodec, pack_color
from ...core.errors import ConfigError
from ...core.labels import ClassDef, LabelSpec, voc_palette
from ...core.yamlfile import SCHEMA_LINE, dump_yaml, parse_yaml
from .dataset_yaml import SCHEMA, ClassEntry, DatasetFile, Pixels


def write_dataset_file(path: Path, document: DatasetFile, codec: LabelCodec) -> None:
    """Write `document` with every class and raw value of `codec` spelled out."""
    keys = document.model_dump(
        mode="json",
        exclude_none=True,
        exclude={"classes", "codec", "inferred", "inferred_from"},
    )
    codec_entry = {"pixels": codec.pixels, "ignored": _show_values(codec, codec.ignored)}
    lines = [
        _dump_yaml(SCHEMA.stamp(keys)),
        "classes:",
        *(f"  - {_dump_yaml(entry, flow=True)}" for entry in _list_classes(codec)),
        f"codec: {_dump_yaml(codec_entry, flow=True)}",
    ]
    if document.inferred:
        lines.append(_dump_yaml({"inferred": list(document.inferred)}))
    if document.inferred_from:
        written = parse_yaml("\n".join(lines[1:]), where=str(path))
        result = DatasetFile.model_validate(written).result_hash
        record = document.inferred_from.model_copy(update={"result": result})
        entry = record.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        lines.append(f"inferred_from: {_dump_yaml(entry, flow=True)}")
    path.parent.mkdir(exist_ok=True)
    write_text(path, "\n".join([SCHEMA_LINE.format("dataset"), *lines]) + "\n")


def build_codec(document: DatasetFile, *, where: Path) -> LabelCodec:
    """Build the codec that a dataset.yaml with classes describes.

    Raises:
        ConfigError: A raw value is of the wrong kind, or under two classes.
    """
    entries = document.classes or ()
    palette = voc_palette()
    numbers = _Numbers(document.codec.pixels or "index", where)
    raw_to_index: dict[int, int] = {}
    classes: list[ClassDef] = []
    for index, entry in enumerate(entries[:256]):
        color = entry.color or palette[index]
        classes.append(ClassDef(name=entry.name, color=color, kind=entry.kind))
        for raw in entry.raw or (numbers.default_raw(entry, index),):
            if raw_to_index.setdefault(numbers.encode(raw), index) != index:
                raise ConfigError(
                    f"{where}: raw value {raw} is under "
                    f"{entries[raw_to_index[numbers.encode(raw)]].name!r} "
                    f"and {entry.name!r}; keep one"
                )
    ignored = document.codec.ignored
    if ignored is None:
        ignored = (255,) if numbers.pixels == "index" and 255 not in raw_to_index else ()
    try:
        return LabelCodec(
            spec=LabelSpec(tuple(classes)),
            raw_to_index=raw_to_index,
            ignored=frozenset(numbers.encode(raw) for raw in ignored),
            pixels=numbers.pixels,
            names=tuple(numbers.names),
        )
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


@dataclass(slots=True)
class _Numbers:
    """Raw values of a dataset.yaml as integers; a label is its index in `names`."""

    pixels: Pixels
    where: Path
    names: list[str] = field(default_factory=list)

    def encode(self, raw: int | str) -> int:
        """The integer that stands for `raw`."""
        if isinstance(raw, str) != (self.pixels == "name"):
            kind = "a label in quotes"
            if self.pixels != "name":
                kind = "an integer or a colour in quotes, '#rrggbb'"
            raise ConfigError(
                f"{self.where}: with 'pixels: {self.pixels}' a raw value is {kind}, got {raw!r}"
            )
        if isinstance(raw, int):
            return raw
        if raw not in self.names:
            self.names.append(raw)
        return self.names.index(raw)

    def default_raw(self, entry: ClassEntry, index: int) -> int | str:
        """The raw value of a class that lists none."""
        if self.pixels == "name":
            return entry.name
        return _derive_raw(entry, index, self.pixels, self.where)


def _derive_raw(entry: ClassEntry, index: int, pixels: str, where: Path) -> int:
    if pixels == "index":
        return index
    if entry.color is None:
        raise ConfigError(
            f"{where}: class {entry.name!r} needs the colour it has in the masks; "
            f"write color: [r, g, b] or raw: ['#rrggbb']"
        )
    return pack_color(entry.color)


def _list_classes(codec: LabelCodec) -> list[dict[str, object]]:
    return [
        {
            "name": c.name,
            "color": list(c.color),
            "kind": c.kind,
            "raw": _show_values(
                codec, (r for r, i in codec.raw_to_index.items() if i == index)
            ),
        }
        for index, c in enumerate(codec.spec)
    ]


def _show_values(codec: LabelCodec, raws: Iterable[int]) -> list[int] | list[str]:
    """Raw values as dataset.yaml holds them, ascending."""
    if codec.pixels == "index":
        return sorted(raws)
    return [codec.format_raw(raw) for raw in sorted(raws)]


def _dump_yaml(value: Mapping[str, object], *, flow: bool = False) -> str:
    """YAML with unprintable characters escaped: PyYAML would read them back changed."""
    text = dump_yaml(dict(value), flow=flow)
    if text.replace("\n", "").isprintable():
        return text
    return dump_yaml(dict(value), flow=flow, readable=False)
