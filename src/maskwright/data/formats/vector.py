"""One layer of polygons over many georeferenced images: GeoPackage, shapefile or GeoJSON.

    images/<split>/<name>.tif     fields.gpkg

The layer may be in any reference system: polygons are transformed to that of each image, and
cover the pixels whose centres are inside (even-odd over the rings); the later lies on top. The
class is the column that `label_key` of dataset.yaml names, else the first of `class`,
`class_name`, `category`, `label`, `type` that occurs; where none does, every polygon has the
class `polygon`. Polygons without a class are IGNORE, and counted; invalid polygons, which cross
themselves, are named. `masks` names the file where there are several, or a layer of it, as
`fields.gpkg/parcels`. Images beyond the layer are left out.

A GeoJSON file per image is the format `geojson`.
Source: OGC GeoPackage 1.3 (12-128r17); ESRI Shapefile Technical Description, 1998; RFC 7946.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ...pages.text import format_count, list_names
from ..classes.dataset_yaml import DatasetFile
from ..entries.annotation import IGNORED, SHAPE_CODEC, Annotation, list_shape_classes
from ..entries.scan import Entry, LeftOut, Scan, make_keys_unique, parse_place
from ..entries.walk import files_below, image_files
from ..georef.placement import Placement
from ..georef.systems import transform_points
from ..pixels.imageref import ImageRef
from ..pixels.images import open_image
from ..reading.vectors import SUFFIXES, VectorLayer, open_layer
from ..shapes.drawing import Drawing, Overlap, Shape
from ..shapes.raster import Ring

READS = frozenset({"label_key"})
OVERLAP: Overlap = "file"
_KEYS = ("class", "class_name", "category", "label", "type")
_UNNAMED = "polygon"
_PLACED = (".tif", ".tiff", ".jp2", ".vrt")
_MARGIN_PX = 1
"""Polygons, which may go on in the next tile, are cut off so far beyond the image."""
_EDGE_POINTS = 21
"""Points along each side and across an image, whose sides are curved in another system."""


def recognises(root: Path) -> bool:
    """Whether there is a lone vector file, that of no image, beside images on the ground."""
    if not root.is_dir():
        return False
    files = _list_files(root)
    return bool(files) and any(True for _ in files_below(root, _PLACED))


def scan(root: Path, document: DatasetFile) -> Scan:
    """Find the images that lie in the layer.

    Raises:
        DataError: No layer or several, none of the images lies in it, or an image has no
            georeference.
        MissingDependencyError: A package of the extra `geo` is not installed.
    """
    file, name = _choose_file(root, document.masks)
    key = document.label_key or _find_key(open_layer(file, name, None))
    layer = open_layer(file, name, key)
    overlap = document.overlap or OVERLAP
    entries, outside = list[Entry](), list[str]()
    for image in image_files(root):
        if _lies_outside(image, layer):
            outside.append(image.path.relative_to(root).as_posix())
            continue
        read = partial(_read, file, name, key, image)
        labels = Annotation(file=file, place=image.path.name, overlap=overlap, read=read)
        split, image_key, group = parse_place(image.path.relative_to(root))
        entries.append(
            Entry(key=image_key, split=split, image=image, labels=labels, group=group)
        )
    if not entries:
        raise DataError(
            f"{layer}: none of {format_count(len(outside), 'image')} lies in the layer, whose "
            f"system is {layer.system}; export it again in the system of the images"
        )
    values = {value for value in layer.values_N if value is not None} if key else {_UNNAMED}
    return Scan(
        entries=make_keys_unique(entries),
        classes=list_shape_classes(values, document),
        codec=SHAPE_CODEC,
        overlap=overlap,
        left_out=(LeftOut("images outside of the layer", tuple(outside)),) if outside else (),
        notes=tuple(_list_notes(layer, key, document)),
    )


def _list_files(root: Path) -> list[Path]:
    """Vector files; of GeoJSON those that have the name of no image."""
    files = list(files_below(root, SUFFIXES))
    if all(file.suffix.lower() != ".geojson" for file in files):
        return files
    stems = {Path(image.path).stem for image in image_files(root)}
    return [f for f in files if f.suffix.lower() != ".geojson" or f.stem not in stems]


def _choose_file(root: Path, masks: str | None) -> tuple[Path, str | None]:
    """The file and the layer that dataset.yaml names, or the only file."""
    if masks is not None:
        path = root / masks
        return (path, None) if path.is_file() else (path.parent, path.name)
    files = _list_files(root)
    if len(files) != 1:
        names = [file.relative_to(root).as_posix() for file in files]
        raise DataError(
            f"{root}: holds {format_count(len(files), 'vector file')}, {list_names(names)}; "
            f"name one as 'masks' in dataset.yaml"
        )
    return files[0], None


def _find_key(layer: VectorLayer) -> str | None:
    """The column of classes by its name, in any case."""
    by_name = {column.lower(): column for column in reversed(layer.columns)}
    return next((by_name[key] for key in _KEYS if key in by_name), None)


def _list_notes(layer: VectorLayer, key: str | None, document: DatasetFile) -> list[str]:
    notes = []
    if key is None:
        notes.append(
            f"no column of {layer} is a class, its polygons are all {_UNNAMED!r}; its columns "
            f"are {list_names(layer.columns)}: name one as 'label_key' in dataset.yaml"
        )
    elif num := sum(value is None for value in layer.values_N):
        notes.append(f"{format_count(num, 'polygon')} without a value of {key!r}: ignored")
    listed = {raw for entry in document.classes or () for raw in entry.raw or (entry.name,)}
    unknown = sorted({v for v in layer.values_N if v is not None and v not in listed})
    if key and document.classes and unknown:
        num = sum(value in unknown for value in layer.values_N)
        notes.append(
            f"{format_count(num, 'polygon')} of classes that dataset.yaml does not list: "
            f"{list_names(unknown)}"
        )
    if layer.invalid:
        shown = [f"{number}: {reason}" for number, reason in layer.invalid.items()]
        notes.append(
            f"{format_count(len(shown), 'invalid polygon')}, filled by the even-odd rule "
            f"({list_names(shown)})"
        )
    notes += [f"{number} {what} skipped" for what, number in layer.skipped.items()]
    return notes


def _place(image: ImageRef, layer: VectorLayer) -> tuple[Placement, int]:
    """Where an image lies, and the EPSG code of its system."""
    placement = open_image(image).placement
    if placement is None or placement.epsg is None:
        has = "has no georeference" if placement is None else "names no EPSG code"
        raise DataError(
            f"{image}: {has}, and {layer} labels places on the ground; save the image as a "
            f"GeoTIFF with its reference system"
        )
    if layer.system is None:
        raise DataError(f"{layer}: names no reference system; export it with one (.prj)")
    return placement, placement.epsg


def _find_box(image: ImageRef, layer: VectorLayer) -> tuple[float, float, float, float]:
    """West, south, east and north of an image in the system of the layer."""
    placement, epsg = _place(image, layer)
    height, width = open_image(image).size_HW
    share = np.linspace(0, 1, _EDGE_POINTS)
    x, y = (grid.ravel() for grid in np.meshgrid(share * width, share * height))
    ground = placement.to_ground(np.stack([x, y], axis=-1))
    points = transform_points(ground, epsg, layer.system or epsg)
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return (0.0, 0.0, 0.0, 0.0)
    (west, south), (east, north) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return west, south, east, north


def _lies_outside(image: ImageRef, layer: VectorLayer) -> bool:
    """Whether the image lies beyond all polygons; False where its place cannot be read.

    What is wrong with such an image is said when its labels are read.
    """
    try:
        box, other = _find_box(image, layer), layer.bounds
    except DataError:
        return False
    return box[0] > other[2] or other[0] > box[2] or box[1] > other[3] or other[1] > box[3]


def _read(file: Path, name: str | None, key: str | None, image: ImageRef) -> Drawing:
    layer = open_layer(file, name, key)
    size_HW = open_image(image).size_HW
    placement, epsg = _place(image, layer)

    def to_pixels(points: NDArray[np.float64]) -> NDArray[np.float64]:
        ground = transform_points(points, layer.system or epsg, epsg)
        return np.round(placement.to_pixels(ground), 6)

    shapes = []
    for index in layer.find(_find_box(image, layer)):
        value = layer.values_N[index] if key else _UNNAMED
        label = IGNORED if value is None else value
        shapes += [
            Shape(label=label, rings=rings, instance=layer.ids_N[index])
            for rings in _cut_rings(layer.polygons_N[index], to_pixels, size_HW)
        ]
    return Drawing(size_HW=size_HW, shapes=tuple(shapes))


def _cut_rings(
    polygon: Any,
    to_pixels: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    size_HW: tuple[int, int],
) -> list[tuple[Ring, ...]]:
    """The rings of each part of a polygon in pixels, cut off some pixels beyond the image."""
    import shapely

    moved = shapely.transform(polygon, to_pixels)
    if not np.isfinite(shapely.get_coordinates(moved)).all():
        return []  # it reaches beyond what the system of the image can hold
    height, width = size_HW
    frame = (-_MARGIN_PX, -_MARGIN_PX, width + _MARGIN_PX, height + _MARGIN_PX)
    west, south, east, north = shapely.bounds(moved).tolist()
    if west < frame[0] or south < frame[1] or east > frame[2] or north > frame[3]:
        sound = moved if shapely.is_valid(moved) else shapely.make_valid(moved)
        moved = shapely.intersection(sound, shapely.box(*frame))
    parts = [p for p in shapely.get_parts(moved) if p.geom_type == "Polygon" and not p.is_empty]
    return [
        tuple(np.array(ring.coords)[:-1, :2] for ring in (part.exterior, *part.interiors))
        for part in parts
    ]
