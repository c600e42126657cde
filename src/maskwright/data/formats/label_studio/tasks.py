"""Tasks of a Label Studio export: what they hold, their image, and which annotation is read.

`formats/label_studio.py` says what becomes of each.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import Field

from ....core.errors import DataError
from ...pixels.imageref import ImageRef
from ...pixels.images import image_suffixes
from ...reading.documents import Document, Finite
from ...reading.lookup import ImageLookup

_REGIONS = frozenset({"brush", "bitmask", "polygon", "rectangle", "ellipse"})
_OF_REGIONS = frozenset({"labels", "choices", "textarea", "rating", "number"})
"""Types of results that say something of a region drawn by another."""

_UPLOADED = re.compile(r"^[0-9a-f]{8}-")


class _Names(Document):
    """The labels of a region, under the name of the tag it was drawn with."""

    labels: tuple[str, ...] = ()
    brushlabels: tuple[str, ...] = ()
    bitmasklabels: tuple[str, ...] = ()
    polygonlabels: tuple[str, ...] = ()
    rectanglelabels: tuple[str, ...] = ()
    ellipselabels: tuple[str, ...] = ()

    @property
    def named(self) -> tuple[str, ...]:
        """All of them."""
        return (
            *self.labels,
            *self.brushlabels,
            *self.bitmasklabels,
            *self.polygonlabels,
            *self.rectanglelabels,
            *self.ellipselabels,
        )


class DrawnValue(_Names):
    """Where a region is, by its kind, or what is said of it."""

    format: str = "rle"
    rle: tuple[Annotated[int, Field(ge=0, le=255)], ...] | None = None
    imageDataURL: str = ""
    points: tuple[tuple[Finite, Finite], ...] = ()
    x: Finite = 0
    y: Finite = 0
    width: Finite = 0
    height: Finite = 0
    radiusX: Finite = 0
    radiusY: Finite = 0
    rotation: Finite = 0
    choices: tuple[str, ...] = ()
    text: str | tuple[str, ...] = ()
    rating: Finite | None = None
    number: Finite | None = None


class Listed(Document):
    """A result of which only the labels are read."""

    id: str = ""
    type: str = ""
    value: _Names = _Names()


class Result(Document):
    """A region, or what is said of one or of the image."""

    id: str = ""
    type: str = ""
    from_name: str = ""
    value: DrawnValue = DrawnValue()
    original_width: int | None = None
    original_height: int | None = None
    image_rotation: Finite = 0


_R = TypeVar("_R", Listed, Result)


class TaskAnnotation(Document, Generic[_R]):
    """What one person submitted, as `Listed` or as `Result`."""

    result: tuple[_R, ...] = ()
    was_cancelled: bool = False
    ground_truth: bool = False
    created_at: str = ""
    updated_at: str | None = None


class Task(Document, Generic[_R]):
    """One image and all that was submitted for it."""

    id: int | str | None = None
    data: dict[str, Any]
    annotations: tuple[TaskAnnotation[_R], ...]
    predictions: tuple[Any, ...] = ()
    file_upload: str | None = None


@dataclass(frozen=True, slots=True)
class Region(Generic[_R]):
    """One region: `kind` is brush, bitmask, polygon, rectangle or ellipse."""

    kind: str
    labels: tuple[str, ...]
    result: _R

    def label(self, *, where: str) -> str:
        """Its one label.

        Raises:
            DataError: It has several.
        """
        if len(self.labels) > 1:
            raise DataError(
                f"{where}: has the labels {', '.join(map(repr, self.labels))}, and a pixel has "
                f"one class; give each region one label"
            )
        return self.labels[0]


def kinds_of(task: Task[_R]) -> Iterator[str]:
    """What a note says of a task."""
    kept = sum(not annotation.was_cancelled for annotation in task.annotations)
    if kept > 1:
        yield "have several annotations: the ground truth is read, else the one changed last"
    if kept < len(task.annotations):
        yield "have annotations that were skipped (was_cancelled): these are not read"
    if not kept:
        yield "have no annotation: their images are passed over"
    if task.predictions:
        yield "have predictions, which are not read"


def chosen_of(annotations: Sequence[TaskAnnotation[_R]]) -> TaskAnnotation[_R] | None:
    """The ground truth, else the one changed last, else the last in the file."""
    kept = [annotation for annotation in annotations if not annotation.was_cancelled]
    return max(
        reversed(kept),
        key=lambda a: (a.ground_truth, a.updated_at or a.created_at),
        default=None,
    )


def find_image(images: ImageLookup, task: Task[_R], where: str) -> ImageRef | None:
    """The image that a task names, by its path or its name."""
    for text in (_image_of(task.data, where), task.file_upload):
        for name in _names(text or ""):
            if image := images.find(name, where=where):
                return image
    return None


def _image_of(data: dict[str, Any], where: str) -> str:
    texts = {key: text for key, text in data.items() if isinstance(text, str)}
    if "image" in texts:
        return texts["image"]
    named = [
        text
        for text in texts.values()
        if any(PurePosixPath(n).suffix.lower() in image_suffixes() for n in _names(text))
    ]
    if len(named) != 1:
        raise DataError(
            f"{where}: 'data' names {len(named)} images ({', '.join(data) or 'no keys'}), "
            f"expected one; call it 'image'"
        )
    return named[0]


def _names(text: str) -> Iterator[str]:
    """As it is; the path of a URL, of which `d` is that of a local file; without the prefix."""
    yield text
    try:
        parts = urlsplit(text)
    except ValueError:
        return
    path = unquote(parse_qs(parts.query).get("d", [parts.path])[0])
    yield path
    yield _UPLOADED.sub("", PurePosixPath(path).name)


def regions_of(results: Sequence[_R]) -> tuple[list[Region[_R]], Counter[str]]:
    """Regions with their labels, and what is no region."""
    elsewhere = {r.id: r.value.named for r in results if r.type == "labels"}
    regions: list[Region[_R]] = []
    skipped: Counter[str] = Counter()
    for result in results:
        kind = result.type.removesuffix("labels")
        labels = tuple(dict.fromkeys(result.value.named or elsewhere.get(result.id, ())))
        if kind in _REGIONS and labels:
            regions.append(Region(kind, labels, result))
        elif kind in _REGIONS:
            skipped["regions without a label"] += 1
        elif result.type not in _OF_REGIONS:
            skipped[f"results of type {result.type or 'none'}"] += 1
    return regions, skipped


def attributes_of(results: Iterable[Result]) -> dict[str, dict[str, str]]:
    """Choices, texts and numbers of each region, by its id and the name of their tag."""
    found: dict[str, dict[str, str]] = {}
    for result in results:
        value = result.value
        texts = (value.text,) if isinstance(value.text, str) else value.text
        numbers = (f"{n:g}" for n in (value.rating, value.number) if n is not None)
        if said := ", ".join((*value.choices, *texts, *numbers)):
            found.setdefault(result.id, {})[result.from_name or result.type] = said
    return found
