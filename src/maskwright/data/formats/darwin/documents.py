"""Files of V7 Darwin JSON 2.0: what an item, its slot and its annotations are."""

from pathlib import Path
from typing import Annotated, Any

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
    """Rings; `path` where it is one alone, in older files."""

    paths: tuple[_Path, ...] = ()
    path: _Path | None = None


class Layer(Document):
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
    value: Any = None


class Drawn(Document):
    """What is not named here (`model_extra`) says what kind of annotation it is."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: str = ""
    name: str
    slot_names: tuple[str, ...] = ()
    polygon: Polygon | None = None
    mask: _Mask | None = None
    raster_layer: Layer | None = None
    frames: Any = None
    instance_id: _Instance | None = None
    text: _Text | None = None
    properties: tuple[_Property, ...] | None = None


class _Source(Document):
    file_name: str


class Slot(Document):
    """A place for a file in an item."""

    type: str = "image"
    slot_name: str = "0"
    width: Side | None = None
    height: Side | None = None
    source_files: tuple[_Source, ...] = ()


class Item(Document):
    """What was annotated, and the folder that V7 has it in."""

    name: str
    path: str = "/"
    slots: tuple[Slot, ...] = ()


class ItemFile(Document):
    """A file."""

    item: Item
    annotations: tuple[Drawn, ...]


class Named(Document):
    """What the pass that collects labels needs."""

    name: str
    polygon: Any = None
    mask: Any = None


class Names(Document):
    """A file, for the pass that collects labels."""

    item: Item | None = None
    annotations: tuple[Named, ...] = ()


def item_of(item: Item | None, path: Path) -> Item:
    """The item, where it is one image."""
    if item is None:
        raise DataError(
            f"{path}: has no 'item', so it is no Darwin JSON 2.0; export again as Darwin JSON "
            f"2.0, or move it away"
        )
    if len(item.slots) != 1:
        raise DataError(
            f"{path}: {item.name!r} has {len(item.slots)} slots, only one image is read; "
            f"upload each image as an item of its own"
        )
    if item.slots[0].type != "image":
        raise DataError(
            f"{path}: {item.name!r} is of type {item.slots[0].type!r}, only images are read; "
            f"upload a video's frames or a volume's slices as images, or move the file away"
        )
    return item
