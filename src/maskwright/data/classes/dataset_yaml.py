"""dataset.yaml: what its keys are, and how it is read and written.

    version: 1
    format: mask_folder            # or voc
    classes:
      - {name: road, color: [128, 64, 128], kind: stuff, raw: [0]}
    codec: {pixels: index, ignored: [255]}

Only the names of the classes are needed, and even they are inferred where there are none.
A raw value is a stored integer, in colour masks a string '#rrggbb', and for the shapes of an
annotation tool their label; '(undrawn)' is the label of pixels that no shape covers.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from ...core.atomic import write_text
from ...core.codec import LabelCodec
from ...core.errors import ConfigError, suggest
from ...core.labels import ClassDef, LabelSpec, voc_palette
from ...core.yamlfile import read_yaml
from ..shapes.drawing import Overlap

FILE_NAME = "dataset.yaml"
Pixels = Literal["index", "rgb", "name"]
_HEX = re.compile(r"#[0-9a-fA-F]{6}")


def _raw_value(value: object) -> object:
    if isinstance(value, str) and _HEX.fullmatch(value):
        return int(value[1:], 16)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(  # noqa: TRY004 - pydantic turns ValueError into its own
            "a raw value is an integer, a colour in quotes, '#rrggbb', or a label in quotes"
        )
    return value


_Number = Annotated[int, Field(strict=True, ge=0, lt=1 << 32)]
Raw = Annotated[_Number | str, BeforeValidator(_raw_value)]
Channel = Annotated[int, Field(ge=0, le=255)]


class Strict(BaseModel):
    """A piece of a file of ours: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ClassEntry(Strict):
    """One class; `raw` is its index where left out, `color` the Pascal VOC colour."""

    name: str
    color: tuple[Channel, Channel, Channel] | None = None
    kind: Literal["stuff", "thing"] = "stuff"
    raw: tuple[Raw, ...] | None = None


class CodecEntry(Strict):
    """What a stored pixel is, and which values nobody learns from."""

    pixels: Pixels | None = None
    ignored: tuple[Raw, ...] | None = None

    @property
    def ignored_values(self) -> tuple[int, ...] | None:
        """Those that a mask file can store: labels are of shapes."""
        if self.ignored is None:
            return None
        return tuple(raw for raw in self.ignored if isinstance(raw, int))


NOT_SAID = CodecEntry()


class DatasetFile(Strict):
    """A whole dataset.yaml; `annotators` are folders of masks by one person each.

    `mapping` is a mapping file (`classes/mapping.py`) beside it, or the name of one that comes
    with maskwright; it changes the classes that the format or `classes` say. `label_key` is the
    property of a GeoJSON feature, or the column of a table, that says its class. `runs` says
    how a table of run lengths counts pixels: down the columns (as on Kaggle) or along the rows.
    """

    version: Literal[1] = 1
    format: str | None = None
    root: str | None = None
    images: str | None = None
    masks: str | None = None
    annotators: tuple[str, ...] | None = None
    classes: tuple[ClassEntry, ...] | None = None
    codec: CodecEntry = NOT_SAID
    mapping: str | None = None
    overlap: Overlap | None = None
    label_key: str | None = None
    runs: Literal["columns", "rows"] | None = None
    source: str | None = None
    inferred: tuple[str, ...] = ()

    @field_validator("annotators")
    @classmethod
    def _of_one_person_each(
        cls, folders: tuple[str, ...] | None, info: ValidationInfo
    ) -> tuple[str, ...] | None:
        if folders is None:
            return None
        if info.data.get("masks") is not None:
            raise ValueError("'masks' is given too; list all folders of masks here")
        if not 0 < len(folders) == len({PurePosixPath(name) for name in folders}):
            raise ValueError("list the folder of each annotator once")
        return folders


def read_dataset_file(path: Path) -> DatasetFile:
    """Read dataset.yaml.

    Raises:
        ConfigError: Not YAML, an unknown key (the nearest is named) or a wrong value.
    """
    document = read_yaml(path)
    try:
        return DatasetFile.model_validate(document)
    except ValidationError as error:
        raise ConfigError(f"{path}: {_first_problem(error)}") from error


