"""YOLO segmentation, as Ultralytics reads it: one text file of polygons per image.

    data.yaml                         names: [car, tree] or {0: car, 1: tree}
    images/<split>/<name>.jpg         labels/<split>/<name>.txt
    <split>/images/<name>.jpg         <split>/labels/<name>.txt       (Roboflow)

A line is `class x y x y x y ...`, from 0 to 1 of width and height; one more number is the id of
an object. An empty file means that nothing is on the image; images without a file are left out.
Boxes (four numbers) are not regions; they are counted. Lines that Ultralytics skips with a
warning (a coordinate more than 1 % outside 0..1, a class without a name) are errors. Polygons
are filled as by Ultralytics: coordinates in single precision, corners truncated to whole
pixels, then OpenCV's fillPoly, the smaller on top. Classes of one name are one class
(`reading/yolo_names.py`).

A polygon of one ring is written as it is, any other shape as one line per connected region,
which gives the same pixels when it is read. A line cannot have holes: they are filled and
counted. IGNORE is not written. As Ultralytics always paints the smaller region on top, the
pixels of larger shapes above smaller ones are counted. dataset.yaml is written to a folder of
its own, as Ultralytics takes a folder with two YAML files for none.
Source: docs.ultralytics.com, "Instance Segmentation Datasets Overview"; ultralytics 8.4.190,
data/utils.py (check_det_dataset, find_dataset_yaml, verify_image_label,
polygons2masks_overlap) and utils/instance.py (remove_zero_area_boxes).
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.atomic import write_text
from ...core.codec import UNDRAWN
from ...core.errors import DataError
from ...core.labels import LabelSpec
from ...core.textfile import read_text
from ...core.yamlfile import dump_yaml
from ..classes.dataset_yaml import ClassEntry, DatasetFile
from ..classes.kinds import BACKGROUND_NAMES
from ..entries.annotation import IGNORED, SHAPE_CODEC, Annotation
from ..entries.picture import (
    HOLE_PIXELS,
    HOLES,
    MOVED,
    PARTS,
    Picture,
    Record,
    WriteResult,
    copy_image,
)
from ..entries.scan import (
    SPLITS,
    UNSPLIT,
    Entry,
    LeftOut,
    Scan,
    make_keys_unique,
    parse_place,
)
from ..entries.walk import files_below, image_files
from ..pixels.imageref import ImageRef
from ..pixels.images import image_size
from ..reading.documents import MAX_BYTES
from ..reading.lookup import NameTable
from ..reading.yolo_names import CLASSES, find_names_file, list_repeated, read_names
from ..shapes.drawing import Drawing, Overlap, Shape
from ..shapes.outline import count_holes, trace_centers
from ..shapes.raster import Crop, Ring, count_different_pixels, fill, unite

HOLDS = frozenset({"polygons", "overlaps", "usual splits"})
WRITTEN_OVERLAP: Overlap = "smaller_on_top"
OVERLAP = WRITTEN_OVERLAP
YAML_ASIDE = True
_IMAGES, _LABELS = "images", "labels"
_SLACK = 0.01
"""How far a coordinate may lie outside 0..1, as for Ultralytics; labelling tools round."""

_THIN = "regions of one pixel's width or height, which Ultralytics drops in training"
_BELOW = "pixels of shapes above smaller ones, which Ultralytics paints below them"


@dataclass(frozen=True, slots=True, eq=False)
class _Line:
    """A line to write: class index, corners as text, and the region that is read from them."""

    index: int
    text: str
    region: Crop


def recognises(root: Path) -> bool:
    """Whether there is a file of names, and text files in a folder `labels`."""
    if not root.is_dir() or find_names_file(root) is None:
        return False
    return any(_LABELS in path.relative_to(root).parts for path in files_below(root, {".txt"}))


def scan(root: Path, document: DatasetFile) -> Scan:
    """List every image in a folder `images` with a text file in the folder `labels` beside it.

    Raises:
        DataError: There are no names, or no image has a text file.
    """
    names = read_names(root)
    overlap, bare, entries = document.overlap or OVERLAP, list[str](), list[Entry]()
    texts = {name: path for path in files_below(root, {".txt"}) if (name := _name(path, root))}
    table, used = NameTable(texts), set[Path]()
    for image in image_files(root):
        text = table.find(_name_text(image, root) or "")
        if text is None or text in used:
            bare.append(image.path.relative_to(root).as_posix())
            continue
        used.add(text)
        shapes = Annotation(file=text, overlap=overlap, read=partial(_read, text, image, names))
        split, key, group = parse_place(image.path.relative_to(root))
        entries.append(Entry(key=key, split=split, image=image, labels=shapes, group=group))
    if not entries:
        raise DataError(
            f"{root}: no image in a folder 'images' has a text file in a folder 'labels' "
            f"beside it; lay them out as images/train/a.jpg and labels/train/a.txt"
        )
    return Scan(
        entries=make_keys_unique(entries),
        lone_masks=tuple(sorted(set(texts.values()) - used)),
        left_out=(LeftOut("images without a text file", tuple(bare)),) if bare else (),
        classes=document.classes or _list_classes(tuple(dict.fromkeys(names.values()))),
        codec=SHAPE_CODEC,
        overlap=overlap,
        notes=tuple(list_repeated(names)),
    )


def _name(text: Path, root: Path) -> str:
    """The path of a text file below `root`, "" where it is not one of labels."""
    relative = text.relative_to(root)
    is_labels = _LABELS in relative.parts[:-1] and relative.name != CLASSES
    return relative.as_posix() if is_labels else ""


def _list_classes(names: tuple[str, ...]) -> tuple[ClassEntry, ...]:
    """List the background, then each name."""
    background = [name for name in names if name.lower() in BACKGROUND_NAMES][:1]
    name = background[0] if background else "background"
    first = ClassEntry(name=name, raw=(UNDRAWN, *background))
    rest = (ClassEntry(name=n, kind="thing", raw=(n,)) for n in names if n not in background)
    return (first, *rest)


def _name_text(image: ImageRef, root: Path) -> str | None:
    """Name the text file of an image: in its path, `labels` replaces the last `images`."""
    parts = list(image.path.relative_to(root).parts)
    if _IMAGES not in parts[:-1]:
        return None
    parts[len(parts) - 1 - parts[::-1].index(_IMAGES)] = _LABELS
    return PurePosixPath(*parts).with_suffix(".txt").as_posix()


def _read(path: Path, image: ImageRef, names: Mapping[int, str]) -> Drawing:
    size_HW = image_size(image)
    shapes, num_boxes = [], 0
    lines = read_text(path, most_bytes=MAX_BYTES).splitlines()
    for line_number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path}: line {line_number}"
        index, ring, instance = _parse_line(line.split(), where)
        if index not in names:
            raise DataError(
                f"{where}: class {index}, expected one of the {len(names)} that data.yaml "
                f"names ({min(names)} to {max(names)}); add its name or correct the line"
            )
        if len(ring) == 2:
            num_boxes += 1
            continue
        shapes.append(
            Shape(
                label=names[index], rings=(scale_to_pixels(ring, size_HW),), instance=instance
            )
        )
    skipped = {"boxes without a polygon": num_boxes}
    return Drawing(size_HW=size_HW, shapes=tuple(shapes), raster="opencv", skipped=skipped)


def scale_to_pixels(ring: NDArray[np.floating[Any]], size_HW: tuple[int, int]) -> Ring:
    """Scale corners from 0..1 to pixels, in single precision as Ultralytics does."""
    scaled = ring.astype(np.float32) * np.array(size_HW[::-1], np.float32)
    return scaled.astype(np.float64)


def _parse_line(words: list[str], where: str) -> tuple[int, NDArray[np.float64], str | None]:
    """Parse a line: class index, corners from 0 to 1 (two are a box), id of the object."""
    try:
        numbers = np.array(words, np.float64)
    except ValueError:
        word = next(word for word in words if not _is_number(word))
        raise DataError(f"{where}: {word[:40]!r} is not a number; correct the line") from None
    index, instance = numbers[0], None
    if not (math.isfinite(index) and index >= 0 and index == int(index)):
        raise DataError(
            f"{where}: class {words[0][:40]} is not a whole number from 0 on; correct the line"
        )
    numbers = numbers[1:]
    if len(numbers) % 2 and len(numbers) > 4 and words[-1].isdecimal():
        numbers, instance = numbers[:-1], words[-1]
    if len(numbers) % 2 or len(numbers) < 4:
        raise DataError(
            f"{where}: {len(numbers)} numbers after the class, expected x and y for each "
            f"corner and at most one more, the id of an object (a whole number); correct it"
        )
    outside = ~((numbers >= -_SLACK) & (numbers <= 1 + _SLACK))
    if outside.any():
        raise DataError(
            f"{where}: {words[1 + int(np.argmax(outside))][:40]} is not in 0..1 "
            f"({np.count_nonzero(outside)} of its {len(numbers)} coordinates are not); divide "
            f"them by the image's size, or clip them"
        )
    return int(index), numbers.reshape(-1, 2), instance


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def write(folder: Path, picture: Picture) -> WriteResult:
    """Write the image and its text file."""
    entry, drawing = picture.entry, picture.drawing
    copy_image(picture, folder / _IMAGES / entry.split / picture.name)
    index_of = _number_classes(picture.spec, picture.background)
    lost = Counter({MOVED: 0, HOLES: 0, HOLE_PIXELS: 0, PARTS: 0})
    lines: list[_Line] = []
    for shape, crop in zip(drawing.shapes, drawing.fill_shapes(), strict=True):
        if shape.label == IGNORED:
            continue
        texts = [_format_ring(ring) for ring in _iterate_rings(shape, crop, drawing)]
        read_back = [_fill_text(text, drawing.size_HW) for text in texts]
        lines += (
            _Line(index_of[shape.label], text, region)
            for text, region in zip(texts, read_back, strict=True)
        )
        lost[PARTS] += max(len(texts) - 1, 0) if picture.is_drawn else 0
        lost.update(_count_changes(shape, crop, unite(read_back)))
    if not picture.is_drawn:  # a class in a filled hole must lie on top
        lines.sort(key=lambda line: -line.region.area_px)
    lost[_THIN] = sum(1 in line.region.inside_hw.shape for line in lines)
    lost[_BELOW] = _count_reordered(lines, drawing.size_HW)
    path = folder / _LABELS / entry.split / f"{entry.key}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, "".join(f"{line.index} {line.text}\n" for line in lines))
    return WriteResult(
        record={"split": entry.split, "background": picture.background}, lost=lost
    )


def finish(folder: Path, spec: LabelSpec, records: Iterable[Record]) -> None:
    """Write data.yaml, with the names and the folders of train, val and test.

    There is no `path`: Ultralytics then takes the folder of the file, and `path: .` as the
    current directory. It refuses a file without `train` or `val`.
    """
    background, splits = None, set[str]()
    for record in records:
        background = record["background"]
        splits.add(record["split"])
    names = {index: name for name, index in _number_classes(spec, background).items()}
    document = {**_choose_folders(splits), "names": names}
    write_text(folder / "data.yaml", dump_yaml(document) + "\n")


def list_notes(spec: LabelSpec, splits: Collection[str]) -> tuple[str, ...]:
    """List what data.yaml names for a split that there is none of, and what it cannot name."""
    chosen = _choose_folders(splits)
    notes = [
        f"there is no {split}, and Ultralytics wants one: data.yaml names {chosen[split]} for "
        f"it; `maskwright split` draws splits of the source"
        for split in ("train", "val")
        if split not in splits
    ]
    others = sorted(set(splits) - SPLITS - {UNSPLIT})
    if others:
        notes.append(f"data.yaml has no key for the splits {', '.join(others)}")
    return tuple(notes)


def _choose_folders(splits: Collection[str]) -> dict[str, str]:
    """Choose the folders of images for the keys of data.yaml."""
    known = {
        split: f"{_IMAGES}/{split}" for split in ("train", "val", "test") if split in splits
    }
    first = next(iter(known.values()), _IMAGES)
    train = known.get("train", first)
    return {"train": train, "val": known.get("val", train), **known}


def _number_classes(spec: LabelSpec, background: int | None) -> Mapping[str, int]:
    """Number the classes; the background, which need not be drawn, comes last."""
    names = [name for index, name in enumerate(spec.names) if index != background]
    names += [] if background is None else [spec.names[background]]
    return {name: index for index, name in enumerate(names)}


def _iterate_rings(shape: Shape, crop: Crop, drawing: Drawing) -> Iterator[NDArray[np.float64]]:
    """Yield a polygon as it is if it lies in the image; else one ring per region.

    Coordinates are from 0 to 1 of width and height.
    """
    size = np.array(drawing.size_HW[::-1], np.float64)
    if shape.is_polygon:
        ring = shape.rings[0]
        if drawing.raster in {"pillow", "opencv"}:
            ring = np.trunc(ring) + 0.5  # the same pixels, however the quotient is rounded
        if ((ring >= 0) & (ring <= size)).all():
            yield ring / size
            return
    yield from (ring / size for ring in trace_centers(crop))


def _format_ring(ring: NDArray[np.float64]) -> str:
    return " ".join(f"{number:.9g}" for number in ring.ravel().tolist())


def _fill_text(text: str, size_HW: tuple[int, int]) -> Crop:
    """Fill the ring of a line as it will be when it is read."""
    ring = np.array(text.split(), np.float64).reshape(-1, 2)
    return fill((scale_to_pixels(ring, size_HW),), size_HW, "opencv")


def _count_changes(shape: Shape, before: Crop, after: Crop) -> dict[str, int]:
    """Count how the pixels that will be read differ from those that were drawn."""
    num_different = count_different_pixels(before, after)
    if not num_different or (len(shape.rings) == 1 and not shape.masks):
        return {MOVED: num_different}
    return {HOLES: count_holes(before), HOLE_PIXELS: num_different}


def _count_reordered(lines: Sequence[_Line], size_HW: tuple[int, int]) -> int:
    """Count the pixels that change as Ultralytics paints the smaller region on top."""
    drawn_HW, read_HW = np.full((2, *size_HW), -1, np.int32)
    for line in lines:
        drawn_HW[line.region.slices][line.region.inside_hw] = line.index
    for line in sorted(lines, key=lambda line: -line.region.area_px):
        read_HW[line.region.slices][line.region.inside_hw] = line.index
    return int(np.count_nonzero(drawn_HW != read_HW))
