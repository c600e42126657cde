"""CVAT's "Segmentation mask 1.1": masks in VOC's folders and a table of label colours.

    labelmap.txt    name:red,green,blue:parts:actions     exactly four fields, '#' a comment
    SegmentationClass/<name>.png    SegmentationObject/<name>.png (not read)    JPEGImages/...

In masks of three channels the colour identifies the class, in masks of one channel the line
index in the table does, from 0 and without comments. A palette mask has one channel; it is an
error where its palette contradicts the table, since CVAT reads its colours. The void of VOC
(224,224,192; 255) is IGNORE, also as a line of the table. The folders of lists and images are
those of VOC (`data/layouts/voc.py`).
Source: cvat 2.x, formats/mask.py; datumaro, plugins/data_formats/voc/format.py.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...core.codec import LabelCodec, pack_color
from ...core.errors import ConfigError, DataError, shorten
from ...core.labels import IGNORE, MAX_CLASSES, ClassDef, LabelSpec, Rgb
from ..classes.dataset_yaml import UNSPECIFIED, ClassEntry, CodecEntry, DatasetFile
from ..entries.picture import Picture, Record, WriteResult
from ..entries.scan import Scan
from ..layouts.voc import (
    LABEL_MAP,
    PALETTE,
    VOID,
    VOID_NAME,
    has_voc_layout,
    is_table_name,
    make_record,
    pair_masks,
    write_image,
    write_lists,
    write_table,
)
from ..reading.first_mask import FirstMask, read_first_mask
from ..reading.text import read_lines

HOLDS = frozenset({"ignored", "splits"})


@dataclass(frozen=True, slots=True)
class _Label:
    """One line of the table."""

    name: str
    color: Rgb | None


def recognises(root: Path) -> bool:
    """Whether `root` has VOC's folders and labelmap.txt."""
    return has_voc_layout(root) and (root / LABEL_MAP).is_file()


def scan(root: Path, document: DatasetFile) -> Scan:
    """Pair the images that the lists name with their masks, and read the table of classes.

    Raises:
        DataError: As `pair_masks`, or a palette contradicts the table.
        ConfigError: The table has a line that cannot be read.
    """
    if not (root / LABEL_MAP).is_file():
        raise DataError(f"{root}: has no {LABEL_MAP}; add it, or write 'format: voc'")
    paired, table = pair_masks(root), _read_table(root / LABEL_MAP)
    first = read_first_mask(paired)
    pixels = document.codec.pixels
    if pixels is None and first is not None:
        pixels = "rgb" if first.colored else "index"
        _require_matching_palette(table, first)
    if pixels == "rgb":
        classes, codec = _list_colored_classes(table, root / LABEL_MAP)
        listing = f"add 'name:{{rgb}}::' to {LABEL_MAP} where there is no dataset.yaml yet"
        return replace(paired, classes=classes, codec=codec, listing=listing)
    classes, codec = _list_indexed_classes(table, known=pixels is not None)
    return replace(paired, classes=classes, codec=codec)


def write(folder: Path, picture: Picture) -> WriteResult:
    """Copy the image and write its mask in the colours of the table."""
    _, colors = _make_table(picture.spec)
    path = write_image(folder, picture)
    Image.fromarray(colors[picture.labels_HW]).save(path, "PNG")
    return WriteResult(record=make_record(picture))


def finish(folder: Path, spec: LabelSpec, records: Iterable[Record]) -> None:
    """Write the lists and the table."""
    write_lists(folder, records)
    colors, _ = _make_table(spec)
    write_table(folder, zip(spec.names, colors, strict=True))


def codec_for(spec: LabelSpec, _background: int | None) -> LabelCodec:
    """Raw value = the colour in the table; void is IGNORE."""
    _, colors = _make_table(spec)
    classes = tuple(
        replace(entry, color=_to_rgb(colors[index])) for index, entry in enumerate(spec)
    )
    codec = LabelCodec.from_colors(LabelSpec(classes))
    return replace(codec, spec=spec, ignored=frozenset({pack_color(VOID)}))


def _make_table(spec: LabelSpec) -> tuple[list[Rgb], NDArray[np.uint8]]:
    """Make the colour of each class and the 256 x 3 colours of class indices.

    The classes keep their colours, unless two classes share one or a class that is not called
    background is black, which CVAT takes as the background; then they get colours of VOC.
    """
    for entry in spec:
        _require_name(entry)
    counts = Counter([entry.color for entry in spec] + [VOID])
    black = [e.name.lower() for e in spec if e.color == (0, 0, 0)]
    if max(counts.values()) == 1 and black in ([], ["background"]):
        colors = [entry.color for entry in spec]
    else:
        colors = _choose_colors(spec)
    table = PALETTE.copy()
    table[: len(colors)] = colors
    table[IGNORE] = VOID
    return colors, table


