"""GeoJSON over images: polygons on the ground where an image is placed there, else in pixels.

    <folders>/<name>.tif          <folders>/<name>.geojson            beside it, or
    images/<split>/<name>.tif     labels/<split>/<name>.geojson       any folder for labels

An image is placed by the tags of a GeoTIFF, or by a world file and a .prj file beside it. Then
the file's `crs` must name the system of the image; none is taken for that of the image, unless
the numbers can only be degrees. Without a place coordinates are pixels, (0, 0) being the upper
left corner, y down (QuPath writes so). The class is the property that `label_key` of
dataset.yaml names, else the first of `class`, `class_name`, `classification`, `category`,
`label`, `type` that occurs, else all are of the class `polygon`, and a note says so. Polygons
and multi-polygons have holes (even-odd) and the pixels whose centres are inside; the later is
seen. Other geometries are counted, as are polygons that lie outside the image.

Written are the image with the files that place it and a FeatureCollection beside it, in the
system of the image; the class is the property `class`.
Source: RFC 7946; its predecessor of 2008 for `crs`; QuPath's export for `classification`.
"""

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal

import cv2
import numpy as np
from pydantic import Field, RootModel

from ...core.atomic import write_json
from ...core.errors import DataError
from ..classes.dataset_yaml import DatasetFile
from ..entries.annotation import SHAPE_CODEC, Annotation, list_shape_classes
from ..entries.picture import (
    MOVED,
    Picture,
    WriteResult,
    copy_image,
    count_moved,
)
from ..entries.scan import Entry, Scan, make_keys_unique, parse_place
from ..entries.walk import files_below, image_files
from ..georef.placement import Placement, sidecars
from ..pixels.imageref import ImageRef
from ..pixels.images import open_image
from ..reading.documents import Document, Finite, read_json, validate
from ..shapes.drawing import Drawing, Overlap, Shape
from ..shapes.outline import trace_outlines
from ..shapes.raster import Crop, Ring

HOLDS = frozenset({"overlaps", "attributes", "instances", "ignored", "splits"})
READS = frozenset({"label_key"})
OVERLAP: Overlap = "file"
_SUFFIX, _CLASS, _UNNAMED = ".geojson", "class", "polygon"
_KEYS = (_CLASS, "class_name", "classification", "category", "label", "type")
_EPSG = re.compile(r"EPSG:+(?:[\d.]*:)?(\d+)\b")
_WGS84, _DEGREES = 4326, (360.0, 90.0)
_Position = Annotated[tuple[Finite, ...], Field(min_length=2)]
_Rings = tuple[tuple[_Position, ...], ...]


class _Polygon(RootModel[_Rings]):
    """Rings."""


class _MultiPolygon(RootModel[tuple[_Rings, ...]]):
    """Polygons."""


class _Geometry(Document):
    type: str
    coordinates: Any = None


class _Feature(Document):
    id: int | str | None = None
    geometry: _Geometry | None = None
    properties: dict[str, Any] | None = None

    @property
    def is_area(self) -> bool:
        """Whether it is a polygon, or several."""
        return self.geometry is not None and self.geometry.type in {"Polygon", "MultiPolygon"}


class _Collection(Document):
    type: Literal["FeatureCollection"]
    features: tuple[_Feature, ...]
    crs: Any = None


def recognises(root: Path) -> bool:
    """Whether an image has a GeoJSON file: one of regions of interest alone is no labels."""
    if not root.is_dir() or not any(files_below(root, {_SUFFIX})):
        return False
    return any(_pairs(root))


def scan(root: Path, document: DatasetFile) -> Scan:
    """Every image with a GeoJSON file of its name.

    Raises:
        DataError: There is none, or a file is no FeatureCollection.
    """
    found = list(_pairs(root))
    bare = sum(1 for _ in image_files(root)) - len(found)
    if not found:
        raise DataError(
            f"{root}: no image here has a GeoJSON file of its name; call that of a.tif "
            f"a{_SUFFIX}"
        )
    used = {path for _, path in found}
    key, labels = _classes_in(used, document.label_key)
    overlap = document.overlap or OVERLAP
    entries = []
    for image, path in found:
        drawn = Annotation(file=path, overlap=overlap, read=partial(_read, path, image, key))
        split, name, group = parse_place(image.path.relative_to(root))
        entries.append(Entry(key=name, split=split, image=image, labels=drawn, group=group))
    notes = [f"{bare} images without a GeoJSON file are passed over"] if bare else []
    if not key:
        notes.append(
            f"no property of the polygons says a class, they are all {_UNNAMED!r}; name one as "
            f"'label_key' in dataset.yaml if there is one"
        )
    return Scan(
        entries=make_keys_unique(entries),
        lone_masks=tuple(sorted(set(files_below(root, {_SUFFIX})) - used)),
        classes=list_shape_classes(labels, document),
        codec=SHAPE_CODEC,
        overlap=overlap,
        notes=tuple(notes),
    )


