"""CVAT for images 1.1 and CVAT for video 1.1: one XML file for many images.

    annotations.xml    images/<subset>/<name> or images/<name>    (`name` may have folders)

The `subset` of an image, else of its task, is the split; "default" means no split. A frame of a
video is images/frame_000010.png, and its shapes are those that tracks have on it and that are
not `outside`. A file of keyframes alone is interpolated as CVAT does it (`tracks.py`).

Masks, polygons, boxes (rotated ones too) and ellipses are filled as CVAT's own "Segmentation
mask" export does it. Lines, points, cuboids, skeletons and tags are skipped and counted. The
higher z_order lies on top, then the later shape. Each shape keeps its own label, whereas that
export gives all shapes of a group the label of the largest.

`convert` writes `<split>.xml` and `images/<split>/`, to be uploaded to a task: CVAT's import
into a project takes no masks, and an import into a task finds frames by their id, which is
their index in the order of names. Polygons of one ring are written as polygons, other regions
as masks, each shape with a z_order of its own.
Source: cvat 2.x, apps/dataset_manager: formats/cvat.py (load), bindings.py (match_dm_item),
annotation.py; datumaro 1.13, plugins/data_formats/cvat/base.py.
"""

import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO
from xml.sax.saxutils import escape, quoteattr

from ....core.errors import DataError
from ....core.labels import IGNORE, LabelSpec, Rgb, voc_palette
from ....pages.text import format_subject
from ...classes.dataset_yaml import ClassEntry, DatasetFile
from ...classes.kinds import BACKGROUND_NAMES
from ...entries.annotation import (
    ATTRIBUTE_TYPES,
    IGNORED,
    SHAPE_CODEC,
    Annotation,
    list_shape_classes,
)
from ...entries.picture import (
    MASKED,
    MOVED,
    Picture,
    Record,
    WriteResult,
    copy_image,
    count_masked,
    count_moved,
)
from ...entries.scan import (
    SPLITS,
    UNSPLIT,
    Entry,
    LeftOut,
    Scan,
    make_keys_unique,
    normalise_split,
    parse_place,
)
from ...pixels.imageref import ImageRef
from ...pixels.images import image_size, image_suffixes
from ...reading.documents import find_annotation_files, peek_first
from ...reading.lookup import ImageLookup
from ...reading.xmlindex import read_element
from ...shapes.drawing import Drawing, Overlap
from ...shapes.raster import Raster
from .elements import format_shapes, parse_shape
from .index import CvatFile, IndexedTrack, Span, index_file
from .tracks import place_shapes

HOLDS = frozenset({"polygons", "overlaps", "attributes", "instances", "ignored", "splits"})
OUTLINE_FILL: Raster = "coco"
OVERLAP: Overlap = "z"
IMAGES, DEFAULT = "images", "default"
_FRAME = re.compile(r"frame_(\d{6,12})")


@dataclass(frozen=True, slots=True)
class _Item:
    """An image with its labels.

    `name` is its path in its subset, `is_empty` whether it has no shape.
    """

    subset: str | None
    name: PurePosixPath
    image: ImageRef
    labels: Annotation
    is_empty: bool


@dataclass(frozen=True, slots=True)
class _Spooled:
    """An image that is written: its name, its attributes, and the span of its shapes."""

    name: str
    head: str
    start: int
    end: int


def recognises(root: Path) -> bool:
    """Whether the first XML file is CVAT's."""
    text = peek_first(root, ".xml")
    return "<annotations" in text and any(t in text for t in ("<meta", "<image", "<track"))


def scan(root: Path, document: DatasetFile) -> Scan:
    """List every image that a file names, and every frame of its tracks.

    Raises:
        DataError: There is no file of CVAT, a file is damaged, or none of its images is there.
    """
    images, overlap = ImageLookup(root), document.overlap or OVERLAP
    files = [index_file(path) for path in find_annotation_files(root, ".xml")]
    if not any(file.images or file.tracks for file in files):
        raise DataError(
            f"{root}: no XML file here holds images or tracks of CVAT; export as 'CVAT for "
            f"images 1.1'"
        )
    items = [item for file in files for item in _list_items(file, images, overlap)]
    missing = [(file.path, name) for file in files for name in file.missing]
    if not items:
        raise DataError(
            f"{missing[0][0]}: names the image {missing[0][1]!r} and {len(missing) - 1} "
            f"others, and all are missing; export again with 'Save images', or put them into "
            f"{missing[0][0].parent / IMAGES}"
        )
    _require_one_annotation(items)
    return Scan(
        entries=make_keys_unique(map(_make_entry, items)),
        classes=_list_classes(files, document),
        codec=SHAPE_CODEC,
        overlap=overlap,
        left_out=tuple(_list_left_out(items, files, images)),
        notes=tuple(_list_notes(items, files)),
        unread={ATTRIBUTE_TYPES: tuple(sorted({name for f in files for name in f.typed}))},
    )


