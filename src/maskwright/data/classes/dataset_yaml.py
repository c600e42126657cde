"""dataset.yaml: its keys, and how it is read; `codec` writes it.

    version: 1
    format: mask_folder            # or voc
    classes:
      - {name: road, color: [128, 64, 128], kind: stuff, raw: [0]}
    codec: {pixels: index, ignored: [255]}

Only the names of the classes are needed, and even they are inferred where there are none.
A raw value is a stored integer, in colour masks a string '#rrggbb' ('#00000000' for transparent
pixels), and for the shapes of an annotation tool their label; '(undrawn)' is the label of
pixels that no shape covers.
"""

import hashlib
import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from ...core.codec import TRANSPARENT, TRANSPARENT_TEXT
from ...core.errors import ConfigError
from ...core.strictmodel import StrictModel
from ...core.versioned import Schema
from ...core.yamlfile import read_yaml, validate_yaml
from ..shapes.drawing import Overlap

FILE_NAME = "dataset.yaml"
ASIDE = "maskwright"
"""The folder of dataset.yaml and splits.json where they cannot lie beside the data."""
SCHEMA = Schema(kind=FILE_NAME, version=1, unversioned=1, error=ConfigError, key="version")
Pixels = Literal["index", "rgb", "name"]
_HEX = re.compile(r"#[0-9a-fA-F]{6}")


def _parse_raw_value(value: object) -> object:
    if value == TRANSPARENT_TEXT:
        return TRANSPARENT
    if isinstance(value, str) and _HEX.fullmatch(value):
        return int(value[1:], 16)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(  # noqa: TRY004 - pydantic turns ValueError into its own
            "a raw value is an integer, a colour in quotes, '#rrggbb', or a label in quotes"
        )
    return value


_Number = Annotated[int, Field(strict=True, ge=-(1 << 31), lt=1 << 32)]
Raw = Annotated[_Number | str, BeforeValidator(_parse_raw_value)]
Channel = Annotated[int, Field(strict=True, ge=0, le=255)]


class ClassEntry(StrictModel):
    """One class; by default `raw` is its index and `color` that of Pascal VOC."""

    name: str
    color: tuple[Channel, Channel, Channel] | None = None
    kind: Literal["stuff", "thing"] = "stuff"
    raw: tuple[Raw, ...] | None = None


class CodecEntry(StrictModel):
    """What a stored pixel is, and which values are ignored."""

    pixels: Pixels | None = None
    ignored: tuple[Raw, ...] | None = None

    @property
    def ignored_values(self) -> tuple[int, ...] | None:
        """The ignored integers, which a mask file can store; labels belong to shapes."""
        if self.ignored is None:
            return None
        return tuple(raw for raw in self.ignored if isinstance(raw, int))


UNSPECIFIED = CodecEntry()


class GroupEntry(StrictModel):
    """The group of an image is its key up to the first `before`, or up to the last one.

    A key without it is a group of its own.
    """

    before: Annotated[str, Field(min_length=1)]
    last: bool = False

    def find_group(self, key: str) -> str:
        """Return the group of the image with this key."""
        head, _, tail = key.rpartition(self.before) if self.last else key.partition(self.before)
        return (head or tail) if self.last else head


class InferredFrom(StrictModel):
    """What an inference that wrote dataset.yaml began with, so that it can be renewed.

    `files` are the hashes of the files that list classes, by name; `codec` and `mapping` are
    what dataset.yaml gave before. `result` is the hash of the classes and the codec as they
    were written: with another one the file was edited since.
    """

    files: dict[str, str] = Field(default_factory=dict)
    codec: CodecEntry = UNSPECIFIED
    mapping: str | tuple[str, ...] | None = None
    result: str = ""


class DatasetFile(StrictModel):
    """The content of dataset.yaml; `annotators` are folders of masks by one person each.

    `mapping` is a mapping file (`classes/mapping.py`) beside it, or the name of one that comes
    with maskwright, or several, one after the other; it changes the classes that the format or
    `classes` list. `group` says
    which images are never split apart, in place of their folders. `label_key` is
    the property of a GeoJSON feature, or the column of a table, that holds its class. `runs` is
    the direction in which a table of run lengths counts pixels: down the columns (as on Kaggle)
    or along the rows. `bands` names the channels, in order: files of one band
    (`scene_B04.tif`) are joined to one image, and those of a file that names its bands are
    chosen. `state` names what the studio's log had when it wrote the labels.
    """

    format: str | None = None
    root: str | None = None
    images: str | None = None
    masks: str | None = None
    annotators: tuple[str, ...] | None = None
    classes: tuple[ClassEntry, ...] | None = None
    codec: CodecEntry = UNSPECIFIED
    mapping: str | tuple[str, ...] | None = None
    group: GroupEntry | None = None
    overlap: Overlap | None = None
    label_key: str | None = None
    runs: Literal["columns", "rows"] | None = None
    bands: tuple[str, ...] | None = None
    source: str | None = None
    state: str | None = None
    inferred: tuple[str, ...] = ()
    inferred_from: InferredFrom | None = None

    @property
    def mappings(self) -> tuple[str, ...]:
        """The names of the mappings, in the order in which they are applied."""
        return (self.mapping,) if isinstance(self.mapping, str) else self.mapping or ()

    @property
    def result_hash(self) -> str:
        """Sixteen hex digits that change with the classes and the codec."""
        text = self.model_dump_json(include={"classes", "codec"})
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @field_validator("annotators")
    @classmethod
    def _require_one_folder_each(
        cls, folders: tuple[str, ...] | None, info: ValidationInfo
    ) -> tuple[str, ...] | None:
        if folders is None:
            return None
        if info.data.get("masks") is not None:
            raise ValueError("'masks' is given too; list all folders of masks here")
        if not 0 < len(folders) == len({PurePosixPath(name) for name in folders}):
            raise ValueError("list the folder of each annotator once")
        return folders


def is_of_another_tool(document: object) -> bool:
    """Whether a document is not a dataset.yaml of maskwright: that of YOLO has this name too.

    It names classes or folders of splits, and has no key of `DatasetFile`.
    """
    if not isinstance(document, dict) or document.keys() & DatasetFile.model_fields.keys():
        return False
    return bool(document.keys() & {"names", "nc"})


def read_dataset_file(path: Path) -> DatasetFile:
    """Read dataset.yaml.

    Raises:
        ConfigError: Not YAML, an unknown key (the nearest is named) or a wrong value.
    """
    document = SCHEMA.read(read_yaml(path), where=str(path))
    return validate_yaml(document, DatasetFile, path=path)
