"""Labelbox: exports v2, and files for its import; a row is a line of NDJSON or of an array.

    <export>.ndjson    masks/<id>.png    <images>

The image of a data row is the file called as its external id, its global key, the last part of
its address, or its id, with any suffix. Masks are addresses in an export, dead after 30 days.
They are never fetched: download each with the API key, as a PNG into `masks` beside the file,
called by the id in its address (`.../masks/<id>/...`, `.../annotations/<id>/...`, else the last
part of it), or, where it holds all objects of an image, as that image. The pixels of an object
are those of its colour, else all that are not black. `mask.png` of an import is a PNG in base64
with 0 and 1.

Polygons are filled as Labelbox's own library does it, by OpenCV with the outline. Objects are
painted in the order of the file. The split is a folder, else the metadata field `split`. Boxes,
points and lines are skipped and counted.
Source: docs.labelbox.com, "Export image annotations" and "Import image annotations"; labelbox
6, data/annotation_types/geometry and data/serialization/ndjson/objects.py.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError
from ...classes.dataset_yaml import DatasetFile
from ...entries.annotation import SHAPE_CODEC, Annotation, list_shape_classes
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
from ...pixels.images import image_size
from ...reading.documents import find_annotation_files, peek_first
from ...reading.jsonindex import JsonIndex
from ...reading.lookup import ImageLookup
from ...reading.pngmask import decode_base64, open_png
from ...shapes.drawing import Drawing, Overlap, Shape
from ...shapes.raster import Crop, crop_mask
from ...shapes.segments import crop_each_id
from .rows import ROWS, DataRow, Drawn, Mask, Row, index_rows, is_plain, looks_labelbox

OVERLAP: Overlap = "file"
MASKS = "masks"
_SUFFIXES = (".ndjson", ".jsonl", ".json")
_OTHER_COLORS = "pixels of masks in a colour of no object"
_Files = Mapping[str, Path]


@dataclass(slots=True)
class _Item:
    """The rows of one image, in one file."""

    index: JsonIndex
    exported: bool
    split: str
    numbers: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Found:
    """What the rows that were gone through say."""

    items: dict[ImageRef, _Item] = field(default_factory=dict)
    labels: set[str] = field(default_factory=set)
    missing: list[tuple[str, str]] = field(default_factory=list)
    files: dict[Path, _Files] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)


def recognises(root: Path) -> bool:
    """Whether the first file of rows has Labelbox's keys."""
    words = ('"data_row"', '"dataRow"', '"DataRow ID"')
    return any(
        any(word in text for word in words)
        for text in (peek_first(root, suffix) for suffix in _SUFFIXES)
    )


def scan(root: Path, document: DatasetFile) -> Scan:
    """Every labelled row whose image is there.

    Raises:
        DataError: A file is an export v1, a row is of a video or has several labels, or masks
            are not there.
    """
    images, overlap = ImageLookup(root, without={MASKS}), document.overlap or OVERLAP
    found = _gathered(root, images)
    if found.missing:
        raise _missing(*found.missing[0], others=len(found.missing) - 1)
    if not found.items:
        raise DataError(
            f"{root}: no row of Labelbox here is labelled and has its image here"
            + "".join(f"; {count} rows {what}" for what, count in found.counts.items())
        )
    bare = len(images) - len(found.items)
    return Scan(
        entries=make_keys_unique(_entries(root, found, overlap)),
        classes=list_shape_classes(found.labels, document),
        codec=SHAPE_CODEC,
        overlap=overlap,
        notes=(
            *(f"{count} rows {what}" for what, count in sorted(found.counts.items())),
            *((f"{bare} images that no row names are passed over",) if bare else ()),
        ),
    )


def _gathered(root: Path, images: ImageLookup) -> _Found:
    """What all rows of all files say."""
    found, by_id = _Found(), defaultdict[str, list[ImageRef]](list)
    for image in images:
        by_id[image.path.stem].append(image)
    paths = chain.from_iterable(find_annotation_files(root, suffix) for suffix in _SUFFIXES)
    for path in filter(looks_labelbox, paths):
        index = index_rows(path)
        found.files[path] = _mask_files(path)
        for number in range(len(index.spans[ROWS])):
            row = index.read_at(ROWS, np.array([number]), Row)[0]
            _add(found, row, (index, number), images, by_id)
    return found