def _pairs(root: Path) -> Iterator[tuple[ImageRef, Path]]:
    """Images with their GeoJSON file, beside or by split and name."""
    files = {_name_of(path, root): path for path in files_below(root, {_SUFFIX})}
    for image in image_files(root):
        beside = Path(image.path.with_suffix(_SUFFIX))
        path = beside if beside.is_file() else files.get(_name_of(image.path, root))
        if path is not None:
            yield image, path


def _name_of(path: PurePath, root: Path) -> tuple[str, str, str]:
    """Split and key, whatever the folders of images and labels are called."""
    split, key, _ = parse_place(path.relative_to(root))
    for folder in ("labels", "masks", "annotations", "geojson", "vectors"):
        key = key.removeprefix(f"{folder}__")
    return split, key, ""


def _classes_in(paths: Iterable[Path], stated: str | None) -> tuple[str, set[str]]:
    """The property that says the class, "" where none does, and the classes that occur."""
    values: dict[str, set[str]] = {key: set() for key in ((stated,) if stated else _KEYS)}
    num_areas = 0
    for path in sorted(paths):
        for feature in read_json(path, _Collection).features:
            num_areas += feature.is_area
            for key, seen in values.items() if feature.is_area else ():
                if (label := _label(feature, key)) is not None:
                    seen.add(label)
    key = stated or next((key for key, seen in values.items() if seen), "")
    return key, values[key] if key else {_UNNAMED} if num_areas else set()


def _label(feature: _Feature, key: str) -> str | None:
    """The class, None where there is none; QuPath's is an object with a name."""
    value = (feature.properties or {}).get(key)
    value = value.get("name") if isinstance(value, dict) else value
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if isinstance(value, str | int) and str(value) else None


def _read(path: Path, image: ImageRef, key: str) -> Drawing:
    opened = open_image(image)
    size_HW, placement = opened.size_HW, opened.placement
    found = read_json(path, _Collection)
    shapes: list[Shape] = []
    skipped: Counter[str] = Counter()
    corners = [np.zeros((0, 2))]
    for number, feature in enumerate(found.features):
        where = f"{path}: features.{number}"
        if not feature.is_area:
            geometry = feature.geometry
            skipped[f"features of type {geometry.type if geometry else 'null'}"] += 1
            continue
        polygons = list(_polygons(feature, where))
        corners += [ring for rings in polygons for ring in rings]
        placed = [_in_pixels(rings, placement) for rings in polygons]
        inside = [rings for rings in placed if _touches(rings, size_HW)]
        skipped["polygons outside the image"] += len(placed) - len(inside)
        shapes += (_shape(feature, rings, key, where) for rings in inside)
    _refuse_elsewhere(_system(found.crs, path), np.concatenate(corners), placement, path, image)
    if len(corners) > 1 and not shapes:
        raise DataError(
            f"{path}: none of its polygons touches {image}, {skipped.total()} features in all; "
            f"is it of another image, or in another reference system?"
        )
    return Drawing(size_HW=size_HW, shapes=tuple(shapes), skipped=skipped)


def _shape(feature: _Feature, rings: tuple[Ring, ...], key: str, where: str) -> Shape:
    label = _label(feature, key) if key else _UNNAMED
    if label is None:
        raise DataError(f"{where}: has no property {key!r}; say its class there")
    instance = None if feature.id is None else str(feature.id)
    return Shape(
        label=label, rings=rings, instance=instance, attributes=_attributes(feature, key)
    )


def _system(crs: Any, path: Path) -> int | None:
    """The code that `crs` names; None where the file names no system."""
    if crs is None:
        return None
    text = json.dumps(crs)
    found = _EPSG.search(text)
    if found is None and "CRS84" not in text:
        raise DataError(f"{path}: crs {text[:60]} is no EPSG code; export it with one")
    return int(found[1]) if found and len(found[1]) < 10 else _WGS84


def _refuse_elsewhere(
    epsg: int | None, corners: Any, placement: Placement | None, path: Path, image: ImageRef
) -> None:
    """Refuse polygons in another system than that of the image."""
    said = f"EPSG:{epsg}"
    if epsg is None:
        looks = bool(len(corners) and (np.abs(corners) <= _DEGREES).all())
        if placement is None or placement.epsg in (None, _WGS84) or not looks:
            return
        said = "what look like degrees, as RFC 7946 says"
    elif placement is not None and placement.epsg == epsg:
        return
    system = "has no georeference"
    if placement is not None:
        known = placement.epsg
        system = f"is in EPSG:{known}" if known else "is in a system without an EPSG code"
    raise DataError(
        f"{path}: is in {said}, and {image} {system}; export the polygons in the system of the "
        f"image"
    )


