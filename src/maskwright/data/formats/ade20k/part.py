"""ADE20K: the scene parsing benchmark of 150 classes, and the full data set of all objects.

    images/<split>/<name>.jpg    annotations/<split>/<name>.png    objectInfo150.txt
    <folders>/<name>.jpg    <name>_seg.png    <name>_atr.txt (2017) or <name>.json (2020, 2021)

Scene parsing (ADEChallengeData2016): values are lines of objectInfo150.txt, 0 ("other", which
nobody evaluates) is IGNORE. Full: the class of a pixel is floor(red / 10) * 256 + green, 0 is
IGNORE, blue is the instance. Numbers of classes differ between releases, so classes are the
names that the text beside the image gives: JSON by number (`name_ndx`), `_atr.txt` by the rank
of blue. Parts (`_parts_1.png`) are passed over. Names are cut to their first synonym. Of more
than 255 names, dataset.yaml lists those to keep; '(other)', under 'ignored', is all the rest.
Source: github.com/CSAILVision/sceneparsing and /ADE20K (README, utils/utils_ade20k.py).
"""

import re
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from ....core.codec import UNDRAWN
from ....core.errors import ConfigError, DataError
from ....core.labels import MAX_CLASSES
from ...classes.dataset_yaml import ClassEntry, CodecEntry, DatasetFile
from ...entries.annotation import Annotation
from ...entries.scan import SPLITS, UNSPLIT, Entry, Scan, normalise_split
from ...entries.walk import files_below, image_files
from ...pixels.imageref import ImageRef
from ...pixels.rawmask import read_raw
from ...reading.documents import Document, read_json
from ...shapes.drawing import Drawing, Overlap, Shape
from ...shapes.segments import crop_each_id
from .names import SCENE_NAMES, shortened

OVERLAP: Overlap = "file"
OTHER = "(other)"
"""The label of all that dataset.yaml does not list, where it lists this one."""

TABLE, IMAGES, MASKS = "objectInfo150.txt", "images", "annotations"
_SEG, _ATTRIBUTES = "_seg.png", "_atr.txt"
_PHOTO = frozenset({".jpg", ".jpeg"})
_LINE = re.compile(r"\s*(\d{1,6})\s*#\s*(\d{1,3})\s*#\s*\d*\s*#\s*([^#]*[^#\s])\s*#.*")
_NO_PARTS = "parts of objects (_parts_) are passed over"
_ZERO = "0 is ignored: ADE20K's 'other'; where 0 is a class here, write 'format: mask_folder'"


class _Parts(Document):
    part_level: int = 0


class _Object(Document):
    name: str
    name_ndx: int
    parts: _Parts = _Parts()


class _Annotation(Document):
    object: tuple[_Object, ...]


class _File(Document):
    annotation: _Annotation


def recognises(root: Path) -> bool:
    """Whether `root` holds scene parsing, or its first photograph has a `_seg.png`."""
    return _is_scene_parsing(root) or _is_full(root)


def _is_scene_parsing(root: Path) -> bool:
    if not (root / IMAGES).is_dir() or not (root / MASKS).is_dir():
        return False
    first = next(image_files(root / MASKS), None)
    return (root / TABLE).is_file() or (
        first is not None and first.path.name.startswith("ADE_")
    )


def _is_full(root: Path) -> bool:
    first = next(files_below(root, _PHOTO), None) if root.is_dir() else None
    return first is not None and first.with_name(f"{first.stem}{_SEG}").is_file()


def scan(root: Path, document: DatasetFile) -> Scan:
    """Pair images with their masks, by folder and name.

    Raises:
        DataError: No image has a mask, or there are more names than classes can be.
        ConfigError: objectInfo150.txt is not of its form.
    """
    scene = (root / MASKS).is_dir() and (root / IMAGES).is_dir()
    entries = tuple(_scenes(root) if scene else _full(root, document))
    if not any(entry.labels for entry in entries):
        raise DataError(
            f"{root}: has neither {IMAGES} and {MASKS} of scene parsing nor photographs beside "
            f"their *{_SEG} with {_ATTRIBUTES} or .json; unpack ADE20K here"
        )
    classes, codec = _scene_classes(root) if scene else _full_classes(root, entries, document)
    return Scan(
        entries=tuple(entries),
        lone_masks=_lone(root, entries) if scene else (),
        classes=classes,
        codec=codec,
        overlap=None if scene else document.overlap or OVERLAP,
        notes=(_ZERO if scene else _NO_PARTS,),
    )


