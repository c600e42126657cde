"""Pascal VOC segmentation: palette masks, 255 is the void border (`data/layouts/voc.py`).

Raw values are class indices, or VOC's colours of the indices if masks have three channels. A
folder called VOC and a year has the 21 classes of Pascal VOC, if its first mask has that
border. labelme2voc lists classes in class_names.txt, one name per line. `convert` writes that
file, and labelmap.txt with VOC's colours, from which CVAT and datumaro take the names; a folder
with both is read by either.
Source: the VOC2012 development kit, sections 3 and 6; labelme, examples/semantic_segmentation;
datumaro, plugins/data_formats/voc/format.py (parse_label_map).
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...core.atomic import write_text
from ...core.codec import LabelCodec, pack_color
from ...core.errors import ConfigError
from ...core.labels import IGNORE, MAX_CLASSES, LabelSpec, voc_palette
from ..classes.dataset_yaml import ClassEntry, CodecEntry, DatasetFile
from ..entries.picture import Picture, Record, WriteResult, write_mask
from ..entries.scan import Scan
from ..layouts.known_classes import PASCAL
from ..layouts.voc import (
    LABEL_MAP,
    PALETTE,
    count_other_images,
    has_voc_layout,
    is_table_name,
    make_record,
    pair_masks,
    write_image,
    write_lists,
    write_table,
)
from ..pixels.rawmask import read_raw_as_stored
from ..reading.first_mask import FirstMask, read_first_mask
from ..reading.text import read_lines

HOLDS = frozenset({"ignored", "splits"})
CLASS_NAMES = "class_names.txt"


def recognises(root: Path) -> bool:
    """Whether `root` has VOC's folders and no labelmap.txt, which CVAT writes."""
    return has_voc_layout(root) and not (root / LABEL_MAP).is_file()


def scan(root: Path, document: DatasetFile) -> Scan:
    """List the images that the lists of splits name.

    Raises:
        DataError: A list names an image that does not exist, or there are no images.
        ConfigError: class_names.txt lists no names or too many.
    """
    files = pair_masks(root)
    first = read_first_mask(files)
    classes = _list_classes(root, first)
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
    return WriteResult(record=make_record(picture), lost=count_other_images(picture))


def finish(folder: Path, spec: LabelSpec, records: Iterable[Record]) -> None:
    """Write the lists of splits and the names of the classes."""
    write_lists(folder, records)
    write_text(folder / CLASS_NAMES, "".join(f"{name}\n" for name in spec.names))
    if all(is_table_name(name) for name in spec.names):
        write_table(folder, zip(spec.names, voc_palette(), strict=False))


def list_notes(spec: LabelSpec, splits: Collection[str]) -> tuple[str, ...]:
    """List the names that CVAT's table of classes cannot hold."""
    unfit = [name for name in spec.names if not is_table_name(name)]
    if not unfit:
        return ()
    note = (
        f"{LABEL_MAP} is not written, as it cannot hold the name {unfit[0]!r} ({len(unfit)} "
        f"such): CVAT and datumaro will take the names of Pascal VOC"
    )
    return (note,)


def codec_for(spec: LabelSpec, _background: int | None) -> LabelCodec:
    """Raw value = class index, 255 = IGNORE."""
    return LabelCodec.identity(spec)


def _may_have_border(first: FirstMask | None) -> bool:
    """Whether the first mask has the void border that Pascal drew around every object.

    People put data of their own into folders of this name. True where no mask opens.
    """
    if first is None:
        return True
    _, raw_HW = read_raw_as_stored(first.image)
    return bool(np.isin(raw_HW, (IGNORE, pack_color(voc_palette()[IGNORE]))).any())


def _list_classes(root: Path, first: FirstMask | None) -> tuple[ClassEntry, ...] | None:
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
    elif re.fullmatch(r"VOC(20)?\d\d", root.resolve().name) and _may_have_border(first):
        names = PASCAL
    colors = voc_palette()
    return tuple(ClassEntry(name=n, color=colors[i]) for i, n in enumerate(names)) or None
