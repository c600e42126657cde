"""Annotation: the labels of one image as shapes in a tool's own file, where a mask would be."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core.codec import UNDRAWN, LabelCodec
from ...core.errors import DataError
from ...core.labels import IGNORE, LabelMap
from ..classes.dataset_yaml import ClassEntry, CodecEntry, DatasetFile
from ..classes.kinds import BACKGROUND_NAMES
from ..pixels.imageref import ImageRef
from ..pixels.images import open_image
from ..pixels.rawmask import read_raw, read_raw_strips
from ..shapes.drawing import Drawing, Overlap, paint


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """The shapes of one image: their file, how they are read and how they overlap.

    `place` names the image inside a file that holds many, "" in a file of its own; `others` are
    further files with shapes of the image. `read`
    reads the Drawing again on each call, so that only one is in memory.
    """

    file: Path
    place: str = ""
    others: tuple[Path, ...] = ()
    overlap: Overlap
    read: Callable[[], Drawing] = field(compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "read", partial(_read_naming_file, self.read, self.file, str(self))
        )

    @property
    def files(self) -> tuple[Path, ...]:
        """All files with shapes of the image."""
        return (self.file, *self.others)

    def __str__(self) -> str:
        return f"{self.file}: {self.place}" if self.place else str(self.file)

    def paint(self, drawing: Drawing, codec: LabelCodec) -> NDArray[np.unsignedinteger]:
        """Paint a drawing as H x W raw values: the integers that `codec` gives to labels.

        Raises:
            DataError: A label is not in the codec.
        """
        counts: dict[str, int] = {}
        for shape in drawing.shapes:
            counts[shape.label] = counts.get(shape.label, 0) + 1
        codec.require_listed(counts, where=str(self))
        return paint(drawing, codec.raw_of, self.overlap)


def _read_naming_file(read: Callable[[], Drawing], file: Path, where: str) -> Drawing:
    """Call `read`; an error in a shape, which does not know its file, names the file."""
    try:
        return read()
    except DataError as error:
        if str(file) in str(error):
            raise
        raise DataError(f"{where}: {error}") from error


ATTRIBUTE_TYPES = "types of attributes, which become text"
"""What is unread of attributes that are numbers, lists or choices in the tool."""

IGNORED = "__ignore__"
"""The label of shapes that are ignored in training; the name is Labelme's."""


Labels = ImageRef | Annotation
"""The labels of one image: a mask file, or shapes."""


def read_labels(labels: Labels, codec: LabelCodec) -> NDArray[np.integer]:
    """Read labels as H x W raw values, which `codec` decodes.

    Raises:
        DataError: Unreadable, of another kind than the codec, or with unlisted labels.
    """
    if isinstance(labels, Annotation):
        return labels.paint(labels.read(), codec)
    if codec.pixels == "name":
        raise _explain_mask(labels)
    return read_raw(labels, codec.pixels)


def read_label_strips(mask: ImageRef, codec: LabelCodec) -> Iterator[NDArray[np.integer]]:
    """Read a mask as `read_labels` does, some rows at a time where it is large."""
    if codec.pixels == "name":
        raise _explain_mask(mask)
    yield from read_raw_strips(mask, codec.pixels)


def _explain_mask(mask: ImageRef) -> DataError:
    return DataError(f"{mask}: a mask, where dataset.yaml says 'pixels: name' (shapes)")


def decode_mask(
    codec: LabelCodec, raw_HW: NDArray[np.integer], mask: ImageRef, *, keep_listed: bool
) -> LabelMap:
    """Decode raw values; the nodata value that a mask file itself declares is IGNORE.

    With `keep_listed`, a value that the codec lists stays what it is there: GIS programs write
    0 as nodata where it is the background.

    Raises:
        DataError: A value is neither mapped, nor ignored, nor nodata.
    """
    nodata = open_image(mask).nodata if codec.pixels == "index" else None
    known = nodata is not None and nodata.is_integer()
    if nodata is None or not known or (keep_listed and codec.lists(int(nodata))):
        return codec.decode(raw_HW, where=str(mask))
    empty_HW = raw_HW == int(nodata)
    if not empty_HW.any():
        return codec.decode(raw_HW, where=str(mask))
    some = np.asarray(min(codec.raw_to_index, default=0)).astype(raw_HW.dtype)
    labels_HW = codec.decode(np.where(empty_HW, some, raw_HW), where=str(mask))
    return np.where(empty_HW, np.uint8(IGNORE), labels_HW)


def list_shape_classes(labels: Iterable[str], document: DatasetFile) -> tuple[ClassEntry, ...]:
    """List the classes of the labels that occur, sorted; the first is the undrawn background.

    `labels` is consumed only where dataset.yaml lists no classes: it costs a pass over all
    annotation files.
    """
    if document.classes is not None:
        return document.classes
    names = sorted(set(labels) - {IGNORED})
    known = [name for name in names if name.lower() in BACKGROUND_NAMES]
    background = ClassEntry(name=known[0] if known else "background", raw=(UNDRAWN, *known))
    rest = (ClassEntry(name=n, kind="thing", raw=(n,)) for n in names if n not in known)
    return (background, *rest)


SHAPE_CODEC = CodecEntry(pixels="name", ignored=(IGNORED,))
"""The codec of shapes where the files state nothing else."""