def write(folder: Path, picture: Picture) -> WriteResult:
    """Copy the image and record its shapes as text for `finish`."""
    drawing, subset = picture.drawing, picture.entry.split or DEFAULT
    copy_image(picture, folder / IMAGES / subset / picture.name)
    attributes: dict[str, list[str]] = defaultdict(list)
    for shape in drawing.shapes:
        attributes[shape.label] += [n for n in shape.attributes if n not in {"occluded"}]
    height, width = picture.size_HW
    record = {
        "subset": subset,
        "name": picture.name,
        "head": f'name={quoteattr(picture.name)} width="{width}" height="{height}"',
        "shapes": "".join(format_shapes(drawing)),
        "attributes": {label: sorted(set(names)) for label, names in attributes.items()},
    }
    polygons = [shape for shape in drawing.shapes if shape.is_polygon]
    moved = sum(count_moved(drawing, shape, OUTLINE_FILL) for shape in polygons)
    return WriteResult(record=record, lost={MOVED: moved, MASKED: count_masked(drawing)})


def finish(folder: Path, spec: LabelSpec, records: Iterable[Record]) -> None:
    """Write one file for each split, in the form of a task."""
    attributes: dict[str, set[str]] = defaultdict(set)
    tasks: dict[str, list[_Spooled]] = defaultdict(list)
    with tempfile.TemporaryFile() as spool:
        for record in records:
            for label, names in record["attributes"].items():
                attributes[label] |= set(names)
            start = spool.tell()
            spool.write(record["shapes"].encode())
            image = _Spooled(record["name"], record["head"], start, spool.tell())
            tasks[record["subset"]].append(image)
        labels = _format_labels(spec, attributes)
        for subset, images in tasks.items():
            _write_task(folder / f"{subset}.xml", subset, images, labels, spool)


def _write_task(
    path: Path, subset: str, images: list["_Spooled"], labels: str, spool: IO[bytes]
) -> None:
    """Write the file of one task; ids are the indices of frames in CVAT's order of names."""
    with path.open("w", encoding="utf-8") as file:
        file.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n')
        file.write("  <version>1.1</version>\n  <meta>\n    <task>\n")
        name = escape(subset)
        file.write(f"      <name>{name}</name>\n      <size>{len(images)}</size>\n")
        file.write(f"      <mode>annotation</mode>\n      <subset>{name}</subset>\n")
        file.write(f"      <labels>\n{labels}      </labels>\n    </task>\n  </meta>\n")
        for index, image in enumerate(sorted(images, key=lambda image: image.name)):
            file.write(f'  <image id="{index}" {image.head}>\n')
            spool.seek(image.start)
            file.write(spool.read(image.end - image.start).decode())
            file.write("  </image>\n")
        file.write("</annotations>\n")


def _format_labels(spec: LabelSpec, attributes: Mapping[str, Iterable[str]]) -> str:
    colors = {c.name: c.color for c in spec}
    if IGNORED in attributes:
        colors[IGNORED] = voc_palette()[IGNORE]
    return "".join(_format_label(n, c, attributes.get(n, ())) for n, c in colors.items())


def _format_label(name: str, color: Rgb, attributes: Iterable[str]) -> str:
    listed = "".join(
        f"<attribute><name>{escape(attribute)}</name><mutable>False</mutable>"
        f"<input_type>text</input_type><default_value></default_value><values></values>"
        f"</attribute>"
        for attribute in sorted(attributes)
    )
    red, green, blue = color
    return (
        f"        <label><name>{escape(name)}</name>"
        f"<color>#{red:02x}{green:02x}{blue:02x}</color><type>any</type>"
        f"<attributes>{listed}</attributes></label>\n"
    )


def _list_classes(files: list[CvatFile], document: DatasetFile) -> tuple[ClassEntry, ...]:
    """List the labels that the files declare, else those that occur in shapes."""
    declared: dict[str, ClassEntry] = {}
    for file in files:
        declared = {**file.classes, **declared}
    names = declared.keys() or {label for file in files for label in file.labels}
    classes = list_shape_classes(names, document)
    if document.classes is not None or not declared:
        return classes
    background = classes[0]
    color = declared[background.name].color if background.name in declared else None
    others = [n for n in declared if n != IGNORED and n.lower() not in BACKGROUND_NAMES]
    return (background.model_copy(update={"color": color}), *(declared[n] for n in others))


