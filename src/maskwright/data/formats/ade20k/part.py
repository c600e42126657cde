"""ADE20K: the scene parsing benchmark of 150 classes, and the full dataset of all objects.

    images/<split>/<name>.jpg    annotations/<split>/<name>.png    objectInfo150.txt
    <folders>/<name>.jpg    <name>_seg.png    <name>_atr.txt (2017) or <name>.json (2020, 2021)

Scene parsing (ADEChallengeData2016): mask values are the indices of objectInfo150.txt; 0
("other", which the benchmark does not evaluate) is IGNORE. Full dataset: the class index of a
pixel is floor(red / 10) * 256 + green, 0 is IGNORE, and blue is the instance. Class indices
differ between releases, so classes are identified by the names in the file beside the image:
JSON by class index (`name_ndx`), `_atr.txt` by the rank of blue. Parts (`_parts_1.png`) are
skipped. Names are cut to their first synonym. Where there are more than 255 names, dataset.yaml
lists those to keep; '(other)', under 'ignored', stands for all others.
Source: github.com/CSAILVision/sceneparsing and /ADE20K (README, utils/utils_ade20k.py).
"""

import re
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from ....core.codec import UNDRAWN
from ....core.errors import ConfigError, DataError
from ....core.files import open_file
from ....core.labels import MAX_CLASSES
from ....core.textfile import MAX_BYTES
from ...classes.dataset_yaml import ClassEntry, CodecEntry, DatasetFile
from ...entries.annotation import Annotation
from ...entries.scan import SPLITS, UNSPLIT, Entry, Scan, normalise_split
from ...entries.walk import files_below, image_files
from ...layouts.known_classes import SCENE_NAMES
from ...pixels.imageref import ImageRef
from ...pixels.rawmask import read_raw
from ...reading.documents import Document, read_json
from ...reading.text import read_lines
from ...shapes.drawing import Drawing, Overlap, Shape
from ...shapes.segments import crop_each_id
from .names import shorten_names

OVERLAP: Overlap = "file"
OTHER = "(other)"
"""The label of every object that dataset.yaml does not list, where it lists this label."""

TABLE, IMAGES, MASKS = "objectInfo150.txt", "images", "annotations"
_SEG, _ATTRIBUTES = "_seg.png", "_atr.txt"
_PHOTO = frozenset({".jpg", ".jpeg"})
_LINE = re.compile(r"\s*(\d{1,6})\s*#\s*(\d{1,3})\s*#\s*\d*\s*#\s*([^#]*[^#\s])\s*#.*")
_NO_PARTS = "parts of objects (_parts_) are skipped"
_ZERO = "0 is ignored: ADE20K's 'other'; where 0 is a class here, write 'format: mask_folder'"


class _Parts(Document):
    part_level: int = 0


class _Object(Document):
    name: str
    name_ndx: int
    parts: _Parts = _Parts()


_START = "ADE_"
"""The beginning of the names of all files."""


class _Annotation(Document):
    object: tuple[_Object, ...]


class _File(Document):
    annotation: _Annotation


def recognises(root: Path) -> bool:
    """Whether `root` holds scene parsing, or the full dataset.

    Photographs beside a `_seg.png` are common; ADE20K has names that begin with ADE_, or a file
    that names the objects.
    """
    return _is_scene_parsing(root) or _is_full(root)


def _is_scene_parsing(root: Path) -> bool:
    if not (root / IMAGES).is_dir() or not (root / MASKS).is_dir():
        return False
    first = next(image_files(root / MASKS), None)
    return (root / TABLE).is_file() or (
        first is not None and first.path.name.startswith(_START)
    )


def _is_full(root: Path) -> bool:
    first = next(files_below(root, _PHOTO), None) if root.is_dir() else None
    if first is None or not (first.name.startswith(_START) or _find_names_file(first)):
        return False
    return first.with_name(f"{first.stem}{_SEG}").is_file()


def scan(root: Path, document: DatasetFile) -> Scan:
    """Pair images with their masks, by folder and name.

    Raises:
        DataError: No image has a mask, or there are more names than MAX_CLASSES.
        ConfigError: objectInfo150.txt has a line that cannot be read.
    """
    scene = (root / MASKS).is_dir() and (root / IMAGES).is_dir()
    entries = tuple(_pair_scenes(root) if scene else _pair_full(root, document))
    if not any(entry.labels for entry in entries):
        raise DataError(
            f"{root}: has neither {IMAGES} and {MASKS} of scene parsing nor photographs beside "
            f"their *{_SEG} and {_ATTRIBUTES} or .json; unpack ADE20K here"
        )
    classes, codec = (
        _list_scene_classes(root) if scene else _list_full_classes(root, entries, document)
    )
    return Scan(
        entries=tuple(entries),
        lone_masks=_find_lone_masks(root, entries) if scene else (),
        classes=classes,
        codec=codec,
        overlap=None if scene else document.overlap or OVERLAP,
        notes=(_ZERO if scene else _NO_PARTS,),
    )


