"""Guidelines: how each class is labelled, in words and examples, shown where it is chosen."""

from typing import Annotated, Literal

import cv2
import numpy as np
from pydantic import Field, TypeAdapter

from ..core.labels import IGNORE, LabelMap
from ..pages.pictures import RgbImage, encode_png
from ..store.chain import add_event
from ..store.database import Connection, read_meta, write_meta
from .errors import StudioError
from .history import read_map_at
from .models import Body
from .pictures import Pictures
from .project import Project

_NAME = "guidelines"
_MOST_SIDE_PX = 2048
_SHOWN_PX = 320


class Example(Body):
    """A part of an image at a revision, labelled as it should be (`is_good`) or should not."""

    item: int
    rev: Annotated[int, Field(ge=0)]
    left: Annotated[int, Field(ge=0)]
    top: Annotated[int, Field(ge=0)]
    width: Annotated[int, Field(ge=1, le=_MOST_SIDE_PX)]
    height: Annotated[int, Field(ge=1, le=_MOST_SIDE_PX)]
    is_good: bool
    note: Annotated[str, Field(max_length=500)] = ""


class Guideline(Body):
    """How one class is labelled: in words, and the visible part or the whole object."""

    name: str
    text: Annotated[str, Field(max_length=5000)] = ""
    extent: Literal["", "visible", "whole"] = ""
    examples: Annotated[list[Example], Field(default_factory=list, max_length=20)]


_ALL = TypeAdapter(list[Guideline])


def read_guidelines(connection: Connection) -> list[Guideline]:
    """The guidelines that were written."""
    return _ALL.validate_json(read_meta(connection, _NAME) or "[]")


def change_guideline(project: Project, guideline: Guideline, actor: str) -> None:
    """Write the guideline of a class.

    Raises:
        StudioError: 404, an example is of no image; 422, there is no such class.
    """
    if guideline.name not in project.spec.names:
        raise StudioError(422, f"there is no class {guideline.name!r}")
    with project.store.write() as connection:
        for example in guideline.examples:
            project.find_item(connection, example.item)
        others = [g for g in read_guidelines(connection) if g.name != guideline.name]
        content = _ALL.dump_json([*others, guideline]).decode()
        write_meta(connection, _NAME, content)
        add_event(connection, "guideline", guideline.model_dump(), actor=actor)


def draw_example(project: Project, pictures: Pictures, name: str, number: int) -> bytes:
    """An example as PNG: the picture beside the picture with its labels.

    Raises:
        StudioError: 404, there is no such example.
    """
    with project.store.read() as connection:
        found = [g.examples for g in read_guidelines(connection) if g.name == name]
        if not found or not 0 <= number < len(found[0]):
            raise StudioError(404, f"no example {number} of {name!r}")
        example = found[0][number]
        item = project.find_item(connection, example.item)
        labels_HW = read_map_at(connection, item, min(example.rev, item.rev))
    rows = slice(example.top, example.top + example.height)
    columns = slice(example.left, example.left + example.width)
    part_hw3 = pictures.read_picture(item.key)[rows, columns]
    if not part_hw3.size:
        raise StudioError(404, f"example {number} of {name!r} lies outside of its image")
    labelled_hw3 = _mix_colors(part_hw3, labels_HW[rows, columns], project.spec.palette)
    both = np.concatenate([part_hw3, labelled_hw3], axis=1)
    scale = min(1.0, _SHOWN_PX / max(part_hw3.shape[:2]))
    small = cv2.resize(both, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return encode_png(np.asarray(small, np.uint8))


def _mix_colors(part_hw3: RgbImage, labels_hw: LabelMap, palette: RgbImage) -> RgbImage:
    """Mix image and class colours half and half, black too; unlabelled pixels stay."""
    mixed_hw3 = np.asarray(cv2.addWeighted(part_hw3, 0.5, palette[labels_hw], 0.5, 0), np.uint8)
    return np.where((labels_hw != IGNORE)[..., None], mixed_hw3, part_hw3)
