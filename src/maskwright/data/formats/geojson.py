"""GeoJSON for images: polygons in the georeference of the image, or in pixels without one.

    <folders>/<name>.tif          <folders>/<name>.geojson            beside it, or
    images/<split>/<name>.tif     labels/<split>/<name>.geojson       any folder for labels

The georeference of an image is in the tags of a GeoTIFF, or in a world file and a .prj file
beside it. Then the file's `crs` must name the reference system of the image; a file without
`crs` is read in the system of the image, unless its coordinates can only be degrees. Without a
georeference, coordinates are pixels with (0, 0) in the upper left corner and y down, as QuPath
writes them. The class is the property that `label_key` of dataset.yaml names, else the first of
`class`, `class_name`, `classification`, `category`, `label`, `type` that occurs; where none
does, every polygon has the class `polygon`, and a note says so. Polygons and multi-polygons may
have holes (even-odd) and cover the pixels whose centres are inside; the later lies on top.
Other geometries and polygons outside the image are skipped and counted.

`convert` writes the image with its files of georeference and a FeatureCollection beside it, in
the system of the image; the class is the property `class`, and for QuPath `classification`.
Polygons are valid: one that crosses or touches itself, and one of several rings that another
tool fills in another way, is written along the edges of its pixels.
Source: RFC 7946; its predecessor of 2008 for `crs`; QuPath's export for `classification`.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import Annotated, Literal

import cv2
import numpy as np
from pydantic import Field, RootModel

from ...core.atomic import write_json
from ...core.errors import DataError
from ...core.labels import IGNORE, Rgb, voc_palette
from ..classes.dataset_yaml import DatasetFile
from ..entries.annotation import ATTRIBUTE_TYPES, SHAPE_CODEC, Annotation, list_shape_classes
from ..entries.picture import (
    MOVED,
    Picture,
    WriteResult,
    copy_image,
    count_moved,
)
from ..entries.scan import Entry, Scan, make_keys_unique, parse_place
from ..entries.walk import files_below, image_files
from ..georef.placement import Placement
from ..pixels.imageref import ImageRef
from ..pixels.images import open_image
from ..reading.documents import Document, Finite, read_json, validate
from ..reading.lookup import ImageLookup, NameTable
from ..shapes.drawing import Drawing, Overlap, Shape
from ..shapes.outline import is_simple, trace_outlines
from ..shapes.raster import Crop, Ring

HOLDS = frozenset(
    {"polygons", "overlaps", "attributes", "instances", "ignored", "usual splits"}
)
READS = frozenset({"label_key"})
OVERLAP: Overlap = "file"
_SUFFIX, _CLASS, _UNNAMED = ".geojson", "class", "polygon"
_QUPATH = "classification"
_KEYS = (_CLASS, "class_name", _QUPATH, "category", "label", "type")
_STEPPED = "polygons of several rings or that cross themselves, written along edges of pixels"
_EPSG = re.compile(r"EPSG:+(?:[\d.]*:)?(\d+)\b")
_WGS84, _DEGREES = 4326, (360.0, 90.0)
_Position = Annotated[tuple[Finite, ...], Field(min_length=2)]
_Rings = tuple[tuple[_Position, ...], ...]
_Coordinates = list[list[float]]
"""The corners of one ring as they are written: [x, y], the first again at the end."""


class _Polygon(RootModel[_Rings]):
    """The rings of a polygon."""


class _MultiPolygon(RootModel[tuple[_Rings, ...]]):
    """The polygons of a multi-polygon."""


class _Geometry(Document):
    type: str
    coordinates: object = None


class _Feature(Document):
    id: int | str | None = None
    geometry: _Geometry | None = None
    properties: dict[str, object] | None = None

    @property
    def is_area(self) -> bool:
        """Whether the geometry is a polygon or a multi-polygon."""
        return self.geometry is not None and self.geometry.type in {"Polygon", "MultiPolygon"}


class _Collection(Document):
    type: Literal["FeatureCollection"]
    features: tuple[_Feature, ...]
    crs: object = None


def recognises(root: Path) -> bool:
    """Whether an image has a GeoJSON file of its name; a lone file of regions has no labels."""
    if not root.is_dir() or not any(files_below(root, {_SUFFIX})):
        return False
    return any(_pair_files(root))


def scan(root: Path, document: DatasetFile) -> Scan:
    """Pair every image with the GeoJSON file of its name.

    Raises:
        DataError: No image has one, or a file is not a FeatureCollection.
    """
    pairs = list(_pair_files(root))
    if not pairs:
        raise DataError(
            f"{root}: no image here has a GeoJSON file of its name; call the file of a.tif "
            f"a{_SUFFIX}"
        )
    used = {path for _, path in pairs}
    key, labels = _collect_classes(used, document.label_key)
    overlap = document.overlap or OVERLAP
    entries = []
    for image, path in pairs:
        labelled = Annotation(file=path, overlap=overlap, read=partial(_read, path, image, key))
        split, name, group = parse_place(image.path.relative_to(root))
        entries.append(Entry(key=name, split=split, image=image, labels=labelled, group=group))
    images, paired = ImageLookup(root), {image for image, _ in pairs}
    notes = list[str]()
    if not key:
        notes.append(
            f"no property of the polygons is a class, they are all {_UNNAMED!r}; name one as "
            f"'label_key' in dataset.yaml if there is one"
        )
    return Scan(
        entries=make_keys_unique(entries),
        lone_masks=tuple(sorted(set(files_below(root, {_SUFFIX})) - used)),
        classes=list_shape_classes(labels, document),
        codec=SHAPE_CODEC,
        overlap=overlap,
        left_out=images.leave_out_others("images without a GeoJSON file", paired),
        notes=tuple(notes),
    )


def _pair_files(root: Path) -> Iterator[tuple[ImageRef, Path]]:
    """Pair images with their GeoJSON file: beside the image, or of the same split and name."""
    paths = files_below(root, {_SUFFIX})
    files = NameTable({_parse_name(path, root): path for path in paths})
    for image in image_files(root):
        beside = Path(image.path.with_suffix(_SUFFIX))
        path = beside if beside.is_file() else files.find(_parse_name(image.path, root))
        if path is not None:
            yield image, path


def _parse_name(path: PurePath, root: Path) -> str:
    """Parse split and key, which do not depend on the names of the folders of labels."""
    split, key, _ = parse_place(path.relative_to(root))
    for folder in ("labels", "masks", "annotations", "geojson", "vectors"):
        key = key.removeprefix(f"{folder}__")
    return f"{split}/{key}"


def _collect_classes(paths: Iterable[Path], label_key: str | None) -> tuple[str, set[str]]:
    """Choose the property that is the class, "" where none is, and collect its values."""
    keys = (label_key,) if label_key else _KEYS
    values: dict[str, set[str]] = {key: set() for key in keys}
    num_areas = 0
    for path in sorted(paths):
        for feature in read_json(path, _Collection).features:
            num_areas += feature.is_area
            for key, labels in values.items() if feature.is_area else ():
                if (label := _read_label(feature, key)) is not None:
                    labels.add(label)
    key = label_key or next((key for key, labels in values.items() if labels), "")
    return key, values[key] if key else {_UNNAMED} if num_areas else set()


def _read_label(feature: _Feature, key: str) -> str | None:
    """Read the class, None where there is none; QuPath stores an object with a name."""
    value = (feature.properties or {}).get(key)
    value = value.get("name") if isinstance(value, dict) else value
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if isinstance(value, str | int) and str(value) else None


def _read(path: Path, image: ImageRef, key: str) -> Drawing:
    opened = open_image(image)
    size_HW, placement = opened.size_HW, opened.placement
    collection = read_json(path, _Collection)
    shapes: list[Shape] = []
    skipped: Counter[str] = Counter()
    corners = [np.zeros((0, 2))]
    for index, feature in enumerate(collection.features):
        where = f"{path}: features.{index}"
        if not feature.is_area:
            geometry = feature.geometry
            skipped[f"features of type {geometry.type if geometry else 'null'}"] += 1
            continue
        parsed = list(_parse_polygons(feature, where))
        polygons = [rings for rings in parsed if rings]
        skipped["polygons of fewer than three corners"] += len(parsed) - len(polygons)
        corners += [ring for rings in polygons for ring in rings]
        in_pixels = [_to_pixels(rings, placement) for rings in polygons]
        inside = [rings for rings in in_pixels if _overlaps_image(rings, size_HW)]
        skipped["polygons outside the image"] += len(in_pixels) - len(inside)
        shapes += (_make_shape(feature, rings, key, where) for rings in inside)
    epsg = _parse_epsg(collection.crs, path)
    _require_same_system(epsg, np.concatenate(corners), placement, path, image)
    if len(corners) > 1 and not shapes:
        raise DataError(
            f"{path}: none of its polygons touches {image}, {skipped.total()} features in all; "
            f"it may be of another image or in another reference system: export it again"
        )
    num_typed = sum(_count_typed(feature, key) for feature in collection.features)
    return Drawing(
        size_HW=size_HW,
        shapes=tuple(shapes),
        skipped=+skipped,
        unread={ATTRIBUTE_TYPES: num_typed},
    )


def _make_shape(feature: _Feature, rings: tuple[Ring, ...], key: str, where: str) -> Shape:
    label = _read_label(feature, key) if key else _UNNAMED
    if label is None:
        raise DataError(f"{where}: has no property {key!r}; write its class there")
    instance = None if feature.id is None else str(feature.id)
    return Shape(
        label=label, rings=rings, instance=instance, attributes=_read_attributes(feature, key)
    )


def _parse_epsg(crs: object, path: Path) -> int | None:
    """Parse the EPSG code of `crs`; None where the file names no reference system."""
    if crs is None:
        return None
    text = json.dumps(crs)
    match = _EPSG.search(text)
    if match is None and "CRS84" not in text:
        raise DataError(f"{path}: crs {text[:60]} is not an EPSG code; export it with one")
    return int(match[1]) if match and len(match[1]) < 10 else _WGS84


def _require_same_system(
    epsg: int | None, corners_N2: Ring, placement: Placement | None, path: Path, image: ImageRef
) -> None:
    """Require polygons in the reference system of the image."""
    file_system = f"EPSG:{epsg}"
    if epsg is None:
        are_degrees = bool(len(corners_N2) and (np.abs(corners_N2) <= _DEGREES).all())
        if placement is None or placement.epsg in (None, _WGS84) or not are_degrees:
            return
        file_system = "degrees by its values, as RFC 7946 requires"
    elif placement is not None and placement.epsg == epsg:
        return
    image_system = "has no georeference"
    if placement is not None:
        code = placement.epsg
        image_system = f"is in EPSG:{code}" if code else "is in a system without an EPSG code"
    raise DataError(
        f"{path}: is in {file_system}, and {image} {image_system}; export the polygons in the "
        f"system of the image"
    )


def _parse_polygons(feature: _Feature, where: str) -> Iterator[tuple[Ring, ...]]:
    """Parse the rings of each polygon, without the closing corner.

    Rings of fewer than three corners are left out; without its first ring a polygon has none.
    """
    geometry = feature.geometry
    if geometry is None:
        return
    where = f"{where}: coordinates"
    if geometry.type == "Polygon":
        polygons: Sequence[_Rings] = (
            validate(geometry.coordinates, _Polygon, where=where).root,
        )
    else:
        polygons = validate(geometry.coordinates, _MultiPolygon, where=where).root
    for polygon in polygons:
        rings = [np.array([position[:2] for position in ring]) for ring in polygon]
        rings = [r[:-1] if len(r) > 1 and (r[0] == r[-1]).all() else r for r in rings]
        is_area = rings and len(rings[0]) >= 3
        yield tuple(ring for ring in rings if len(ring) >= 3) if is_area else ()


def _to_pixels(rings: Sequence[Ring], placement: Placement | None) -> tuple[Ring, ...]:
    if placement is None:
        return tuple(rings)
    return tuple(np.round(placement.to_pixels(ring), 6) for ring in rings)


def _overlaps_image(rings: Sequence[Ring], size_HW: tuple[int, int]) -> bool:
    """Whether the bounding box of the outline overlaps the image."""
    low, high = rings[0].min(axis=0), rings[0].max(axis=0)
    return bool((high > 0).all() and (low < size_HW[::-1]).all())


def _count_typed(feature: _Feature, key: str) -> int:
    """Count the attributes that are not text."""
    attributes = _read_attributes(feature, key) if feature.is_area else {}
    properties = feature.properties or {}
    return sum(not isinstance(properties[name], str) for name in attributes)


def _read_attributes(feature: _Feature, key: str) -> dict[str, str]:
    """Read all other properties that are not empty, without the class in QuPath's form."""
    label = _read_label(feature, key)
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in (feature.properties or {}).items()
        if name != key and value not in (None, "")
        if name != _QUPATH or _read_label(feature, _QUPATH) != label
    }