def _add(
    found: _Found,
    row: Row,
    place: tuple[JsonIndex, int],
    images: ImageLookup,
    by_id: Mapping[str, list[ImageRef]],
) -> None:
    """One row."""
    index, number = place
    where, named = f"{index.path}: {ROWS}.{number}", row.data_row or row.dataRow
    if named is None:
        raise DataError(f"{where}: has no 'data_row', so it is no row of an export v2")
    image = _image(named, images, by_id, where)
    if image is None:
        found.counts["name an image that is not here"] += 1
        return
    objects = row.objects(where=where)
    if objects is None:
        found.counts["have no label"] += 1
        return
    exported = row.data_row is not None
    item = found.items.setdefault(image, _Item(index, exported, row.split))
    if item.numbers and (exported or item.exported or item.index is not index):
        raise DataError(
            f"{where}: {image} is the image of {item.index.path}: {ROWS}.{item.numbers[0]} "
            f"too; keep one of the two"
        )
    item.numbers.append(number)
    for drawn in filter(lambda drawn: drawn.is_region, objects):
        found.labels.add(_name(drawn, where))
        if drawn.masks and _pixels(drawn, image, found.files[index.path], where) is None:
            found.missing.append((f"{where} ({image.path.name})", drawn.masks[0].url or ""))


def _image(
    named: DataRow, images: ImageLookup, by_id: Mapping[str, list[ImageRef]], where: str
) -> ImageRef | None:
    for name in (*named.names(), named.id):
        if image := images.find(name, where=where):
            return image
        if len(same := by_id.get(name, [])) > 1:
            raise DataError(
                f"{where}: names the image {name!r}, and {same[0]} and {same[1]} are called "
                f"so; keep one"
            )
        if same:
            return same[0]
    return None


def _name(drawn: Drawn, where: str) -> str:
    if not drawn.name:
        raise DataError(
            f"{where}: an object has no 'name' (only a schema id, perhaps), so its class is "
            f"not known; write the name of the tool"
        )
    return drawn.name


def _mask_files(path: Path) -> _Files:
    """Files that are masks, by their name without the suffix."""
    folder = path.parent / MASKS
    return {file.stem: file for file in sorted(folder.glob("*.png"))} if folder.is_dir() else {}


def _pixels(
    drawn: Drawn, image: ImageRef, files: _Files, where: str
) -> tuple[Mask, Path | None] | None:
    """A mask of an object, and its file, None for one that is in the row; None where none is.

    A file is called by the id in its address, or, if it has colours, as the image.
    """
    for mask in drawn.masks:
        if mask.png is not None:
            return mask, None
        if not mask.url:
            raise DataError(f"{where}: a mask without address and pixels; export it again")
        names = [name.removesuffix(".png") for name in mask.names() if is_plain(name)]
        if mask.color is not None:
            names.append(image.path.stem)
        if path := next((files[name] for name in names if name in files), None):
            return mask, path
    return None


def _missing(where: str, url: str, others: int) -> DataError:
    names = list(Mask(url=url).names())
    name = names[0].removesuffix(".png") if names and is_plain(names[0]) else "<id>"
    more = f", nor are {others} others" if others else ""
    return DataError(
        f"{where}: its mask {url[:200]} is not here{more}; nothing is fetched: download the "
        f"masks with your API key within 30 days of the export, this one as "
        f"{MASKS}/{name}.png beside the file; a mask of all objects may be called as its image"
    )


def _entries(root: Path, found: _Found, overlap: Overlap) -> Iterator[Entry]:
    for image, item in found.items.items():
        split, key, group = parse_place(image.path.relative_to(root))
        read = partial(
            _read, item.index, tuple(item.numbers), image, found.files[item.index.path]
        )
        path = item.index.path
        drawn = Annotation(file=path, place=image.path.name, overlap=overlap, read=read)
        named = normalise_split(item.split.lower())
        said = split or (named if named in SPLITS else UNSPLIT)
        yield Entry(key=key, split=said, image=image, labels=drawn, group=group)


def _read(
    index: JsonIndex, numbers: tuple[int, ...], image: ImageRef, files: _Files
) -> Drawing:
    size_HW, skipped, shapes = image_size(image), Counter[str](), list[Shape]()
    drawn = list(_objects(index, numbers, image, size_HW))
    colors: dict[Path, set[int]] = {}
    found: list[tuple[Mask, Path | None] | None] = []
    for one, where in drawn:
        pixels = _pixels(one, image, files, where) if one.masks else None
        if one.masks and pixels is None:
            raise _missing(where, one.masks[0].url or "", others=0)
        found.append(pixels)
        if pixels is not None and pixels[1] is not None and pixels[0].color is not None:
            colors.setdefault(pixels[1], set()).add(_packed(pixels[0].color))
    crops = {path: _crops(path, known, size_HW, skipped) for path, known in colors.items()}
    for (one, where), pixels in zip(drawn, found, strict=True):
        if not one.is_region:
            skipped[_kind(one)] += 1
        elif pixels is None:
            shapes.append(_shape(one, where, rings=(_ring(one, where),)))
        else:
            shapes.append(_shape(one, where, masks=(_crop(*pixels, size_HW, crops, where),)))
    return Drawing(size_HW=size_HW, shapes=tuple(shapes), raster="opencv", skipped=skipped)