def _scenes(root: Path) -> Iterator[Entry]:
    for image in image_files(root / IMAGES):
        place = image.path.relative_to(root / IMAGES)
        mask = (root / MASKS / place).with_suffix(".png")
        yield _entry(image, root / IMAGES, ImageRef(mask) if mask.is_file() else None)


def _full(root: Path, document: DatasetFile) -> Iterator[Entry]:
    known = _listed(document)
    for image in files_below(root, _PHOTO) if root.is_dir() else ():
        png, text = image.with_name(f"{image.stem}{_SEG}"), _text_of(image)
        if not png.is_file():
            yield _entry(ImageRef(image), root, None)
            continue
        if text is None:
            raise DataError(
                f"{png}: neither {image.stem}{_ATTRIBUTES} nor {image.stem}.json, which name "
                f"the objects, is beside it; add one"
            )
        read = partial(_read, png, text, known)
        overlap = document.overlap or OVERLAP
        yield _entry(ImageRef(image), root, Annotation(file=png, overlap=overlap, read=read))


def _entry(image: ImageRef, folder: Path, labels: ImageRef | Annotation | None) -> Entry:
    named = (normalise_split(part) for part in image.path.relative_to(folder).parts[:-1])
    split = next((name for name in named if name in SPLITS), UNSPLIT)
    key = image.path.stem
    return Entry(key=key, split=split, image=image, labels=labels, group=key)


def _text_of(image: Path) -> Path | None:
    """What names the objects of an image."""
    names = (f"{image.stem}{_ATTRIBUTES}", f"{image.stem}.json")
    return next((path for path in map(image.with_name, names) if path.is_file()), None)


def _lone(root: Path, entries: tuple[Entry, ...]) -> tuple[ImageRef, ...]:
    paired = {entry.labels for entry in entries}
    return tuple(path for path in image_files(root / MASKS) if path not in paired)


def _scene_classes(root: Path) -> tuple[tuple[ClassEntry, ...], CodecEntry]:
    table = root / TABLE
    names = _read_table(table) if table.is_file() else dict(enumerate(SCENE_NAMES, start=1))
    short = shortened(tuple(names.values()))
    classes = tuple(
        ClassEntry(name=name, raw=(raw,)) for raw, name in zip(names, short, strict=True)
    )
    return classes, CodecEntry(pixels="index", ignored=(0,))