def write(folder: Path, picture: Picture) -> WriteResult:
    """Copy the image and its files of georeference, and write its polygons."""
    split_folder = folder / picture.entry.split
    copy_image(picture, split_folder / picture.name)
    placement, drawing = open_image(picture.entry.image).placement, picture.drawing
    colors = {entry.name: entry.color for entry in picture.spec}
    features, moved, stepped = [], 0, 0
    for shape in drawing.shapes:
        kept = _is_polygon(shape, drawing)
        polygons = [shape.rings] if kept else list(_trace_polygons(shape, drawing))
        moved += count_moved(drawing, shape, "center") if kept else 0
        stepped += bool(shape.rings) and not kept
        if polygons:
            color = colors.get(shape.label, voc_palette()[IGNORE])
            rings = [_close_rings(polygon, placement) for polygon in polygons]
            features.append(_make_feature(shape, rings, color))
    document: dict[str, object] = {"type": "FeatureCollection", "features": features}
    if placement is not None and placement.epsg is not None:
        name = f"urn:ogc:def:crs:EPSG::{placement.epsg}"
        document["crs"] = {"type": "name", "properties": {"name": name}}
    write_json(split_folder / f"{picture.entry.key}{_SUFFIX}", document)
    return WriteResult(lost={MOVED: moved, _STEPPED: stepped})


