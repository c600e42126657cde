"""Tasks of a Label Studio export: their image, the annotation that is read, its regions.

`part.py` says how each kind of result is read.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Generic, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import Field

from ....core.errors import DataError
from ...pixels.imageref import ImageRef
from ...pixels.images import image_suffixes
from ...reading.documents import Document, Finite, Id
from ...reading.lookup import ImageLookup

_REGIONS = frozenset({"brush", "bitmask", "polygon", "rectangle", "ellipse"})
_ABOUT_REGIONS = frozenset({"labels", "choices", "textarea", "rating", "number"})
"""Types of results that describe a region which another result draws."""

_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")


class _Labels(Document):
    """The labels of a region, under a key that depends on the tag that drew it."""

    labels: tuple[str, ...] = ()
    brushlabels: tuple[str, ...] = ()
    bitmasklabels: tuple[str, ...] = ()
    polygonlabels: tuple[str, ...] = ()
    rectanglelabels: tuple[str, ...] = ()
    ellipselabels: tuple[str, ...] = ()

    @property
    def all_labels(self) -> tuple[str, ...]:
        """The labels under all keys."""
        return (
            *self.labels,
            *self.brushlabels,
            *self.bitmasklabels,
            *self.polygonlabels,
            *self.rectanglelabels,
            *self.ellipselabels,
        )


class ResultValue(_Labels):
    """The value of a result: a region, whose keys depend on its type, or its properties."""

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


class LabelsOnly(Document):
    """A result whose labels alone are read, for the pass that lists classes."""

    id: Id = ""
    type: str = ""
    value: _Labels = _Labels()


class Result(Document):
    """A region, or properties of a region or of the image."""

    id: Id = ""
    type: str = ""
    from_name: str = ""
    value: ResultValue = ResultValue()
    original_width: int | None = None
    original_height: int | None = None
    image_rotation: Finite = 0


_ResultT = TypeVar("_ResultT", LabelsOnly, Result)


class TaskAnnotation(Document, Generic[_ResultT]):
    """The results that one person submitted, read as `LabelsOnly` or as `Result`."""

    result: tuple[_ResultT, ...] = ()
    was_cancelled: bool = False
    ground_truth: bool = False
    created_at: str = ""
    updated_at: str | None = None


TaskData = dict[str, object]
"""The data of a task: any JSON by the names of variables, which the project chooses."""


class Task(Document, Generic[_ResultT]):
    """One image, and all annotations that were submitted for it."""

    id: int | str | None = None
    data: TaskData
    annotations: tuple[TaskAnnotation[_ResultT], ...]
    predictions: tuple[object, ...] = ()
    file_upload: str | None = None


@dataclass(frozen=True, slots=True)
class Region(Generic[_ResultT]):
    """One region: `kind` is brush, bitmask, polygon, rectangle or ellipse."""

    kind: str
    labels: tuple[str, ...]
    result: _ResultT

    def label(self, *, where: str) -> str:
        """Return the label of the region.

        Raises:
            DataError: The region has several labels.
        """
        if len(self.labels) > 1:
            raise DataError(
                f"{where}: has the labels {', '.join(map(repr, self.labels))}, expected one, "
                f"as a pixel has one class; give each region one label"
            )
        return self.labels[0]


def describe_task(task: Task[_ResultT]) -> Iterator[str]:
    """Yield what the notes count of a task; a note reads `3 tasks <text>`."""
    kept = sum(not annotation.was_cancelled for annotation in task.annotations)
    if kept > 1:
        yield "have several annotations: the ground truth is read, else the one changed last"
    if kept < len(task.annotations):
        yield "have annotations that were cancelled (was_cancelled): these are not read"
    if task.predictions:
        yield "have predictions, which are not read"


def choose_annotation(
    annotations: Sequence[TaskAnnotation[_ResultT]],
) -> TaskAnnotation[_ResultT] | None:
    """Choose the ground truth, else the one changed last, else the last in the file."""
    kept = [annotation for annotation in annotations if not annotation.was_cancelled]
    return max(
        reversed(kept),
        key=lambda a: (a.ground_truth, a.updated_at or a.created_at),
        default=None,
    )


def find_image(images: ImageLookup, task: Task[_ResultT], where: str) -> ImageRef | None:
    """Find the image that a task names, by path or by name."""
    for address in (_find_address(task.data, where), task.file_upload):
        for name in _iterate_names(address or ""):
            if image := images.find(name, where=where):
                return image
    return None


def name_image(task: Task[_ResultT], where: str) -> str:
    """The name of the image of a task, for messages."""
    return next(_iterate_names(_find_address(task.data, where)))


def _find_address(data: TaskData, where: str) -> str:
    """Find the address of the image: under `image`, else the only one with an image suffix."""
    texts = {key: text for key, text in data.items() if isinstance(text, str)}
    if "image" in texts:
        return texts["image"]
    addresses = [
        text
        for text in texts.values()
        if any(
            PurePosixPath(n).suffix.lower() in image_suffixes() for n in _iterate_names(text)
        )
    ]
    if len(addresses) != 1:
        raise DataError(
            f"{where}: 'data' names {len(addresses)} images ({', '.join(data) or 'no keys'}), "
            f"expected one; call its key 'image'"
        )
    return addresses[0]


def _iterate_names(address: str) -> Iterator[str]:
    """Yield names that an address may mean, from the most exact to the least.

    The path of a URL, or of a local file in its query (`?d=`), percent-decoded once; the
    address as it is; the name of that file without the prefix of uploads.
    """
    path = address
    try:
        parts = urlsplit(address)
        path = parse_qs(parts.query, errors="strict").get("d", [unquote(parts.path)])[0]
        yield path
    except ValueError:
        pass  # not an address: a plain name
    yield address
    yield _UPLOAD_PREFIX.sub("", PurePosixPath(path).name)


def find_regions(results: Sequence[_ResultT]) -> tuple[list[Region[_ResultT]], Counter[str]]:
    """Find the regions with their labels, and count the other results by kind."""
    # A region drawn with the tag Labels has its labels in another result of the same id.
    elsewhere = {r.id: r.value.all_labels for r in results if r.type == "labels"}
    regions: list[Region[_ResultT]] = []
    skipped: Counter[str] = Counter()
    for result in results:
        kind = result.type.removesuffix("labels")
        labels = tuple(dict.fromkeys(result.value.all_labels or elsewhere.get(result.id, ())))
        if kind in _REGIONS and labels:
            regions.append(Region(kind, labels, result))
        elif kind in _REGIONS:
            skipped["regions without a label"] += 1
        elif result.type not in _ABOUT_REGIONS:
            skipped[f"results of type {result.type or 'none'}"] += 1
    return regions, skipped


def collect_attributes(results: Iterable[Result]) -> dict[Id, dict[str, str]]:
    """Collect choices, texts and numbers of each region, by its id and the name of the tag."""
    attributes: dict[Id, dict[str, str]] = {}
    for result in results:
        value = result.value
        texts = (value.text,) if isinstance(value.text, str) else value.text
        numbers = (f"{n:g}" for n in (value.rating, value.number) if n is not None)
        if text := ", ".join((*value.choices, *texts, *numbers)):
            attributes.setdefault(result.id, {})[result.from_name or result.type] = text
    return attributes