def _list_items(file: CvatFile, images: ImageLookup, overlap: Overlap) -> Iterator[_Item]:
    for image in file.images:
        name = PurePosixPath(image.tag.name.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts:
            raise DataError(
                f"{file.path}: the image name {image.tag.name!r} is a path outside of the "
                f"folder; correct it"
            )
        subset = image.tag.subset or file.subset
        path = _find_image(images, file.path, name.as_posix(), subset)
        if path is None:
            file.missing.append(image.tag.name)
            continue
        has_suffix = name.suffix.lower() in image_suffixes()
        full_name = name if has_suffix else name.with_name(name.name + path.path.suffix)
        size_HW = (image.tag.height, image.tag.width)
        read = partial(_read, file.path, image.tag.name, path, size_HW, (image.span,))
        labels = Annotation(file=file.path, place=image.tag.name, overlap=overlap, read=read)
        yield _Item(subset, full_name, path, labels, not image.num_shapes)
    if file.tracks:
        yield from _list_frames(file, images, overlap)


def _find_image(
    images: ImageLookup, file: Path, name: str, subset: str | None
) -> ImageRef | None:
    """Find the image in the folder of its subset, in `images`, or the only one of its name."""
    for folder in _list_folders(file, subset):
        image = images.find_at(folder, name) or images.find_without_suffix(folder, name)
        if image is not None:
            return image
    if subset and (file.parent / IMAGES / subset).is_dir():
        return None
    return images.find(name, where=str(file))


def _list_folders(file: Path, subset: str | None) -> tuple[Path, ...]:
    """List the folders in which to look for the images of a subset, the likeliest first."""
    parent = file.parent
    of_subset = (parent / IMAGES / subset, parent / subset) if subset else ()
    return (*of_subset, parent / IMAGES, parent)


def _list_frames(file: CvatFile, images: ImageLookup, overlap: Overlap) -> Iterator[_Item]:
    """List the frames of each subset that are there, with the shapes of its tracks."""
    by_subset: dict[str | None, list[IndexedTrack]] = defaultdict(list)
    for subset in file.subsets or (file.subset,):
        by_subset[subset] = []
    for track in file.tracks:
        by_subset[track.tag.subset or file.subset].append(track)
    for subset, tracks in by_subset.items():
        frames = _index_frames(images, file.path, subset)
        placed = place_shapes(tracks, sorted(frames))
        file.notes += placed.list_notes()
        spans = placed.spans
        file.missing += [f"frame_{frame:06d}" for frame in sorted(spans.keys() - frames.keys())]
        for frame, image in frames.items():
            shapes, where = tuple(spans[frame]), f"frame {frame}"
            read = partial(_read, file.path, where, image, None, shapes)
            labels = Annotation(file=file.path, place=where, overlap=overlap, read=read)
            yield _Item(subset, PurePosixPath(image.path.name), image, labels, not shapes)


def _index_frames(
    images: ImageLookup, file: Path, subset: str | None
) -> Mapping[int, ImageRef]:
    for folder in _list_folders(file, subset):
        matches = (
            (_FRAME.fullmatch(image.path.stem), image) for image in images.list_folder(folder)
        )
        frames = {int(match[1]): image for match, image in matches if match}
        if frames:
            return frames
    return {}


def _read(
    path: Path,
    name: str,
    image: ImageRef,
    stated_HW: tuple[int, int] | None,
    spans: tuple[Span, ...],
) -> Drawing:
    where, size_HW = f"{path}: {name}", image_size(image)
    if stated_HW not in {None, size_HW}:
        raise DataError(
            f"{where}: states {stated_HW} (H, W), {image} is {size_HW}; put the image there "
            f"that was annotated"
        )
    shapes, skipped = [], Counter[str]()
    for span in spans:
        element = read_element(path, span.start, span.end, where=where)
        label = None if span.track is None else span.track.label
        until = None
        if span.until is not None:
            until = read_element(path, *span.until, where=where), span.offset
        for part in element if element.tag == "image" else (element,):
            shape = parse_shape(part, size_HW, label=label, until=until, where=where)
            if isinstance(shape, str):
                skipped[shape] += 1
            elif span.track is None:
                shapes.append(shape)
            else:
                shapes.append(replace(shape, instance=f"track {span.track.id}"))
    return Drawing(size_HW=size_HW, shapes=tuple(shapes), raster="coco", skipped=skipped)


def _require_one_annotation(items: list[_Item]) -> None:
    labels_of: dict[ImageRef, Annotation] = {}
    for item in items:
        other = labels_of.setdefault(item.image, item.labels)
        if other is not item.labels:
            raise DataError(
                f"{item.labels} and {other} both label {item.image}; keep one, or put the "
                f"images into folders as CVAT exports them"
            )


def _make_entry(item: _Item) -> Entry:
    folder_split, key, group = parse_place(item.name)
    split = folder_split if item.subset is None else _choose_split(item)
    return Entry(key=key, split=split, image=item.image, labels=item.labels, group=group)


def _choose_split(item: _Item) -> str:
    subset = item.subset or DEFAULT
    if subset == DEFAULT:
        return UNSPLIT
    split = normalise_split(subset.lower())
    return split if split in SPLITS else subset


def _list_left_out(
    items: list[_Item], files: list[CvatFile], images: ImageLookup
) -> Iterator[LeftOut]:
    if missing := tuple(name for file in files for name in file.missing):
        yield LeftOut("images that are listed and not there", missing)
    if others := images.list_others({item.image for item in items}):
        yield LeftOut("images that no XML file names", others)


def _list_notes(items: list[_Item], files: list[CvatFile]) -> Iterator[str]:
    if num_empty := sum(item.is_empty for item in items):
        counted = format_subject(num_empty, "image has", "images have")
        yield f"{counted} no shape: all is background"
    for file in files:
        yield from (f"{file.path.name}: {note}" for note in file.notes)