def _objects(
    index: JsonIndex, numbers: tuple[int, ...], image: ImageRef, size_HW: tuple[int, int]
) -> Iterator[tuple[Drawn, str]]:
    """The objects of the rows of one image, and where each is."""
    for number, row in zip(numbers, index.read_at(ROWS, np.array(numbers), Row), strict=True):
        where, media = f"{index.path}: {ROWS}.{number}", row.media_attributes
        if (media.height or size_HW[0], media.width or size_HW[1]) != size_HW:
            raise DataError(
                f"{where}: is of {media.height} x {media.width} (H x W), {image} is {size_HW}; "
                f"put the image there that was labelled"
            )
        for drawn in row.objects(where=where) or ():
            yield drawn, where


def _kind(drawn: Drawn) -> str:
    kinds = {"boxes": drawn.bounding_box, "points": drawn.point, "lines": drawn.line}
    return next((kind for kind in kinds if kinds[kind] is not None), "objects of another kind")


def _shape(drawn: Drawn, where: str, **region: Any) -> Shape:
    answers = {question.name: question.text() for question in drawn.classifications}
    return Shape(
        label=_name(drawn, where), instance=drawn.id or None, attributes=answers, **region
    )


def _ring(drawn: Drawn, where: str) -> NDArray[np.float64]:
    corners = drawn.polygon or ()
    if len(corners) < 3:
        raise DataError(f"{where}: a polygon of {len(corners)} corners; draw it again")
    return np.array([(corner.x, corner.y) for corner in corners], np.float64)


def _packed(color: tuple[int, int, int]) -> int:
    return color[0] | color[1] << 8 | color[2] << 16


def _crop(
    mask: Mask,
    path: Path | None,
    size_HW: tuple[int, int],
    crops: Mapping[Path, Mapping[int, Crop]],
    where: str,
) -> Crop:
    if path is None:
        return _painted(mask.png or "", size_HW, where)
    if mask.color is None:
        return crop_mask(_colors(path, size_HW) != 0)
    if (crop := crops[path].get(_packed(mask.color))) is not None:
        return crop
    raise DataError(
        f"{where}: the colour {list(mask.color)} is nowhere in {path}; download the mask of "
        f"this label again, and do not convert it"
    )


def _painted(text: str, size_HW: tuple[int, int], where: str) -> Crop:
    """The ones of a PNG of 0 and 1."""
    with open_png(decode_base64(text, where=where), size_HW, where=where) as image:
        inside_HW = np.array(image).astype(np.int64)
    if inside_HW.shape != size_HW or inside_HW.max(initial=0) > 1:
        raise DataError(
            f"{where}: its mask is {inside_HW.shape} with values up to {inside_HW.max()}, "
            f"expected {size_HW} and 0 or 1; write it so"
        )
    return crop_mask(inside_HW == 1)


def _crops(
    path: Path, known: set[int], size_HW: tuple[int, int], skipped: Counter[str]
) -> dict[int, Crop]:
    """The pixels of each colour that an object has; others that are not black are counted."""
    color_HW = _colors(path, size_HW)
    colors = np.array(sorted(known))
    place_HW = np.searchsorted(colors, color_HW).clip(max=len(colors) - 1)
    hit_HW = colors[place_HW] == color_HW
    skipped[_OTHER_COLORS] += int(np.count_nonzero(~hit_HW & (color_HW != 0)))
    crops = crop_each_id(np.where(hit_HW, place_HW + 1, 0))
    return {int(colors[place - 1]): crop for place, crop in crops.items() if place}


def _colors(path: Path, size_HW: tuple[int, int]) -> NDArray[np.int32]:
    """H x W packed colours of a mask; 0 where it is transparent.

    Raises:
        DataError: Unreadable, no PNG, or of another size than its image.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    with open_png(content, size_HW, where=str(path)) as image:
        rgba_HW = np.array(image.convert("RGBA")).view("<u4")[..., 0]
    if rgba_HW.shape != size_HW:
        raise DataError(f"{path}: is {rgba_HW.shape} (H, W), its image is {size_HW}")
    return np.where(rgba_HW >> 24, rgba_HW & 0xFFFFFF, 0).astype(np.int32)
