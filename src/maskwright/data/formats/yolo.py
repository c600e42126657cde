"""YOLO segmentation, as Ultralytics reads it: a text file of polygons beside each image.

    data.yaml                         names: [car, tree] or {0: car, 1: tree}
    images/<split>/<name>.jpg         labels/<split>/<name>.txt
    <split>/images/<name>.jpg         <split>/labels/<name>.txt       (Roboflow)

A line is `class x y x y x y ...`, from 0 to 1 of width and height; one number more is the id of
an object. An empty file is an image with nothing on it; an image without a file is passed over,
and said. Boxes (four numbers) are no regions and counted. What Ultralytics leaves out with a
warning (a coordinate outside 0..1, a class that has no name) is refused. Polygons are filled as
it does: coordinates in single precision, corners cut to whole pixels, then OpenCV's fillPoly,
the smaller on top. Without data.yaml the lines of `classes.txt` are the names.

Written are polygons as they are, and of all else one line for each connected region, which is
read back to the pixel. A line has no hole: holes are filled and counted. IGNORE is not written.
Source: docs.ultralytics.com, "Instance Segmentation Datasets Overview"; ultralytics 8,
data/utils.py (verify_image_label, polygon2mask, polygons2masks_overlap).
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import RootModel

from ...core.atomic import write_text
from ...core.codec import UNDRAWN
from ...core.errors import DataError
from ...core.labels import LabelSpec
from ...core.yamlfile import read_yaml
from ..classes.dataset_yaml import FILE_NAME, ClassEntry, DatasetFile
from ..entries.annotation import BACKGROUND_NAMES, IGNORED, SHAPE_CODEC, Annotation
from ..entries.picture import MOVED, Picture, Record, WriteResult, copy_image
from ..entries.scan import Entry, Scan, make_keys_unique, parse_place
from ..entries.walk import files_below, folders, image_files
from ..pixels.imageref import ImageRef
from ..pixels.images import image_size
from ..reading.documents import MAX_BYTES, Document, validate
from ..shapes.drawing import Drawing, Overlap, Shape
from ..shapes.raster import Crop, Ring, count_different_pixels, fill, unite

HOLDS = frozenset({"overlaps", "splits"})
OVERLAP: Overlap = "smaller_on_top"
_IMAGES, _LABELS, _NAMES = "images", "labels", "classes.txt"
_HOLES = "holes in regions, which are filled"
_HOLE_PIXELS = "pixels of holes that are filled"
_PARTS = "parts of objects, written as objects of their own"


class _Names(RootModel[list[str] | dict[int, str]]):
    """A list, or names by number."""


class _Data(Document):
    names: _Names


def recognises(root: Path) -> bool:
    """Whether names lie here, and text files in a folder `labels`."""
    if not root.is_dir() or _names_file(root) is None:
        return False
    return any(_LABELS in path.relative_to(root).parts for path in files_below(root, {".txt"}))


def scan(root: Path, document: DatasetFile) -> Scan:
    """Every image in a folder `images` that has a text file in the folder `labels` beside.

    Raises:
        DataError: There are no names, or no image has a file.
    """
    names = read_names(root)
    texts = {p for p in files_below(root, {".txt"}) if _LABELS in p.relative_to(root).parts}
    overlap, bare, entries = document.overlap or OVERLAP, 0, []
    for image in image_files(root):
        text = _text_of(image, root)
        if text is None or text not in texts:
            bare += text is not None
            continue
        texts.discard(text)
        drawn = Annotation(file=text, overlap=overlap, read=partial(_read, text, image, names))
        split, key, group = parse_place(image.path.relative_to(root))
        entries.append(Entry(key=key, split=split, image=image, labels=drawn, group=group))
    if not entries:
        raise DataError(
            f"{root}: no image in a folder 'images' has a text file in a folder 'labels' "
            f"beside it; lay them out as images/train/a.jpg and labels/train/a.txt"
        )
    note = (
        f"{bare} images without a text file are passed over; an empty file says that nothing "
        f"is on the image"
    )
    return Scan(
        entries=make_keys_unique(entries),
        lone_masks=tuple(sorted(texts)),
        classes=document.classes or _classes(names),
        codec=SHAPE_CODEC,
        overlap=overlap,
        notes=(note,) if bare else (),
    )


def read_names(root: Path) -> tuple[str, ...]:
    """The names of the classes, by number.

    Raises:
        DataError: There is no file of them, a number has none, or two are alike.
    """
    path = None if not root.is_dir() else _names_file(root)
    if path is None:
        raise DataError(f"{root}: no data.yaml with 'names', and no {_NAMES}; add one")
    if path.name == _NAMES:
        names = [line.strip() for line in _text(path).splitlines() if line.strip()]
    else:
        names = _listed(path)
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None or not names:
        fault = f"the name {twice!r} comes twice" if names else "there are no names"
        raise DataError(f"{path}: {fault}; give each class its own")
    return tuple(names)


def _listed(path: Path) -> list[str]:
    """`names` of a YAML file; references are refused, which can stand for more than fits."""
    if re.search(r"(^|[\s\[{,:-])\*\w", _glance(path)):
        raise DataError(f"{path}: has references (*name); write the names out")
    listed = validate(read_yaml(path), _Data, where=str(path)).names.root
    if isinstance(listed, list):
        return listed
    missing = set(range(len(listed))) - set(listed)
    if missing:
        raise DataError(
            f"{path}: names has {len(listed)} entries and none for {min(missing)}; number them "
            f"from 0"
        )
    return [listed[number] for number in range(len(listed))]


def _names_file(root: Path) -> Path | None:
    """data.yaml, another YAML file with names, or classes.txt beside folders of labels."""
    others = sorted(p for s in ("*.yaml", "*.yml") for p in root.glob(s) if p.name != FILE_NAME)
    for path in (root / "data.yaml", *others):
        if path.is_file() and path.stat().st_size < 1 << 20 and "names:" in _glance(path):
            return path
    return root / _NAMES if (root / _NAMES).is_file() and _LABELS in folders(root) else None


def _glance(path: Path) -> str:
    return path.read_bytes().decode("utf-8", errors="replace")


def _classes(names: tuple[str, ...]) -> tuple[ClassEntry, ...]:
    """The background, and each name."""
    known = [name for name in names if name.lower() in BACKGROUND_NAMES][:1]
    first = ClassEntry(name=known[0] if known else "background", raw=(UNDRAWN, *known))
    rest = (ClassEntry(name=n, kind="thing", raw=(n,)) for n in names if n not in known)
    return (first, *rest)


def _text_of(image: ImageRef, root: Path) -> Path | None:
    """Where the labels of an image lie: `labels` for the last `images` of its path."""
    parts = list(image.path.relative_to(root).parts)
    if _IMAGES not in parts[:-1]:
        return None
    place = len(parts) - 1 - parts[::-1].index(_IMAGES)
    parts[place] = _LABELS
    return root.joinpath(*parts).with_suffix(".txt")


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path}: more than 4 GiB of text; split it")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeError as error:
        raise DataError(f"{path}: is not UTF-8 text: {error}") from error


def _read(path: Path, image: ImageRef, names: tuple[str, ...]) -> Drawing:
    size_HW = image_size(image)
    shapes, boxes = [], 0
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{path}: line {number}"
        index, ring, instance = _polygon(line.split(), where)
        if index >= len(names):
            raise DataError(
                f"{where}: class {index}, and data.yaml names {len(names)} (0 to "
                f"{len(names) - 1}); add its name or correct the line"
            )
        if len(ring) == 2:
            boxes += 1
            continue
        shapes.append(
            Shape(label=names[index], rings=(in_pixels(ring, size_HW),), instance=instance)
        )
    skipped = {"boxes without a polygon": boxes}
    return Drawing(size_HW=size_HW, shapes=tuple(shapes), raster="opencv", skipped=skipped)


def in_pixels(ring: NDArray[np.floating[Any]], size_HW: tuple[int, int]) -> Ring:
    """As Ultralytics: in single precision."""
    scaled = ring.astype(np.float32) * np.array(size_HW[::-1], np.float32)
    return scaled.astype(np.float64)


def _polygon(words: list[str], where: str) -> tuple[int, NDArray[np.float64], str | None]:
    """Class, corners from 0 to 1, and id of a line; two corners are a box."""
    try:
        numbers = np.array(words, np.float64)
    except ValueError:
        wrong = next(word for word in words if not _is_number(word))
        raise DataError(f"{where}: {wrong[:40]!r} is no number; correct the line") from None
    index, instance = numbers[0], None
    if not (math.isfinite(index) and index >= 0 and index == int(index)):
        raise DataError(f"{where}: class {words[0][:40]} is no whole number from 0 on")
    numbers = numbers[1:]
    if len(numbers) % 2 and len(numbers) > 4 and words[-1].isdecimal():
        numbers, instance = numbers[:-1], words[-1]
    if len(numbers) % 2 or len(numbers) < 4:
        raise DataError(
            f"{where}: {len(numbers)} numbers behind the class, expected x and y for each "
            f"corner (at most one more: the whole number of an object)"
        )
    outside = ~((numbers >= 0) & (numbers <= 1))
    if outside.any():
        raise DataError(
            f"{where}: {words[1 + int(np.argmax(outside))][:40]} is outside 0..1, as are "
            f"{np.count_nonzero(outside)} of its {len(numbers)} coordinates; divide them by "
            f"the image's size, or cut them there"
        )
    return int(index), numbers.reshape(-1, 2), instance


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def write(folder: Path, picture: Picture) -> WriteResult:
    """The image and its text file."""
    entry, drawing = picture.entry, picture.drawing
    copy_image(picture, folder / _IMAGES / entry.split / picture.name)
    numbers = _numbers(picture.spec, picture.background)
    lost = Counter({MOVED: 0, _HOLES: 0, _HOLE_PIXELS: 0, _PARTS: 0})
    lines: list[tuple[int, str]] = []
    for shape in drawing.shapes:
        if shape.label == IGNORED:
            continue
        crop = shape.fill(drawing.size_HW, drawing.raster)
        texts = [_numbered(ring) for ring in _rings(shape, crop, drawing)]
        filled = [_filled(text, drawing.size_HW) for text in texts]
        number = numbers[shape.label]
        for text, piece in zip(texts, filled, strict=True):
            lines.append((-piece.area_px, f"{number} {text}\n"))
        lost[_PARTS] += max(len(texts) - 1, 0) if shape.instance else 0
        lost.update(_changed(shape, crop, unite(filled)))
    if not isinstance(entry.labels, Annotation):  # what lies in a filled hole goes on top of it
        lines.sort(key=lambda line: line[0])
    path = folder / _LABELS / entry.split / f"{entry.key}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, "".join(text for _, text in lines))
    return WriteResult(
        record={"split": entry.split, "background": picture.background}, lost=lost
    )


def finish(folder: Path, spec: LabelSpec, records: Iterable[Record]) -> None:
    """data.yaml, with the names and the folders of the splits."""
    background, splits = None, set()
    for record in records:
        background = record["background"]
        splits.add(record["split"])
    known = {name: f"{_IMAGES}/{name}" for name in sorted(splits) if name}
    numbers = _numbers(spec, background)
    document = {"path": ".", **known, "names": {n: name for name, n in numbers.items()}}
    if not known:
        document["train"] = _IMAGES
    write_text(folder / "data.yaml", yaml.safe_dump(document, sort_keys=False, width=1 << 30))


def _numbers(spec: LabelSpec, background: int | None) -> Mapping[str, int]:
    """All classes but the background, which is last: nothing of it need be drawn."""
    names = [name for index, name in enumerate(spec.names) if index != background]
    names += [] if background is None else [spec.names[background]]
    return {name: number for number, name in enumerate(names)}


def _rings(shape: Shape, crop: Crop, drawing: Drawing) -> Iterator[NDArray[np.float64]]:
    """A polygon as it is, if it lies in the image; else a ring for each region."""
    size = np.array(drawing.size_HW[::-1], np.float64)
    if len(shape.rings) == 1 and not shape.masks and len(shape.rings[0]) >= 3:
        ring = shape.rings[0]
        if drawing.raster in {"pillow", "opencv"}:
            ring = np.trunc(ring) + 0.5  # the same pixels, however the quotient is rounded
        if ((ring >= 0) & (ring <= size)).all():
            yield ring / size
            return
    if not crop.area_px:
        return
    inside = crop.inside_hw.astype(np.uint8)
    found, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    for contour in found:
        corners = contour.reshape(-1, 2) + np.array((crop.left + 0.5, crop.top + 0.5))
        last = corners[-1:].repeat(max(3 - len(corners), 0), axis=0)
        yield np.concatenate((corners, last)) / size


def _numbered(ring: NDArray[np.float64]) -> str:
    return " ".join(f"{number:.9g}" for number in ring.ravel().tolist())


def _filled(text: str, size_HW: tuple[int, int]) -> Crop:
    """The pixels of a line, as it will be read."""
    ring = np.array(text.split(), np.float64).reshape(-1, 2)
    return fill((in_pixels(ring, size_HW),), size_HW, "opencv")


def _changed(shape: Shape, before: Crop, after: Crop) -> dict[str, int]:
    """How what will be read differs from what was drawn."""
    moved = count_different_pixels(before, after)
    if not moved or (len(shape.rings) == 1 and not shape.masks):
        return {MOVED: moved}
    return {_HOLES: _num_holes(before), _HOLE_PIXELS: moved}


def _num_holes(crop: Crop) -> int:
    """4-connected regions outside that do not touch the border."""
    outside = np.pad(~crop.inside_hw, 1, constant_values=True).astype(np.uint8)
    return int(cv2.connectedComponents(outside, connectivity=4)[0]) - 2