def _pair_scenes(root: Path) -> Iterator[Entry]:
    for image in image_files(root / IMAGES):
        relative = image.path.relative_to(root / IMAGES)
        mask = (root / MASKS / relative).with_suffix(".png")
        yield _make_entry(image, root / IMAGES, ImageRef(mask) if mask.is_file() else None)


def _pair_full(root: Path, document: DatasetFile) -> Iterator[Entry]:
    listed = _read_listed_labels(document)
    for image in files_below(root, _PHOTO) if root.is_dir() else ():
        png, names_file = image.with_name(f"{image.stem}{_SEG}"), _find_names_file(image)
        if not png.is_file():
            yield _make_entry(ImageRef(image), root, None)
            continue
        if names_file is None:
            raise DataError(
                f"{png}: neither {image.stem}{_ATTRIBUTES} nor {image.stem}.json, which name "
                f"the objects, is beside it; add one of them"
            )
        read = partial(_read, png, names_file, listed)
        overlap = document.overlap or OVERLAP
        yield _make_entry(
            ImageRef(image), root, Annotation(file=png, overlap=overlap, read=read)
        )


def _make_entry(image: ImageRef, folder: Path, labels: ImageRef | Annotation | None) -> Entry:
    folders = (normalise_split(part) for part in image.path.relative_to(folder).parts[:-1])
    split = next((name for name in folders if name in SPLITS), UNSPLIT)
    key = image.path.stem
    return Entry(key=key, split=split, image=image, labels=labels, group=key)


def _find_names_file(image: Path) -> Path | None:
    """The file beside an image that names its objects, None where there is none."""
    names = (f"{image.stem}{_ATTRIBUTES}", f"{image.stem}.json")
    return next((path for path in map(image.with_name, names) if path.is_file()), None)


def _find_lone_masks(root: Path, entries: tuple[Entry, ...]) -> tuple[ImageRef, ...]:
    paired = {entry.labels for entry in entries}
    return tuple(path for path in image_files(root / MASKS) if path not in paired)


def _list_scene_classes(root: Path) -> tuple[tuple[ClassEntry, ...], CodecEntry]:
    table = root / TABLE
    names = _read_table(table) if table.is_file() else dict(enumerate(SCENE_NAMES, start=1))
    short = shorten_names(tuple(names.values()))
    classes = tuple(
        ClassEntry(name=name, raw=(raw,)) for raw, name in zip(names, short, strict=True)
    )
    return classes, CodecEntry(pixels="index", ignored=(0,))


def _read_table(path: Path) -> dict[int, str]:
    """Read the names by mask value from a table `Idx ... Name` separated by tabs."""
    lines = read_lines(path, error=ConfigError)
    head = [field.strip().lower() for field in lines[0].split("\t")] if lines else []
    names: dict[int, str] = {}
    for number, line in enumerate(lines[1:], start=2):
        fields = dict(zip(head, map(str.strip, line.split("\t")), strict=False))
        index, name = fields.get("idx", ""), fields.get("name", "")
        whole = index.isascii() and index.isdecimal() and len(index) <= 5
        if line.strip() and (not whole or not name or int(index) in {0, *names}):
            raise ConfigError(
                f"{path}: line {number} is {line!r}, expected a new value above 0 under 'Idx' "
                f"and a name under 'Name', separated by tabs; get the file again"
            )
        if line.strip():
            names[int(index)] = name
    if not names:
        raise ConfigError(
            f"{path}: lists no classes under 'Idx' and 'Name'; get the file again"
        )
    return names


