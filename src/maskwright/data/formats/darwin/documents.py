"""Documents of V7 Darwin JSON 2.0: items, slots and annotations, as read and as written."""

from pathlib import Path
from typing import Annotated, NotRequired, TypedDict

from pydantic import ConfigDict, Field

from ....core.errors import DataError
from ...pixels.faults import MAX_PIXELS
from ...reading.documents import Document, Finite, Side

_Count = Annotated[int, Field(ge=0, le=MAX_PIXELS)]


class _Point(Document):
    x: Finite
    y: Finite


_Path = Annotated[tuple[_Point, ...], Field(min_length=1)]


class Polygon(Document):
    """The rings of a polygon; older files have one ring in `path`."""

    paths: tuple[_Path, ...] = ()
    path: _Path | None = None


class RasterLayer(Document):
    """The pixels of all masks of an item, as (value, length) pairs along the rows."""

    dense_rle: tuple[_Count, ...]
    mask_annotation_ids_mapping: dict[str, Annotated[int, Field(ge=1, le=MAX_PIXELS)]]
    total_pixels: int


class _Mask(Document):
    sparse_rle: None = None


class _Instance(Document):
    value: int | str


class _Text(Document):
    text: str | None = None


class _Property(Document):
    name: str
    value: object = None


class AnnotationModel(Document):
    """One annotation; the other keys (`model_extra`) give the kind of one without a region."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: str = ""
    name: str
    slot_names: tuple[str, ...] = ()
    polygon: Polygon | None = None
    mask: _Mask | None = None
    raster_layer: RasterLayer | None = None
    frames: object = None
    instance_id: _Instance | None = None
    text: _Text | None = None
    properties: tuple[_Property, ...] | None = None


class _Source(Document):
    file_name: str


class Slot(Document):
    """One file of an item."""

    type: str = "image"
    slot_name: str = "0"
    width: Side | None = None
    height: Side | None = None
    source_files: tuple[_Source, ...] = ()


class Item(Document):
    """What was annotated, with its name and its folder in V7."""

    name: str
    path: str = "/"
    slots: tuple[Slot, ...] = ()


class ItemFile(Document):
    """A JSON file."""

    item: Item
    annotations: tuple[AnnotationModel, ...]


class LabelModel(Document):
    """The fields of an annotation that the pass over all labels reads."""

    name: str
    polygon: object = None
    mask: object = None


class LabelFile(Document):
    """A JSON file, for the pass over all labels."""

    item: Item | None = None
    annotations: tuple[LabelModel, ...] = ()


def require_image_item(item: Item | None, path: Path) -> Item:
    """Require an item of one image.

    Raises:
        DataError: There is no item, or it has several slots or one of another type.
    """
    if item is None:
        raise DataError(
            f"{path}: has no 'item', so it is not Darwin JSON 2.0; export again as Darwin JSON "
            f"2.0, or move it away"
        )
    if len(item.slots) != 1:
        raise DataError(
            f"{path}: {item.name!r} has {len(item.slots)} slots, expected one image; upload "
            f"each image as an item of its own"
        )
    if item.slots[0].type != "image":
        raise DataError(
            f"{path}: {item.name!r} is of type {item.slots[0].type!r}, expected an image; "
            f"upload a video's frames or a volume's slices as images, or move the file away"
        )
    return item


class WrittenPoint(TypedDict):
    """A corner, in pixels."""

    x: float
    y: float


class _WrittenPolygon(TypedDict):
    paths: list[list[WrittenPoint]]


class _WrittenBox(TypedDict):
    x: float
    y: float
    w: float
    h: float


class _WrittenLayer(TypedDict):
    dense_rle: list[int]
    mask_annotation_ids_mapping: dict[str, int]
    total_pixels: int


class _WrittenInstance(TypedDict):
    value: int


class WrittenAnnotation(TypedDict):
    """One annotation as it is written: a polygon with its box, a mask, or the raster layer."""

    id: str
    name: str
    slot_names: list[str]
    properties: list[object]
    instance_id: NotRequired[_WrittenInstance]
    bounding_box: NotRequired[_WrittenBox]
    polygon: NotRequired[_WrittenPolygon]
    mask: NotRequired[dict[str, object]]
    raster_layer: NotRequired[_WrittenLayer]
