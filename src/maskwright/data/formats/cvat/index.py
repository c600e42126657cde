"""What an XML file of CVAT holds and where it lies in it: labels, images, tracks; no shapes.

Source: cvat 2.x, apps/dataset_manager: formats/cvat.py, bindings.py, annotation.py.
"""

import re
from bisect import bisect_right
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
"""Types of labels that no region can have."""

_Frame = Annotated[int, Field(ge=0)]


def _plain(name: str) -> str:
    if name in {".", ".."} or "/" in name or "\\" in name:
        raise ValueError(f"{name!r} is no name of a folder, rename the subset")
    return name


_Subset = Annotated[str, AfterValidator(_plain)] | None


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


class _Stated(Document):
    frame: _Frame
    outside: str = "0"


@dataclass(frozen=True, slots=True)
class Span:
    """Where one element lies in the file, and of which track it is."""

    start: int
    end: int
    track: TrackTag | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """An image and where its element lies."""

    tag: ImageTag
    span: Span
    num_shapes: int


@dataclass(frozen=True, slots=True)
class Track:
    """A track: what it states, by frame; `regions` is whether any of it is painted."""

    tag: TrackTag
    regions: bool
    shapes: tuple[tuple[_Stated, Span], ...]


@dataclass(slots=True)
class CvatFile:
    """What one file holds; `classes` are the labels it declares, `labels` those it uses."""

    path: Path
    classes: dict[str, ClassEntry] = field(default_factory=dict)
    subset: str | None = None
    subsets: tuple[str, ...] = ()
    images: list[Image] = field(default_factory=list)
    tracks: list[Track] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)
    missing: list[str] = field(default_factory=list)


def indexed(path: Path) -> CvatFile:
    """Where images and tracks lie in a file; no shape is kept."""
    file, inside = CvatFile(path), list[ElementSpan]()
    for piece in iterate_elements(path, depth=3):
        if piece.depth == 3:
            inside.append(piece)
            continue
        span = Span(piece.start, piece.end)
        if piece.tag == "meta":
            _read_meta(file, span)
        elif piece.tag == "image":
            tag = validate(piece.attributes, ImageTag, where=f"{path}: image")
            file.images.append(Image(tag, span, len(inside)))
            drawn = (p for p in inside if p.tag not in SKIPPED)
            file.labels |= {p.attributes.get("label", "") for p in drawn}
        elif piece.tag == "track":
            _add_track(file, piece, inside)
        inside = []
    return file


def _add_track(file: CvatFile, piece: ElementSpan, inside: list[ElementSpan]) -> None:
    where = f"{file.path}: track"
    tag = validate(piece.attributes, TrackTag, where=where)
    shapes = [
        (
            validate(p.attributes, _Stated, where=f"{where} {tag.id}: {p.tag}"),
            Span(p.start, p.end, tag),
        )
        for p in inside
    ]
    regions = any(p.tag not in SKIPPED for p in inside)
    file.labels |= {tag.label} if regions else set()
    file.tracks.append(Track(tag, regions, tuple(sorted(shapes, key=lambda s: s[0].frame))))


def _read_meta(file: CvatFile, span: Span) -> None:
    meta = read_element(file.path, span.start, span.end, where=f"{file.path}: meta")
    subset = meta.findtext("task/subset") or meta.findtext("job/subset")
    subsets = (meta.findtext("project/subsets") or "").split("\n")
    found = validate({"subset": subset, "subsets": subsets}, _Meta, where=f"{file.path}: meta")
    file.subset = found.subset
    file.subsets = tuple(name for name in found.subsets if name)
    for label in (one for labels in meta.iter("labels") for one in labels.iter("label")):
        name, color = label.findtext("name") or "", label.findtext("color") or ""
        if label.find("parent") is not None or label.findtext("type") in _NO_REGIONS:
            continue
        if color and not _HEX.fullmatch(color):
            raise DataError(
                f"{file.path}: label {name!r} has the colour {color!r}, expected '#rrggbb'"
            )
        red_green_blue = tuple(bytes.fromhex(color[1:])) if color else None
        file.classes[name] = ClassEntry.model_validate(
            {"name": name, "color": red_green_blue, "kind": "thing", "raw": (name,)}
        )


def refuse_gaps(track: Track, frames: list[int], path: Path) -> None:
    """Refuse a track that states less than CVAT does, which interpolates between keyframes.

    The last shape of an object may lack the frame that ends it: CVAT leaves that out where it
    would be the last of the video.
    """
    for place, (stated, _) in enumerate(track.shapes if track.regions else ()):
        if stated.outside == "1":
            continue
        last = place + 1 == len(track.shapes)
        begin = bisect_right(frames, stated.frame)
        end = (
            len(frames) if last else bisect_right(frames, track.shapes[place + 1][0].frame - 1)
        )
        if end - begin > int(last):
            raise DataError(
                f"{path}: track {track.tag.id} ({track.tag.label!r}) does not say what it is "
                f"on {end - begin} frames after {stated.frame}, where CVAT would interpolate; "
                f"export it from CVAT, which states every frame, or as 'CVAT for images 1.1'"
            )
