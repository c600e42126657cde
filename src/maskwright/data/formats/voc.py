"""Pascal VOC segmentation: palette masks, 255 is the void border (`data/layouts/voc.py`).

Raw values are class indices, or VOC's colours of the indices if masks have three channels. A
folder called VOC and a year has the 21 classes of Pascal VOC. labelme2voc lists classes in
class_names.txt, one name per line. VOC has no other list of classes: dataset.yaml holds those
of a folder that is written here.
Source: the VOC2012 development kit, sections 3 and 6; labelme, examples/semantic_segmentation.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ...core.codec import LabelCodec, pack_color
from ...core.errors import ConfigError
from ...core.labels import IGNORE, MAX_CLASSES, LabelSpec, voc_palette
from ..classes.dataset_yaml import ClassEntry, CodecEntry, DatasetFile
from ..entries.picture import Picture, Record, WriteResult, write_mask
from ..entries.scan import Scan
from ..layouts.voc import (
    PALETTE,
    has_voc_layout,
    make_record,
    pair_masks,
    write_image,
    write_lists,
)
from ..reading.first_mask import read_first_mask
from ..reading.text import read_lines

HOLDS = frozenset({"ignored", "splits"})
CLASS_NAMES = "class_names.txt"
_CVAT = "labelmap.txt"
_PASCAL = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat"),
    *("chair", "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant"),
    *("sheep", "sofa", "train", "tvmonitor"),
)


def recognises(root: Path) -> bool:
    """Whether `root` has VOC's folders and no labelmap.txt, which CVAT writes."""
    return has_voc_layout(root) and not (root / _CVAT).is_file()


def scan(root: Path, document: DatasetFile) -> Scan:
    """List the images that the lists of splits name.

    Raises:
        DataError: A list names an image that does not exist, or there are no images.
        ConfigError: class_names.txt lists no names or too many.
    """
    files, classes = pair_masks(root), _list_classes(root)
    first = read_first_mask(files)
    if classes is None or first is None:
        return replace(files, classes=classes)
    colored = first.colored
    values = list(range(256))
    if colored:
        values = [pack_color(color) for color in voc_palette()]
    codec = CodecEntry(pixels="rgb" if colored else "index", ignored=(values[IGNORE],))
    stored = (entry.model_copy(update={"raw": (values[i],)}) for i, entry in enumerate(classes))
    return replace(files, classes=tuple(stored), codec=codec)


def write(folder: Path, picture: Picture) -> WriteResult:
    """Write the image and a mask of class indices, whose palette shows VOC's colours."""
    write_mask(write_image(folder, picture), picture.labels_HW, PALETTE)
    return WriteResult(record=make_record(picture))


def finish(folder: Path, _spec: LabelSpec, records: Iterable[Record]) -> None:
    """Write the lists of splits."""
    write_lists(folder, records)


def codec_for(spec: LabelSpec, _background: int | None) -> LabelCodec:
    """Raw value = class index, 255 = IGNORE."""
    return LabelCodec.identity(spec)


def _list_classes(root: Path) -> tuple[ClassEntry, ...] | None:
    """List the classes of class_names.txt, or Pascal's; None if neither applies."""
    path = root / CLASS_NAMES
    names: tuple[str, ...] = ()
    if path.is_file():
        lines = read_lines(path, error=ConfigError)
        names = tuple(line.strip() for line in lines if line.strip())
        if not 0 < len(names) <= MAX_CLASSES:
            raise ConfigError(
                f"{path}: lists {len(names)} classes, expected 1 to {MAX_CLASSES}; merge some"
            )
    elif re.fullmatch(r"VOC(20)?\d\d", root.resolve().name):
        names = _PASCAL
    colors = voc_palette()
    return tuple(ClassEntry(name=n, color=colors[i]) for i, n in enumerate(names)) or None