def _polygons(feature: _Feature, where: str) -> Iterator[tuple[Ring, ...]]:
    """Rings of each polygon, not closed; without rings of fewer than three corners."""
    geometry = feature.geometry
    if geometry is None:
        return
    place = f"{where}: coordinates"
    if geometry.type == "Polygon":
        polygons: Sequence[_Rings] = (
            validate(geometry.coordinates, _Polygon, where=place).root,
        )
    else:
        polygons = validate(geometry.coordinates, _MultiPolygon, where=place).root
    for polygon in polygons:
        rings = [np.array([position[:2] for position in ring]) for ring in polygon]
        rings = [r[:-1] if len(r) > 1 and (r[0] == r[-1]).all() else r for r in rings]
        if rings and len(rings[0]) >= 3:
            yield tuple(ring for ring in rings if len(ring) >= 3)


def _in_pixels(rings: Sequence[Ring], placement: Placement | None) -> tuple[Ring, ...]:
    if placement is None:
        return tuple(rings)
    return tuple(np.round(placement.to_pixels(ring), 6) for ring in rings)


def _touches(rings: Sequence[Ring], size_HW: tuple[int, int]) -> bool:
    low, high = rings[0].min(axis=0), rings[0].max(axis=0)
    return bool((high > 0).all() and (low < size_HW[::-1]).all())


def _attributes(feature: _Feature, key: str) -> dict[str, str]:
    """All other properties that say something."""
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in (feature.properties or {}).items()
        if name != key and value not in (None, "")
    }


def write(folder: Path, picture: Picture) -> WriteResult:
    """The image, what places it, and its polygons."""
    place = folder / picture.entry.split
    copy_image(picture, place / picture.name)
    for file in sidecars(picture.entry.image.file):
        shutil.copyfile(file, place / f"{picture.entry.key}{file.suffix.lower()}")
    placement, drawing = open_image(picture.entry.image).placement, picture.drawing
    features, moved = [], 0
    for shape in drawing.shapes:
        polygons = list(_written(shape, drawing))
        moved += count_moved(drawing, shape, "center") if _is_kept(shape, drawing) else 0
        if polygons:
            features.append(_feature(shape, [_closed(p, placement) for p in polygons]))
    document: dict[str, object] = {"type": "FeatureCollection", "features": features}
    if placement is not None and placement.epsg is not None:
        name = f"urn:ogc:def:crs:EPSG::{placement.epsg}"
        document["crs"] = {"type": "name", "properties": {"name": name}}
    write_json(place / f"{picture.entry.key}{_SUFFIX}", document)
    return WriteResult(lost={MOVED: moved})


def _feature(shape: Shape, polygons: list[Any]) -> dict[str, object]:
    kind = "Polygon" if len(polygons) == 1 else "MultiPolygon"
    geometry = {"type": kind, "coordinates": polygons[0] if len(polygons) == 1 else polygons}
    known = {"id": shape.instance} if shape.instance is not None else {}
    properties = {**shape.attributes, _CLASS: shape.label}
    return {"type": "Feature", **known, "properties": properties, "geometry": geometry}


def _is_kept(shape: Shape, drawing: Drawing) -> bool:
    """Whether rings are written as they are: one, or an outline and its holes."""
    several = len(shape.rings) > 1
    outside = drawing.raster != "center" if several else False
    return bool(shape.rings) and not shape.masks and not outside and len(shape.rings[0]) >= 3


def _written(shape: Shape, drawing: Drawing) -> Iterator[tuple[Ring, ...]]:
    """Polygons as they are; else those along the edges of pixels, one for each region."""
    if _is_kept(shape, drawing):
        yield shape.rings
        return
    crop = shape.fill(drawing.size_HW, drawing.raster)
    if not crop.area_px:
        return
    inside = crop.inside_hw.astype(np.uint8)
    count, regions, stats, _ = cv2.connectedComponentsWithStats(inside, connectivity=4)
    for number in range(1, count):
        left, top, width, height, _ = stats[number].tolist()
        piece = regions[top : top + height, left : left + width] == number
        rings = trace_outlines(Crop(crop.top + top, crop.left + left, piece))
        yield tuple(sorted(rings, key=lambda ring: -abs(_area(ring))))


def _area(ring: Ring) -> float:
    """Above 0 where the ring runs counter-clockwise with y upwards."""
    x, y = ring.T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) / 2


def _closed(rings: Sequence[Ring], placement: Placement | None) -> list[Any]:
    """Coordinates: the outline counter-clockwise, holes clockwise, the first corner again."""
    found = []
    for number, ring in enumerate(rings):
        points = ring if placement is None else placement.to_ground(ring)
        points = points if (_area(points) > 0) == (number == 0) else points[::-1]
        found.append([*points.tolist(), points[0].tolist()])
    return found
