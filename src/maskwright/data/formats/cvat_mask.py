"""CVAT's "Segmentation mask 1.1": masks in VOC's folders and a table of their colours.

    labelmap.txt    name:red,green,blue:parts:actions     exactly four fields, '#' a comment
    SegmentationClass/<name>.png    SegmentationObject/<name>.png (not read)    JPEGImages/...

In masks of three channels the colour is the class, in masks of one the line of the table, from
0 and without comments; a palette mask counts as one channel, and is refused where its colours
say otherwise, as CVAT would go by these. The void of VOC (224,224,192; 255) is IGNORE, also as
a line of the table. The lists and images lie as in VOC (`data/layouts/voc.py`).
Source: cvat 2.x, formats/mask.py; datumaro, plugins/data_formats/voc/format.py.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...core.codec import LabelCodec
from ...core.errors import ConfigError, DataError
from ...core.labels import IGNORE, MAX_CLASSES, ClassDef, LabelSpec, Rgb
from ..classes.dataset_yaml import UNSPECIFIED, ClassEntry, CodecEntry, DatasetFile
from ..entries.picture import Picture, Record, WriteResult
from ..entries.scan import Scan
from ..layouts.voc import (
    PALETTE,
    has_voc_layout,
    make_record,
    pair_masks,
    write_image,
    write_lists,
)
from ..reading.first_mask import FirstMask, read_first_mask

HOLDS = frozenset({"ignored", "splits"})
LABEL_MAP = "labelmap.txt"
_VOID: Rgb = (224, 224, 192)
_VOID_NAME = "ignored"


@dataclass(frozen=True, slots=True)
class _Line:
    """A label of the table."""

    name: str
    color: Rgb | None


def recognises(root: Path) -> bool:
    """Whether `root` has VOC's folders and the table."""
    return has_voc_layout(root) and (root / LABEL_MAP).is_file()


def scan(root: Path, document: DatasetFile) -> Scan:
    """Take what the lists name, and the classes of the table.

    Raises:
        DataError: As `paired`, or a palette contradicts the table.
        ConfigError: The table has a line that is not of its format.
    """
    if not (root / LABEL_MAP).is_file():
        raise DataError(f"{root}: has no {LABEL_MAP}; add it, or write 'format: voc'")
    found, table = pair_masks(root), _read_table(root / LABEL_MAP)
    first = read_first_mask(found)
    pixels = document.codec.pixels
    if pixels is None and first is not None:
        pixels = "rgb" if first.colored else "index"
        _refuse_contradiction(table, first)
    if pixels == "rgb":
        classes, codec = _by_color(table, root / LABEL_MAP)
        listing = f"add 'name:{{rgb}}::' to {LABEL_MAP} where there is no dataset.yaml yet"
        return replace(found, classes=classes, codec=codec, listing=listing)
    classes, codec = _by_line(table, known=pixels is not None)
    return replace(found, classes=classes, codec=codec)


def write(folder: Path, picture: Picture) -> WriteResult:
    """Image, and mask in the colours of the table."""
    _, colors = _table_of(picture.spec)
    path = write_image(folder, picture)
    Image.fromarray(colors[picture.labels_HW]).save(path, "PNG")
    return WriteResult(record=make_record(picture))


def finish(folder: Path, spec: LabelSpec, records: Iterable[Record]) -> None:
    """The lists, and the table."""
    write_lists(folder, records)
    lines, _ = _table_of(spec)
    text = "# label:color_rgb:parts:actions\n" + "".join(
        f"{line.name}:{','.join(map(str, line.color or ()))}::\n" for line in lines
    )
    (folder / LABEL_MAP).write_text(text, encoding="utf-8")


def codec_for(spec: LabelSpec, _background: int | None) -> LabelCodec:
    """Raw value = colour of the table; void is IGNORE."""
    _, colors = _table_of(spec)
    classes = tuple(
        replace(entry, color=_rgb_of(colors[index])) for index, entry in enumerate(spec)
    )
    codec = LabelCodec.from_colors(LabelSpec(classes))
    return replace(codec, spec=spec, ignored=frozenset({_packed(_VOID)}))


def _table_of(spec: LabelSpec) -> tuple[list[_Line], NDArray[np.uint8]]:
    """Lines of the table and 256 x 3 colours; VOC's where those of two classes are one.

    CVAT takes black as the background, so a class of another name does not keep it.
    """
    for entry in spec:
        _refuse_name(entry)
    seen = Counter([entry.color for entry in spec] + [_VOID])
    black = [e.name.lower() for e in spec if e.color == (0, 0, 0)]
    if max(seen.values()) == 1 and black in ([], ["background"]):
        colors = [entry.color for entry in spec]
    else:
        colors = _made_colors(spec)
    table = PALETTE.copy()
    table[: len(colors)] = colors
    table[IGNORE] = _VOID
    lines = [_Line(entry.name, color) for entry, color in zip(spec, colors, strict=True)]
    return [*lines, _Line(_VOID_NAME, _VOID)], table