def write_dataset_file(path: Path, document: DatasetFile, codec: LabelCodec) -> None:
    """Write `document` with every class and raw value of `codec` spelled out."""
    known = document.model_dump(
        mode="json", exclude_none=True, exclude={"classes", "codec", "inferred"}
    )
    codec_entry = {"pixels": codec.pixels, "ignored": _shown(codec)(codec.ignored)}
    lines = [
        _dumped(known),
        "classes:",
        *(f"  - {_dumped(entry, flow=True)}" for entry in _class_entries(codec)),
        f"codec: {_dumped(codec_entry, flow=True)}",
    ]
    if document.inferred:
        lines.append(_dumped({"inferred": list(document.inferred)}))
    write_text(path, "\n".join(lines) + "\n")


def build_codec(document: DatasetFile, *, where: Path) -> LabelCodec:
    """The codec a dataset.yaml with classes describes.

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
        for raw in entry.raw or (numbers.default(entry, index),):
            if raw_to_index.setdefault(numbers.of(raw), index) != index:
                raise ConfigError(
                    f"{where}: raw value {raw} is under "
                    f"{entries[raw_to_index[numbers.of(raw)]].name!r} "
                    f"and {entry.name!r}; keep one"
                )
    ignored = document.codec.ignored
    if ignored is None:
        ignored = (255,) if numbers.pixels == "index" and 255 not in raw_to_index else ()
    try:
        return LabelCodec(
            spec=LabelSpec(tuple(classes)),
            raw_to_index=raw_to_index,
            ignored=frozenset(numbers.of(raw) for raw in ignored),
            pixels=numbers.pixels,
            names=tuple(numbers.names),
        )
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


@dataclass(slots=True)
class _Numbers:
    """Raw values of a dataset.yaml as integers; labels are counted as they come."""

    pixels: Pixels
    where: Path
    names: list[str] = field(default_factory=list)

    def of(self, raw: int | str) -> int:
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

    def default(self, entry: ClassEntry, index: int) -> int | str:
        """The raw value of a class that lists none."""
        if self.pixels == "name":
            return entry.name
        return _default_raw(entry, index, self.pixels, self.where)


def _default_raw(entry: ClassEntry, index: int, pixels: str, where: Path) -> int:
    if pixels == "index":
        return index
    if entry.color is None:
        raise ConfigError(
            f"{where}: class {entry.name!r} needs the colour it has in the masks; "
            f"write color: [r, g, b] or raw: ['#rrggbb']"
        )
    return entry.color[0] << 16 | entry.color[1] << 8 | entry.color[2]


def _class_entries(codec: LabelCodec) -> list[dict[str, Any]]:
    show = _shown(codec)
    return [
        {
            "name": c.name,
            "color": list(c.color),
            "kind": c.kind,
            "raw": show(r for r, i in codec.raw_to_index.items() if i == index),
        }
        for index, c in enumerate(codec.spec)
    ]


def _shown(codec: LabelCodec) -> Any:
    if codec.pixels != "index":
        return lambda raws: [codec.show(raw) for raw in sorted(raws)]
    return sorted


def _dumped(value: dict[str, Any], *, flow: bool = False) -> str:
    """YAML in which what cannot be printed is escaped: PyYAML would read it back changed."""
    texts = [
        str(
            yaml.safe_dump(
                value,
                default_flow_style=flow,
                sort_keys=False,
                allow_unicode=readable,
                width=1 << 30,
            )
        ).strip()
        for readable in (True, False)
    ]
    return texts[0] if texts[0].replace("\n", "").isprintable() else texts[1]


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    path = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        key = str(problem["loc"][-1])
        known = _keys_beside(problem["loc"])
        return f"unknown key {path!r}{suggest(key, known)}."
    return f"{path or 'the document'}: {problem['msg']}, got {problem['input']!r}"


def _keys_beside(place: tuple[int | str, ...]) -> tuple[str, ...]:
    models: dict[int | str, type[BaseModel]] = {"classes": ClassEntry, "codec": CodecEntry}
    model = models.get(place[0], DatasetFile) if len(place) > 1 else DatasetFile
    return tuple(model.model_fields)
