"""Rows of Labelbox files: of its export v2, and of files for its import."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

import numpy as np
from pydantic import AliasChoices, Field

from ....core.errors import DataError
from ....core.files import open_file
from ...reading.documents import MAX_INDEXED_BYTES, Document, Finite, Side, peek
from ...reading.jsonindex import JsonIndex, index_json_list

ROWS = "rows"
_Byte = Annotated[int, Field(ge=0, le=255)]
_NAME = re.compile(r"[\w.-]{1,200}", re.ASCII)


class DataRow(Document):
    """A data row, the image that was labelled, with the names that it has."""

    id: str = ""
    external_id: str | None = None
    global_key: str | None = Field(
        default=None, validation_alias=AliasChoices("global_key", "globalKey")
    )
    row_data: str | None = None

    def names(self) -> Iterator[str]:
        """Yield the file names that its image may have."""
        yield from filter(None, (self.external_id, self.global_key))
        if self.row_data and (last := _find_last_part(self.row_data)):
            yield last


class _Media(Document):
    height: Side | None = None
    width: Side | None = None
    mime_type: str | None = None


class _Point(Document):
    x: Finite
    y: Finite


class Mask(Document):
    """The mask of an object: a file of its own, or the pixels of one colour in a file."""

    url: str | None = Field(default=None, validation_alias=AliasChoices("url", "instanceURI"))
    color: tuple[_Byte, _Byte, _Byte] | None = Field(
        default=None, validation_alias=AliasChoices("color_rgb", "colorRGB")
    )
    png: str | None = None

    def names(self) -> Iterator[str]:
        """Yield the names that its file may have, without suffix."""
        parts = _split_path(self.url or "")
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
        """Return the answer as text."""
        if self.text_answer is not None:
            return self.text_answer.content
        answers = (*(self.checklist_answers or ()), *filter(None, (self.radio_answer,)))
        return ", ".join(answer.name for answer in answers)


class ObjectAnnotation(Document):
    """An object of an image: a mask, a polygon, or a kind that is not a region."""

    id: str = Field(default="", validation_alias=AliasChoices("feature_id", "uuid"))
    name: str | None = None
    annotation_kind: str = ""
    composite_mask: Mask | None = None
    mask: Mask | None = None
    polygon: tuple[_Point, ...] | None = None
    bounding_box: object = Field(
        default=None, validation_alias=AliasChoices("bounding_box", "bbox")
    )
    point: object = None
    line: object = None
    classifications: tuple[Question, ...] = ()

    @property
    def masks(self) -> tuple[Mask, ...]:
        """The masks of the object, one or two; first the one that all objects share."""
        return tuple(filter(None, (self.composite_mask, self.mask)))

    @property
    def is_region(self) -> bool:
        """Whether the object has a mask or a polygon."""
        return bool(self.masks) or self.polygon is not None


class _Annotations(Document):
    objects: tuple[ObjectAnnotation, ...] = ()
    frames: object = None


class _Label(Document):
    annotations: _Annotations


class _Project(Document):
    labels: tuple[_Label, ...] = ()


class _Field(Document):
    name: str = ""
    value: object = None


class Row(ObjectAnnotation):
    """One row: a data row with its labels in an export, one object in an import."""

    data_row: DataRow | None = None
    media_attributes: _Media = Field(default_factory=_Media)
    projects: dict[str, _Project] = Field(default_factory=dict)
    metadata_fields: tuple[_Field, ...] = ()
    dataRow: DataRow | None = None

    @property
    def split(self) -> str:
        """The split in the reserved field of Labelbox's metadata, "" if it has none."""
        for metadata in self.metadata_fields:
            value = metadata.value
            if isinstance(value, list) and value and isinstance(value[0], dict):
                value = value[0].get("name")
            if metadata.name == "split" and isinstance(value, str):
                return value
        return ""

    def objects(self, *, where: str) -> tuple[ObjectAnnotation, ...] | None:
        """Return the objects that were drawn; None if the row has no label.

        Raises:
            DataError: The row has several labels, or is a video.
        """
        if self.data_row is None:
            return (self,)
        labels = [label for project in self.projects.values() for label in project.labels]
        video = (self.media_attributes.mime_type or "").startswith("video/")
        if video or any(label.annotations.frames is not None for label in labels):
            raise DataError(
                f"{where}: is a video, expected an image; upload its frames as images, or "
                f"remove the row"
            )
        if len(labels) > 1:
            raise DataError(
                f"{where}: has {len(labels)} labels, of several people or projects, expected "
                f"one; export one project, and one label per data row"
            )
        return labels[0].annotations.objects if labels else None


def looks_labelbox(path: Path) -> bool:
    """Whether a file has rows of Labelbox, of any version."""
    text = peek(path)
    return any(f'"{key}"' in text for key in ("data_row", "dataRow", "DataRow ID"))


def index_rows(path: Path) -> JsonIndex:
    """Index the rows of a file: lines of NDJSON, or elements of an array.

    Raises:
        DataError: The file is an export v1, or is not JSON.
    """
    text = peek(path)
    if '"DataRow ID"' in text:
        raise DataError(
            f"{path}: is a Labelbox export v1, expected v2; export the project again: the app "
            f"and the SDK's `project.export()` give v2"
        )
    if text.lstrip("\ufeff \t\r\n").startswith("["):
        return index_json_list(path, ROWS)
    spans, offset = [], 0
    with open_file(path, most_bytes=MAX_INDEXED_BYTES) as file:
        for line in file:
            start = 3 if not offset and line.startswith(b"\xef\xbb\xbf") else 0
            if line[start:].strip():
                spans.append((offset + start, offset + len(line)))
            offset += len(line)
    return JsonIndex(path, {ROWS: np.array(spans, np.int64).reshape(-1, 2)})


def is_file_name(name: str) -> bool:
    """Whether a name is a plain file name, which cannot lead to another folder."""
    return _NAME.fullmatch(name) is not None and name.strip(".") != ""


def _split_path(url: str) -> list[str]:
    """Split the path of an address at its slashes."""
    try:
        return [part for part in unquote(urlsplit(url).path).split("/") if part]
    except ValueError:
        return []


def _find_last_part(url: str) -> str:
    parts = _split_path(url)
    return parts[-1] if parts else ""