def _read_table(path: Path) -> dict[int, str]:
    """Names by value, of a file with a head `Idx ... Name` and tabs."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"{path}: cannot be read as UTF-8 text: {error}") from error
    head = [field.strip().lower() for field in lines[0].split("\t")] if lines else []
    names: dict[int, str] = {}
    for number, line in enumerate(lines[1:], start=2):
        fields = dict(zip(head, map(str.strip, line.split("\t")), strict=False))
        index, name = fields.get("idx", ""), fields.get("name", "")
        whole = index.isascii() and index.isdecimal() and len(index) <= 5
        if line.strip() and (not whole or not name or int(index) in {0, *names}):
            raise ConfigError(
                f"{path}: line {number} is {line!r}, expected a new value above 0 and a name "
                f"under 'Idx' and 'Name', parted by tabs"
            )
        if line.strip():
            names[int(index)] = name
    if not names:
        raise ConfigError(f"{path}: lists no classes under 'Idx' and 'Name'; get it again")
    return names


def _full_classes(
    root: Path, entries: tuple[Entry, ...], document: DatasetFile
) -> tuple[tuple[ClassEntry, ...], CodecEntry]:
    codec = CodecEntry(pixels="name", ignored=(UNDRAWN,))
    if document.classes is not None:
        return document.classes, codec
    texts = (_text_of(entry.image.file) for entry in entries if entry.labels)
    names = sorted({name for text in texts if text for name in _names(text)})
    if len(names) > MAX_CLASSES:
        raise DataError(
            f"{root}: ADE20K names {len(names)} objects here, more than {MAX_CLASSES} classes; "
            f"in dataset.yaml, list those to keep, classes: [{{name: sky, raw: [sky]}}, ...], "
            f"and codec: {{pixels: name, ignored: ['{UNDRAWN}', '{OTHER}']}} for all the rest"
        )
    classes = tuple(
        ClassEntry(name=short, kind="thing", raw=(name,))
        for short, name in zip(shortened(names), names, strict=True)
    )
    return classes, codec


def _listed(document: DatasetFile) -> frozenset[str] | None:
    """The labels of dataset.yaml, where it says what the others are."""
    raws = [raw for entry in document.classes or () for raw in entry.raw or (entry.name,)]
    listed = frozenset(str(raw) for raw in (*raws, *(document.codec.ignored or ())))
    return listed if OTHER in listed else None


def _names(text: Path) -> set[str]:
    """Names of the objects of an image, without parts."""
    if text.suffix == ".json":
        found = read_json(text, _File, encoding="latin-1").annotation.object
        return {drawn.name for drawn in found if drawn.parts.part_level == 0 and drawn.name_ndx}
    return set(_instances(text).values())


def _read(png: Path, text: Path, known: frozenset[str] | None) -> Drawing:
    """One shape for each class and instance; class 0 is none, unless `_atr.txt` names it."""
    packed_HW = read_raw(png, "rgb").astype(np.int32)
    class_HW = (packed_HW >> 16) // 10 * 256 + (packed_HW >> 8 & 255)
    crops = crop_each_id(class_HW * 256 + (packed_HW & 255))
    ranked = text.suffix != ".json"
    names = _by_blue(text, png, crops) if ranked else _by_class(text)
    shapes = []
    for value, crop in crops.items():
        number = value % 256 if ranked else value // 256
        if not value or not (ranked or number):
            continue
        if number not in names:
            raise DataError(
                f"{png}: class {number} ({crop.area_px} px) has no name in {text.name}; get "
                f"both files again"
            )
        name = names[number]
        label = name if known is None or name in known else OTHER
        shapes.append(Shape(label=label, masks=(crop,), instance=str(value % 256)))
    height, width = packed_HW.shape
    return Drawing(size_HW=(height, width), shapes=tuple(shapes))


def _by_class(text: Path) -> dict[int, str]:
    """Names by the number of the class, which the objects in the JSON file say."""
    names: dict[int, str] = {}
    for drawn in read_json(text, _File, encoding="latin-1").annotation.object:
        if drawn.parts.part_level == 0:
            _add(names, drawn.name_ndx, drawn.name, text)
    return names


def _by_blue(text: Path, png: Path, values: Iterable[int]) -> dict[int, str]:
    """Names by the value of blue: the nth value is the nth object of `_atr.txt`."""
    instances = _instances(text)
    values = [value for value in values if value]
    blues = sorted({value % 256 for value in values})
    if len(blues) != len(instances):
        raise DataError(
            f"{png}: shows {len(blues)} objects, and {text.name} lists {len(instances)}, so "
            f"which is which cannot be told; get both files again"
        )
    in_order = (instances[number] for number in sorted(instances))
    names, of_class = dict(zip(blues, in_order, strict=True)), dict[int, str]()
    for value in values:
        if value // 256:
            _add(of_class, value // 256, names[value % 256], text)
    return names


def _add(names: dict[int, str], code: int, name: str, text: Path) -> None:
    if names.setdefault(code, name) != name:
        raise DataError(
            f"{text}: class {code} is {names[code]!r} and {name!r}; get the file again"
        )


def _instances(text: Path) -> dict[int, str]:
    """Names of the objects by their number, without parts."""
    found: dict[int, str] = {}
    try:
        lines = text.read_text(encoding="latin-1").splitlines()
    except OSError as error:
        raise DataError(f"{text}: cannot be read: {error.strerror}") from error
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line)
        if match is None and line.strip():
            raise DataError(
                f"{text}: line {number} is {line[:60]!r}, expected "
                f"'number # part level # occluded # name # raw name # \"attributes\"'"
            )
        if match and int(match[2]) == 0:
            _add(found, int(match[1]), match[3], text)
    return found