def _choose_colors(spec: LabelSpec) -> list[Rgb]:
    """Choose black for the background, and VOC's other colours in order for the rest."""
    rest = iter(PALETTE[1:IGNORE].tolist())
    black = {entry.name for entry in spec if entry.name.lower() == "background"}
    if not black and len(spec) == MAX_CLASSES:
        raise ConfigError(
            f"{len(spec)} classes and no 'background', expected at most 254: CVAT's table has "
            f"254 colours besides black; merge two, or write 'mask_folder' or 'voc'"
        )
    return [(0, 0, 0) if entry.name in black else _make_rgb(next(rest)) for entry in spec]


def _require_name(entry: ClassDef) -> None:
    name = entry.name
    if not is_table_name(name) and name != VOID_NAME:
        raise ConfigError(
            f"class {name!r}: a line of {LABEL_MAP} cannot hold this name (no ':', no blank at "
            f"its ends, no '#' at its start); rename it, with a mapping of classes"
        )
    if name == VOID_NAME:
        raise ConfigError(
            f"class {name!r}: {LABEL_MAP} has this name for void; rename the class, with a "
            f"mapping of classes"
        )


def _read_table(path: Path) -> tuple[_Label, ...]:
    table: list[_Label] = []
    for number, line in enumerate(read_lines(path, error=ConfigError), start=1):
        if not line.strip() or line.strip().startswith("#"):
            continue
        table.append(_read_line(line.strip(), f"{path}: line {number}"))
        if [entry.name for entry in table].count(table[-1].name) > 1:
            raise ConfigError(
                f"{path}: line {number} is {shorten(line)!r}, a name that occurs "
                f"before; keep one"
            )
    if not any(entry.color != VOID for entry in table):
        raise ConfigError(f"{path}: lists no classes; write 'name:red,green,blue::' lines")
    return tuple(table)


def _read_line(line: str, where: str) -> _Label:
    fields = line.split(":")
    if len(fields) != 4 or not fields[0]:
        raise ConfigError(
            f"{where} is {shorten(line)!r}, {len(fields)} fields, expected the four of "
            f"'name:red,green,blue::'; correct it"
        )
    parts = [part.strip() for part in fields[1].split(",")] if fields[1] else []
    integers = all(part.isascii() and part.isdecimal() and len(part) <= 3 for part in parts)
    color = [int(part) for part in parts] if integers else []
    if parts and (len(color) != 3 or max(color) > 255):
        raise ConfigError(
            f"{where} is {shorten(line)!r}, its colour {shorten(fields[1])!r}, expected "
            f"'name:red,green,blue::' of 0..255; correct it"
        )
    return _Label(fields[0], _make_rgb(color) if color else None)


def _list_colored_classes(
    table: tuple[_Label, ...], path: Path
) -> tuple[tuple[ClassEntry, ...], CodecEntry]:
    without_color = [label.name for label in table if label.color is None]
    if without_color:
        name = without_color[0]
        raise ConfigError(
            f"{path}: the masks are coloured, and {name!r} has no colour; write it: "
            f"'{name}:red,green,blue::'"
        )
    classes = tuple(
        ClassEntry(name=label.name, color=label.color, raw=(pack_color(label.color),))
        for label in table
        if label.color is not None and label.color != VOID
    )
    return classes, CodecEntry(pixels="rgb", ignored=(pack_color(VOID),))


def _list_indexed_classes(
    table: tuple[_Label, ...], *, known: bool
) -> tuple[tuple[ClassEntry, ...], CodecEntry]:
    """List the classes with their line index as raw value.

    The codec is unspecified where the pixels are not `known`: no mask could be opened.
    """
    classes = tuple(
        ClassEntry(name=label.name, color=label.color, raw=(index,))
        for index, label in enumerate(table)
        if label.color != VOID
    )
    void = [index for index, label in enumerate(table) if label.color == VOID]
    codec = CodecEntry(pixels="index", ignored=tuple(sorted({*void, IGNORE})))
    return classes, codec if known else UNSPECIFIED


def _require_matching_palette(table: tuple[_Label, ...], first: FirstMask) -> None:
    """Require that no index has the palette colour of another label."""
    name_of = {label.color: label.name for label in table if label.color is not None}
    for index, color in enumerate(map(_to_rgb, first.palette[: len(table)])):
        name = name_of.get(color)
        if name is not None and color != table[index].color and color != (0, 0, 0):
            raise DataError(
                f"{first.image}: {index} is {table[index].name!r} by its line in {LABEL_MAP} "
                f"and {name!r} by its colour in the palette; choose one in dataset.yaml: "
                f"codec: {{pixels: index}} or codec: {{pixels: rgb}}"
            )


def _to_rgb(color: NDArray[np.uint8]) -> Rgb:
    return _make_rgb(color.tolist())


def _make_rgb(color: list[int]) -> Rgb:
    red, green, blue = color
    return red, green, blue
