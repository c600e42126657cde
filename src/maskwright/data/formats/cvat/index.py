"""Index an XML file of CVAT: its labels, and the byte spans of its images and tracks.

Source: cvat 2.x, apps/dataset_manager: formats/cvat.py, bindings.py, annotation.py.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from ....core.errors import DataError
from ...classes.dataset_yaml import ClassEntry
from ...reading.documents import Document, Side, validate
from ...reading.xmlindex import ElementSpan, iterate_elements, read_element
from .elements import SKIPPED

_HEX = re.compile(r"#[0-9a-fA-F]{6}")
_NO_REGIONS = frozenset({"tag", "points", "polyline", "skeleton", "cuboid"})
"""Types of labels whose shapes are not regions."""

_Frame = Annotated[int, Field(ge=0)]


def _require_folder_name(name: str) -> str:
    if name in {".", ".."} or "/" in name or "\\" in name:
        raise ValueError(f"{name!r} is not a name of a folder, rename the subset")
    return name


_Subset = Annotated[str, AfterValidator(_require_folder_name)] | None


class ImageTag(Document):
    """Attributes of `<image>`."""

    name: str
    width: Side
    height: Side
    subset: _Subset = None


class TrackTag(Document):
    """Attributes of `<track>`."""

    id: str
    label: str
    subset: _Subset = None


class _Meta(Document):
    subset: _Subset = None
    subsets: tuple[_Subset, ...] = ()


class TrackedShape(Document):
    """Attributes of a shape in a track."""

    frame: _Frame
    outside: str = "0"
    keyframe: str = "1"


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes of one element in the file, and the track that it belongs to.

    `until` are the bytes of the next keyframe where the shape lies between two, at the share
    `offset` of the way.
    """

    start: int
    end: int
    track: TrackTag | None = None
    until: tuple[int, int] | None = None
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class IndexedImage:
    """An image and the span of its element."""

    tag: ImageTag
    span: Span
    num_shapes: int


@dataclass(frozen=True, slots=True)
class IndexedTrack:
    """A track: its shapes in the order of frames; whether any of them is a region."""

    tag: TrackTag
    has_regions: bool
    shapes: tuple[tuple[TrackedShape, Span], ...]


@dataclass(slots=True)
class CvatFile:
    """The index of one file.

    `classes` are the labels that the file declares, `labels` those that its shapes have, and
    `missing` the images that it names and that are not there; `typed` are the attributes whose
    values are not free text; `notes` say how gaps of tracks are read.
    """

    path: Path
    classes: dict[str, ClassEntry] = field(default_factory=dict)
    subset: str | None = None
    subsets: tuple[str, ...] = ()
    images: list[IndexedImage] = field(default_factory=list)
    tracks: list[IndexedTrack] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)
    missing: list[str] = field(default_factory=list)
    typed: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


def index_file(path: Path) -> CvatFile:
    """Index the images and tracks of a file; no shape is kept in memory."""
    file, inside = CvatFile(path), list[ElementSpan]()
    for element in iterate_elements(path, depth=3):
        if element.depth == 3:
            inside.append(element)
            continue
        span = Span(element.start, element.end)
        if element.tag == "meta":
            _read_meta(file, span)
        elif element.tag == "image":
            tag = validate(element.attributes, ImageTag, where=f"{path}: image")
            file.images.append(IndexedImage(tag, span, len(inside)))
            regions = (e for e in inside if e.tag not in SKIPPED)
            file.labels |= {e.attributes.get("label", "") for e in regions}
        elif element.tag == "track":
            _add_track(file, element, inside)
        inside = []
    return file


def _add_track(file: CvatFile, element: ElementSpan, inside: list[ElementSpan]) -> None:
    where = f"{file.path}: track"
    tag = validate(element.attributes, TrackTag, where=where)
    shapes = [
        (
            validate(e.attributes, TrackedShape, where=f"{where} {tag.id}: {e.tag}"),
            Span(e.start, e.end, tag),
        )
        for e in inside
    ]
    regions = any(e.tag not in SKIPPED for e in inside)
    file.labels |= {tag.label} if regions else set()
    file.tracks.append(
        IndexedTrack(tag, regions, tuple(sorted(shapes, key=lambda s: s[0].frame)))
    )


def _read_meta(file: CvatFile, span: Span) -> None:
    meta = read_element(file.path, span.start, span.end, where=f"{file.path}: meta")
    subset = meta.findtext("task/subset") or meta.findtext("job/subset")
    subsets = (meta.findtext("project/subsets") or "").split("\n")
    values = {"subset": subset, "subsets": subsets}
    checked = validate(values, _Meta, where=f"{file.path}: meta")
    file.subset = checked.subset
    file.subsets = tuple(name for name in checked.subsets if name)
    for label in (one for labels in meta.iter("labels") for one in labels.iter("label")):
        name, color = label.findtext("name") or "", label.findtext("color") or ""
        if label.find("parent") is not None or label.findtext("type") in _NO_REGIONS:
            continue
        if color and not _HEX.fullmatch(color):
            raise DataError(
                f"{file.path}: label {name!r} has the colour {color!r}, expected '#rrggbb'; "
                f"export it again"
            )
        attributes = label.iterfind("attributes/attribute")
        file.typed |= {
            f"{name}.{attribute.findtext('name')}"
            for attribute in attributes
            if attribute.findtext("input_type") not in {None, "text"}
        }
        red_green_blue = tuple(bytes.fromhex(color[1:])) if color else None
        file.classes[name] = ClassEntry.model_validate(
            {"name": name, "color": red_green_blue, "kind": "thing", "raw": (name,)}
        )
