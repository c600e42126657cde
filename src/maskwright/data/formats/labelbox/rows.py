"""Files of Labelbox: rows of its export v2, and rows as they are given to its import."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

import numpy as np
from pydantic import AliasChoices, Field

from ....core.errors import DataError
from ...reading.documents import Document, Finite, Side, peek
from ...reading.jsonindex import JsonIndex, index_json_list

ROWS = "rows"
_Byte = Annotated[int, Field(ge=0, le=255)]
_NAME = re.compile(r"[\w.-]{1,200}", re.ASCII)


class DataRow(Document):
    """What was labelled, by all the names that it has."""

    id: str = ""
    external_id: str | None = None
    global_key: str | None = Field(
        default=None, validation_alias=AliasChoices("global_key", "globalKey")
    )
    row_data: str | None = None

    def names(self) -> Iterator[str]:
        """File names that its image may have."""
        yield from filter(None, (self.external_id, self.global_key))
        if self.row_data and (last := _last_part(self.row_data)):
            yield last


class _Media(Document):
    height: Side | None = None
    width: Side | None = None
    mime_type: str | None = None


class _Point(Document):
    x: Finite
    y: Finite


class Mask(Document):
    """Where the pixels of an object are: in a file of its own, or those of one colour."""

    url: str | None = Field(default=None, validation_alias=AliasChoices("url", "instanceURI"))
    color: tuple[_Byte, _Byte, _Byte] | None = Field(
        default=None, validation_alias=AliasChoices("color_rgb", "colorRGB")
    )
    png: str | None = None

    def names(self) -> Iterator[str]:
        """What its file may be called, without a suffix."""
        parts = _parts(self.url or "")
        for word in ("annotations", "feature", "masks"):
            if word in parts[:-1]:
                yield parts[parts.index(word) + 1]
                return
        yield from parts[-1:]


class _Answer(Document):
    name: str = ""


class _TextAnswer(Document):
    content: str = ""


class Question(Document):
    """A classification of an object."""

    name: str = ""
    radio_answer: _Answer | None = None
    checklist_answers: tuple[_Answer, ...] | None = None
    text_answer: _TextAnswer | None = None

    def text(self) -> str:
        """Its answer."""
        if self.text_answer is not None:
            return self.text_answer.content
        answers = (*(self.checklist_answers or ()), *filter(None, (self.radio_answer,)))
        return ", ".join(answer.name for answer in answers)


class Drawn(Document):
    """An object."""

    id: str = Field(default="", validation_alias=AliasChoices("feature_id", "uuid"))
    name: str | None = None
    annotation_kind: str = ""
    composite_mask: Mask | None = None
    mask: Mask | None = None
    polygon: tuple[_Point, ...] | None = None
    bounding_box: Any = Field(
        default=None, validation_alias=AliasChoices("bounding_box", "bbox")
    )
    point: Any = None
    line: Any = None
    classifications: tuple[Question, ...] = ()

    @property
    def masks(self) -> tuple[Mask, ...]:
        """Its pixels, in one or two files; that of all objects of the image first."""
        return tuple(filter(None, (self.composite_mask, self.mask)))

    @property
    def is_region(self) -> bool:
        """Whether it has pixels."""
        return bool(self.masks) or self.polygon is not None


class _Annotations(Document):
    objects: tuple[Drawn, ...] = ()
    frames: Any = None


class _Label(Document):
    annotations: _Annotations


class _Project(Document):
    labels: tuple[_Label, ...] = ()


class _Field(Document):
    name: str = ""
    value: Any = None


class Row(Drawn):
    """A line: a data row with its labels in an export, one object in an import."""

    data_row: DataRow | None = None
    media_attributes: _Media = Field(default_factory=_Media)
    projects: dict[str, _Project] = Field(default_factory=dict)
    metadata_fields: tuple[_Field, ...] = ()
    dataRow: DataRow | None = None

    @property
    def split(self) -> str:
        """As the reserved field of Labelbox's metadata says it."""
        for found in self.metadata_fields:
            value = found.value
            if isinstance(value, list) and value and isinstance(value[0], dict):
                value = value[0].get("name")
            if found.name == "split" and isinstance(value, str):
                return value
        return ""

    def objects(self, *, where: str) -> tuple[Drawn, ...] | None:
        """What was drawn; None where nobody labelled the row.

        Raises:
            DataError: There are several labels, or those of a video.
        """
        if self.data_row is None:
            return (self,)
        labels = [label for project in self.projects.values() for label in project.labels]
        video = (self.media_attributes.mime_type or "").startswith("video/")
        if video or any(label.annotations.frames is not None for label in labels):
            raise DataError(
                f"{where}: is of a video, only images are read; upload its frames as images, "
                f"or remove the row"
            )
        if len(labels) > 1:
            raise DataError(
                f"{where}: has {len(labels)} labels, of several people or projects; export one "
                f"project, and of each data row the label that counts"
            )
        return labels[0].annotations.objects if labels else None


def looks_labelbox(path: Path) -> bool:
    """Whether a file has rows of Labelbox, of any version."""
    text = peek(path)
    return any(f'"{key}"' in text for key in ("data_row", "dataRow", "DataRow ID"))


def index_rows(path: Path) -> JsonIndex:
    """Where the rows of a file lie: lines of NDJSON, or elements of an array.

    Raises:
        DataError: It is an export v1, or no JSON.
    """
    text = peek(path)
    if '"DataRow ID"' in text:
        raise DataError(
            f"{path}: is a Labelbox export v1, which Labelbox no longer makes; export the "
            f"project again: the app and the SDK's `project.export()` give v2"
        )
    if text.lstrip("\ufeff \t\r\n").startswith("["):
        return index_json_list(path, ROWS)
    spans, offset = [], 0
    try:
        with path.open("rb") as file:
            for line in file:
                start = 3 if not offset and line.startswith(b"\xef\xbb\xbf") else 0
                if line[start:].strip():
                    spans.append((offset + start, offset + len(line)))
                offset += len(line)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    return JsonIndex(path, {ROWS: np.array(spans, np.int64).reshape(-1, 2)})


def is_plain(name: str) -> bool:
    """Whether a name is that of a file, not of a way to one."""
    return _NAME.fullmatch(name) is not None and name.strip(".") != ""


def _parts(url: str) -> list[str]:
    """Names between the slashes of an address's path."""
    try:
        return [part for part in unquote(urlsplit(url).path).split("/") if part]
    except ValueError:
        return []


def _last_part(url: str) -> str:
    parts = _parts(url)
    return parts[-1] if parts else ""
