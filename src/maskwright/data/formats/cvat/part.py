"""CVAT for images 1.1 and CVAT for video 1.1: one XML file for many images.

    annotations.xml    images/<subset>/<name> or images/<name>    (`name` may have folders)

The `subset` of an image, else of its task, is the split; "default" is none. A frame of a video
is images/frame_000010.png, and its shapes are those that tracks state for it, where they are
not `outside`. CVAT states every frame; a track with a gap in it is refused, not interpolated.

Filled as CVAT's own "Segmentation mask" export does it: masks, polygons, and also boxes, turned
ones too, and ellipses. Lines, points, cuboids, skeletons and tags are skipped and counted. The
higher z_order lies on top, then the later shape. Each shape keeps its own label, where that
export gives the shapes of a group that of the largest. Polygons of one ring are written as
polygons, all else as masks, each shape with a z_order of its own.
Source: cvat 2.x, apps/dataset_manager: formats/cvat.py, bindings.py, annotation.py.
"""

import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from xml.sax.saxutils import escape, quoteattr

from ....core.errors import DataError
from ....core.labels import IGNORE, LabelSpec, Rgb, voc_palette
from ...classes.dataset_yaml import ClassEntry, DatasetFile
from ...entries.annotation import (
    BACKGROUND_NAMES,
    IGNORED,
    SHAPE_CODEC,
    Annotation,
    list_shape_classes,
)
from ...entries.picture import (
    MOVED,
    Picture,
    Record,
    WriteResult,
    copy_image,
    count_moved,
)
from ...entries.scan import (
    SPLITS,
    UNSPLIT,
    Entry,
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
from .elements import SKIPPED, is_polygon, shape_of, text_of
from .index import CvatFile, Span, Track, indexed, refuse_gaps

HOLDS = frozenset({"overlaps", "attributes", "instances", "ignored", "splits"})
OVERLAP: Overlap = "z"
FILE, IMAGES, DEFAULT = "annotations.xml", "images", "default"
_FRAME = re.compile(r"frame_(\d{6,12})")


@dataclass(frozen=True, slots=True)
class _Item:
    """An image that was found; `place` is its name, with folders, in its subset."""

    subset: str | None
    place: PurePosixPath
    image: ImageRef
    labels: Annotation
    bare: bool


def recognises(root: Path) -> bool:
    """Whether the first XML file is CVAT's."""
    text = peek_first(root, ".xml")
    return "<annotations" in text and any(t in text for t in ("<meta", "<image", "<track"))


def scan(root: Path, document: DatasetFile) -> Scan:
    """Every image that a file names, and every frame of its tracks.

    Raises:
        DataError: No file of CVAT, one that is wrong, or none of its images is here.
    """
    images, overlap = ImageLookup(root), document.overlap or OVERLAP
    files = [indexed(path) for path in find_annotation_files(root, ".xml")]
    if not any(file.images or file.tracks for file in files):
        raise DataError(f"{root}: no XML file here holds images or tracks of CVAT")
    items = [item for file in files for item in _items(file, images, overlap)]
    missing = [(file.path, name) for file in files for name in file.missing]
    if not items:
        raise DataError(
            f"{missing[0][0]}: names the image {missing[0][1]!r} and {len(missing) - 1} "
            f"others, and none is here; export again with 'Save images', or put them into "
            f"{missing[0][0].parent / IMAGES}"
        )
    _refuse_twins(items)
    return Scan(
        entries=make_keys_unique(map(_entry, items)),
        classes=_classes(files, document),
        codec=SHAPE_CODEC,
        overlap=overlap,
        notes=tuple(_notes(items, missing, len(images))),
    )


def write(folder: Path, picture: Picture) -> WriteResult:
    """The image, and its shapes as text for `finish`."""
    drawing, split = picture.drawing, picture.entry.split
    copy_image(picture, folder / IMAGES / (split or DEFAULT) / picture.name)
    attributes: dict[str, list[str]] = defaultdict(list)
    for shape in drawing.shapes:
        attributes[shape.label] += [n for n in shape.attributes if n not in {"occluded"}]
    height, width = picture.size_HW
    head = f"name={quoteattr(picture.name)} subset={quoteattr(split or DEFAULT)}"
    record = {
        "subset": split or DEFAULT,
        "head": f'{head} width="{width}" height="{height}"',
        "shapes": "".join(text_of(drawing)),
        "attributes": {label: sorted(set(names)) for label, names in attributes.items()},
    }
    polygons = filter(is_polygon, drawing.shapes)
    moved = sum(count_moved(drawing, shape, "coco") for shape in polygons)
    return WriteResult(record=record, lost={MOVED: moved})


def finish(folder: Path, spec: LabelSpec, records: Iterable[Record]) -> None:
    """One file for all, in the form of a project with a task for each split."""
    attributes: dict[str, set[str]] = defaultdict(set)
    sizes: dict[str, int] = {}
    body = folder / f".{FILE}.body"
    with body.open("w", encoding="utf-8") as file:
        for number, record in enumerate(records):
            sizes[record["subset"]] = sizes.get(record["subset"], 0) + 1
            for label, names in record["attributes"].items():
                attributes[label] |= set(names)
            task = 1 + list(sizes).index(record["subset"])
            head = f'<image id="{number}" task_id="{task}" {record["head"]}>'
            file.write(f"  {head}\n{record['shapes']}  </image>\n")
    colors = {c.name: c.color for c in spec}
    if IGNORED in attributes:
        colors[IGNORED] = voc_palette()[IGNORE]
    labels = "".join(_label(name, color, attributes[name]) for name, color in colors.items())
    with (folder / FILE).open("w", encoding="utf-8") as file:
        file.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n')
        file.write("  <version>1.1</version>\n  <meta>\n    <project>\n      <tasks>\n")
        file.writelines(_task(n, *size) for n, size in enumerate(sizes.items(), start=1))
        subsets = escape("\n".join(sizes))
        file.write(f"      </tasks>\n      <subsets>{subsets}</subsets>\n      <labels>\n")
        file.write(f"{labels}      </labels>\n    </project>\n  </meta>\n")
        with body.open(encoding="utf-8") as rest:
            shutil.copyfileobj(rest, file)
        file.write("</annotations>\n")
    body.unlink()


def _task(number: int, subset: str, num_images: int) -> str:
    return (
        f"        <task><id>{number}</id><name>{escape(subset)}</name><size>{num_images}</size>"
        f"<mode>annotation</mode><subset>{escape(subset)}</subset></task>\n"
    )


def _label(name: str, color: Rgb, attributes: Iterable[str]) -> str:
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


def _classes(files: list[CvatFile], document: DatasetFile) -> tuple[ClassEntry, ...]:
    """As the files declare them, with their colours; where they declare none, as they occur."""
    declared: dict[str, ClassEntry] = {}
    for file in files:
        declared = {**file.classes, **declared}
    names = declared.keys() or {label for file in files for label in file.labels}
    found = list_shape_classes(names, document)
    if document.classes is not None or not declared:
        return found
    color = declared[found[0].name].color if found[0].name in declared else None
    drawn = [n for n in declared if n != IGNORED and n.lower() not in BACKGROUND_NAMES]
    return (found[0].model_copy(update={"color": color}), *(declared[name] for name in drawn))


def _items(file: CvatFile, images: ImageLookup, overlap: Overlap) -> Iterator[_Item]:
    for image in file.images:
        name = PurePosixPath(image.tag.name.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts:
            raise DataError(
                f"{file.path}: the image name {image.tag.name!r} leads out of the folder; "
                f"correct it"
            )
        subset = image.tag.subset or file.subset
        path = _find(images, file.path, name.as_posix(), subset)
        if path is None:
            file.missing.append(image.tag.name)
            continue
        whole = name.suffix.lower() in image_suffixes()
        place = name if whole else name.with_name(name.name + path.path.suffix)
        size_HW = (image.tag.height, image.tag.width)
        read = partial(_read, file.path, image.tag.name, path, size_HW, (image.span,))
        labels = Annotation(file=file.path, place=image.tag.name, overlap=overlap, read=read)
        yield _Item(subset, place, path, labels, not image.num_shapes)
    if file.tracks:
        yield from _frames(file, images, overlap)


def _find(images: ImageLookup, file: Path, name: str, subset: str | None) -> ImageRef | None:
    """The image in the folder of its subset, in `images`, or the only one of that name."""
    for folder in _folders(file, subset):
        found = images.find_at(folder, name) or images.find_without_suffix(folder, name)
        if found is not None:
            return found
    if subset and (file.parent / IMAGES / subset).is_dir():
        return None
    return images.find(name, where=str(file))


def _folders(file: Path, subset: str | None) -> tuple[Path, ...]:
    near = file.parent
    of_subset = (near / IMAGES / subset, near / subset) if subset else ()
    return (*of_subset, near / IMAGES, near)


def _frames(file: CvatFile, images: ImageLookup, overlap: Overlap) -> Iterator[_Item]:
    """The frames of each subset that are here, with what its tracks state for them."""
    by_subset: dict[str | None, list[Track]] = defaultdict(list)
    for subset in file.subsets or (file.subset,):
        by_subset[subset] = []
    for track in file.tracks:
        by_subset[track.tag.subset or file.subset].append(track)
    for subset, tracks in by_subset.items():
        frames = _numbered(images, file.path, subset)
        spans: dict[int, list[Span]] = defaultdict(list)
        for track in tracks:
            refuse_gaps(track, sorted(frames), file.path)
            for stated, span in track.shapes:
                if stated.outside != "1":
                    spans[stated.frame].append(span)
        file.missing += [
            f"frame_{number:06d}" for number in sorted(spans.keys() - frames.keys())
        ]
        for number, image in frames.items():
            found, where = tuple(spans[number]), f"frame {number}"
            read = partial(_read, file.path, where, image, None, found)
            labels = Annotation(file=file.path, place=where, overlap=overlap, read=read)
            yield _Item(subset, PurePosixPath(image.path.name), image, labels, not found)


def _numbered(images: ImageLookup, file: Path, subset: str | None) -> Mapping[int, ImageRef]:
    for folder in _folders(file, subset):
        matches = (
            (_FRAME.fullmatch(image.path.stem), image) for image in images.list_folder(folder)
        )
        found = {int(match[1]): image for match, image in matches if match}
        if found:
            return found
    return {}


def _read(
    path: Path,
    place: str,
    image: ImageRef,
    stated_HW: tuple[int, int] | None,
    spans: tuple[Span, ...],
) -> Drawing:
    where, size_HW = f"{path}: {place}", image_size(image)
    if stated_HW not in {None, size_HW}:
        raise DataError(
            f"{where}: is {stated_HW} (H, W), {image} is {size_HW}; put the image there that "
            f"was annotated"
        )
    shapes, skipped = [], Counter[str]()
    for span in spans:
        element = read_element(path, span.start, span.end, where=where)
        label = None if span.track is None else span.track.label
        for part in element if element.tag == "image" else (element,):
            shape = shape_of(part, size_HW, label=label, where=where)
            if shape is None:
                skipped[SKIPPED[part.tag]] += 1
            elif span.track is None:
                shapes.append(shape)
            else:
                shapes.append(replace(shape, instance=f"track {span.track.id}"))
    return Drawing(size_HW=size_HW, shapes=tuple(shapes), raster="coco", skipped=skipped)


def _refuse_twins(items: list[_Item]) -> None:
    places: dict[ImageRef, Annotation] = {}
    for item in items:
        other = places.setdefault(item.image, item.labels)
        if other is not item.labels:
            raise DataError(
                f"{item.labels} and {other} both mean {item.image}; keep one, or put the "
                f"images into folders as CVAT exports them"
            )


def _entry(item: _Item) -> Entry:
    named, key, group = parse_place(item.place)
    split = named if item.subset is None else _split(item)
    return Entry(key=key, split=split, image=item.image, labels=item.labels, group=group)


def _split(item: _Item) -> str:
    subset = item.subset or DEFAULT
    if subset == DEFAULT:
        return UNSPLIT
    known = normalise_split(subset.lower())
    return known if known in SPLITS else subset


def _notes(
    items: list[_Item], missing: list[tuple[Path, str]], num_images: int
) -> Iterator[str]:
    if bare := sum(item.bare for item in items):
        yield f"{bare} images without a shape are all background"
    if num_images > len(items):
        yield f"{num_images - len(items)} images that no XML file names are passed over"
    if missing:
        path, name = missing[0]
        yield f"{path}: {len(missing)} images that it names are not here, {name!r} the first"