def _make_feature(
    shape: Shape, polygons: list[list[_Coordinates]], color: Rgb
) -> dict[str, object]:
    kind = "Polygon" if len(polygons) == 1 else "MultiPolygon"
    geometry = {"type": kind, "coordinates": polygons[0] if len(polygons) == 1 else polygons}
    feature_id = {"id": shape.instance} if shape.instance is not None else {}
    classification = {"name": shape.label, "color": list(color)}
    properties = {**shape.attributes, _CLASS: shape.label, _QUPATH: classification}
    return {"type": "Feature", **feature_id, "properties": properties, "geometry": geometry}


def _is_polygon(shape: Shape, drawing: Drawing) -> bool:
    """Whether rings are written unchanged: one ring, or an outline and its holes."""
    even_odd = len(shape.rings) == 1 or drawing.raster == "center"
    return bool(shape.rings) and not shape.masks and even_odd and is_simple(shape.rings)


def _trace_polygons(shape: Shape, drawing: Drawing) -> Iterator[tuple[Ring, ...]]:
    """Trace a polygon along the edges of pixels for each 4-connected region."""
    crop = shape.fill(drawing.size_HW, drawing.raster)
    if not crop.area_px:
        return
    inside = crop.inside_hw.astype(np.uint8)
    count, regions, stats, _ = cv2.connectedComponentsWithStats(inside, connectivity=4)
    for region in range(1, count):
        left, top, width, height, _ = stats[region].tolist()
        region_hw = regions[top : top + height, left : left + width] == region
        rings = trace_outlines(Crop(crop.top + top, crop.left + left, region_hw))
        yield tuple(sorted(rings, key=lambda ring: -abs(_signed_area(ring))))


def _signed_area(ring: Ring) -> float:
    """The area of a ring; positive where it runs counter-clockwise with y upwards."""
    x, y = ring.T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) / 2


def _close_rings(rings: Sequence[Ring], placement: Placement | None) -> list[_Coordinates]:
    """Coordinates of closed rings, as RFC 7946 orders them.

    The outline runs counter-clockwise, holes clockwise; the first corner is repeated.
    """
    coordinates = []
    for index, ring in enumerate(rings):
        points = ring if placement is None else placement.to_ground(ring)
        points = points if (_signed_area(points) > 0) == (index == 0) else points[::-1]
        coordinates.append([*points.tolist(), points[0].tolist()])
    return coordinates