def _made_colors(spec: LabelSpec) -> list[Rgb]:
    """Black for the background, the others of VOC's palette in its order for all the rest."""
    rest = iter(PALETTE[1:IGNORE].tolist())
    black = {entry.name for entry in spec if entry.name.lower() == "background"}
    if not black and len(spec) == MAX_CLASSES:
        raise ConfigError(
            f"{len(spec)} classes and no 'background': CVAT's table has 254 colours besides "
            f"black; merge two, or write 'mask_folder' or 'voc'"
        )
    return [(0, 0, 0) if entry.name in black else _triple(next(rest)) for entry in spec]


def _refuse_name(entry: ClassDef) -> None:
    name = entry.name
    if ":" in name or name != name.strip() or name[0] == "#" or not name.isprintable():
        raise ConfigError(
            f"class {name!r}: a line of {LABEL_MAP} cannot hold this name (no ':', no blank at "
            f"its ends, no '#' before it); rename it, with a mapping of classes"
        )
    if name == _VOID_NAME:
        raise ConfigError(
            f"class {name!r}: {LABEL_MAP} calls the void so; rename the class, with a mapping "
            f"of classes"
        )


def _read_table(path: Path) -> tuple[_Line, ...]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"{path}: cannot be read as UTF-8 text: {error}") from error
    table: list[_Line] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.strip().startswith("#"):
            continue
        table.append(_read_line(line.strip(), f"{path}: line {number}"))
        if [entry.name for entry in table].count(table[-1].name) > 1:
            raise ConfigError(f"{path}: line {number} is {line!r}, a name that was; keep one")
    if not any(entry.color != _VOID for entry in table):
        raise ConfigError(f"{path}: lists no classes; write 'name:red,green,blue::' lines")
    return tuple(table)


def _read_line(line: str, where: str) -> _Line:
    fields = line.split(":")
    if len(fields) != 4 or not fields[0]:
        raise ConfigError(
            f"{where} is {line!r}, {len(fields)} fields, expected the four of "
            f"'name:red,green,blue::'"
        )
    parts = [part.strip() for part in fields[1].split(",")] if fields[1] else []
    whole = all(part.isascii() and part.isdecimal() and len(part) <= 3 for part in parts)
    color = [int(part) for part in parts] if whole else []
    if parts and (len(color) != 3 or max(color) > 255):
        raise ConfigError(
            f"{where} is {line!r}, its colour {fields[1]!r}, expected 'name:red,green,blue::' "
            f"of 0..255"
        )
    return _Line(fields[0], _triple(color) if color else None)


def _by_color(
    table: tuple[_Line, ...], path: Path
) -> tuple[tuple[ClassEntry, ...], CodecEntry]:
    bare = [line.name for line in table if line.color is None]
    if bare:
        raise ConfigError(
            f"{path}: the masks are coloured, and {bare[0]!r} has no colour; write it: "
            f"'{bare[0]}:red,green,blue::'"
        )
    classes = tuple(
        ClassEntry(name=line.name, color=line.color, raw=(_packed(line.color),))
        for line in table
        if line.color is not None and line.color != _VOID
    )
    return classes, CodecEntry(pixels="rgb", ignored=(_packed(_VOID),))


def _by_line(
    table: tuple[_Line, ...], *, known: bool
) -> tuple[tuple[ClassEntry, ...], CodecEntry]:
    """The number of the line is the raw value; unsaid where no mask could be opened."""
    classes = tuple(
        ClassEntry(name=line.name, color=line.color, raw=(number,))
        for number, line in enumerate(table)
        if line.color != _VOID
    )
    void = [number for number, line in enumerate(table) if line.color == _VOID]
    codec = CodecEntry(pixels="index", ignored=tuple(sorted({*void, IGNORE})))
    return classes, codec if known else UNSPECIFIED


def _refuse_contradiction(table: tuple[_Line, ...], first: FirstMask) -> None:
    """Refuse a palette that gives the colour of one label to the number of another."""
    of_color = {line.color: line.name for line in table if line.color is not None}
    for number, color in enumerate(map(_rgb_of, first.palette[: len(table)])):
        named = of_color.get(color)
        if named is not None and color != table[number].color and color != (0, 0, 0):
            raise DataError(
                f"{first.image}: {number} is {table[number].name!r} by its line in {LABEL_MAP} "
                f"and {named!r} by its colour in the palette; say which in dataset.yaml: "
                f"codec: {{pixels: index}} or codec: {{pixels: rgb}}"
            )


def _packed(color: Rgb) -> int:
    return color[0] << 16 | color[1] << 8 | color[2]


def _rgb_of(color: NDArray[np.uint8]) -> Rgb:
    return _triple(color.tolist())


def _triple(color: list[int]) -> Rgb:
    red, green, blue = color
    return red, green, blue