def _list_full_classes(
    root: Path, entries: tuple[Entry, ...], document: DatasetFile
) -> tuple[tuple[ClassEntry, ...], CodecEntry]:
    codec = CodecEntry(pixels="name", ignored=(UNDRAWN,))
    if document.classes is not None:
        return document.classes, codec
    files = (_find_names_file(entry.image.file) for entry in entries if entry.labels)
    names = sorted(
        {name for names_file in files if names_file for name in _read_names(names_file)}
    )
    if len(names) > MAX_CLASSES:
        raise DataError(
            f"{root}: ADE20K names {len(names)} kinds of objects here, expected at most "
            f"{MAX_CLASSES}; in dataset.yaml, list those to keep, classes: "
            f"[{{name: sky, raw: [sky]}}, ...], and codec: {{pixels: name, ignored: "
            f"['{UNDRAWN}', '{OTHER}']}} for all others"
        )
    classes = tuple(
        ClassEntry(name=short, kind="thing", raw=(name,))
        for short, name in zip(shorten_names(names), names, strict=True)
    )
    return classes, codec


def _read_listed_labels(document: DatasetFile) -> frozenset[str] | None:
    """The labels that dataset.yaml lists; None where `OTHER` is not among them."""
    raws = [raw for entry in document.classes or () for raw in entry.raw or (entry.name,)]
    listed = frozenset(str(raw) for raw in (*raws, *(document.codec.ignored or ())))
    return listed if OTHER in listed else None


def _read_names(names_file: Path) -> set[str]:
    """Read the names of the objects of an image, without parts."""
    if names_file.suffix == ".json":
        objects = read_json(names_file, _File, encoding="latin-1").annotation.object
        return {o.name for o in objects if o.parts.part_level == 0 and o.name_ndx}
    return set(_read_object_names(names_file).values())


def _read(png: Path, names_file: Path, listed: frozenset[str] | None) -> Drawing:
    """Read one shape for each class and instance.

    Class index 0 has no shape, unless `_atr.txt` names it.
    """
    packed_HW = read_raw(png, "rgb").astype(np.int32)
    class_HW = (packed_HW >> 16) // 10 * 256 + (packed_HW >> 8 & 255)
    crops = crop_each_id(class_HW * 256 + (packed_HW & 255))
    ranked = names_file.suffix != ".json"
    names = _map_blue_names(names_file, png, crops) if ranked else _map_class_names(names_file)
    shapes = []
    for value, crop in crops.items():
        code = value % 256 if ranked else value // 256
        if not value or not (ranked or code):
            continue
        if code not in names:
            raise DataError(
                f"{png}: class {code} ({crop.area_px} px) has no name in "
                f"{names_file.name}; get both files again"
            )
        name = names[code]
        label = name if listed is None or name in listed else OTHER
        shapes.append(Shape(label=label, masks=(crop,), instance=str(value % 256)))
    height, width = packed_HW.shape
    return Drawing(size_HW=(height, width), shapes=tuple(shapes))


def _map_class_names(names_file: Path) -> dict[int, str]:
    """Map class index to name, as the objects in the JSON file state them."""
    names: dict[int, str] = {}
    for entry in read_json(names_file, _File, encoding="latin-1").annotation.object:
        if entry.parts.part_level == 0:
            _add_name(names, entry.name_ndx, entry.name, names_file)
    return names


def _map_blue_names(names_file: Path, png: Path, values: Iterable[int]) -> dict[int, str]:
    """Map the value of blue to a name: the nth value is the nth object of `_atr.txt`."""
    instances = _read_object_names(names_file)
    values = [value for value in values if value]
    blues = sorted({value % 256 for value in values})
    if len(blues) != len(instances):
        raise DataError(
            f"{png}: shows {len(blues)} objects, and {names_file.name} lists {len(instances)}, "
            f"expected the same number; get both files again"
        )
    in_order = (instances[number] for number in sorted(instances))
    names, of_class = dict(zip(blues, in_order, strict=True)), dict[int, str]()
    for value in values:
        if value // 256:
            _add_name(of_class, value // 256, names[value % 256], names_file)
    return names


def _add_name(names: dict[int, str], code: int, name: str, names_file: Path) -> None:
    if names.setdefault(code, name) != name:
        raise DataError(
            f"{names_file}: class {code} is {names[code]!r} and {name!r}; get the file again"
        )


def _read_object_names(names_file: Path) -> dict[int, str]:
    """Read the names of the objects in `_atr.txt` by object index, without parts."""
    names: dict[int, str] = {}
    with open_file(names_file, most_bytes=MAX_BYTES) as file:
        lines = file.read().decode("latin-1").splitlines()
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line)
        if match is None and line.strip():
            raise DataError(
                f"{names_file}: line {number} is {line[:60]!r}, expected "
                f"'number # part level # occluded # name # raw name # \"attributes\"'; get "
                f"the file again"
            )
        if match and int(match[2]) == 0:
            _add_name(names, int(match[1]), match[3], names_file)
    return names
