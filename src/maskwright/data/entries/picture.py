"""Picture: one labelled image that is converted, as class map and as shapes."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...core.codec import UNDRAWN, LabelCodec
from ...core.labels import IGNORE, LabelMap, LabelSpec
from ...core.pseudonyms import keeps_ids
from ..classes.kinds import BACKGROUND_NAMES
from ..georef.geotags import nodata_tag
from ..georef.placement import sidecars
from ..pixels.imagefile import list_geotags
from ..pixels.imageref import ImageRef
from ..pixels.images import open_image
from ..pixels.private import copy_pixels
from ..pixels.pseudonyms import is_dicom_file
from ..pixels.tiff_tags import bands_tag
from ..pixels.validity import fill_nodata
from ..shapes.drawing import Drawing, Shape
from ..shapes.outline import count_holes, trace_centers
from ..shapes.raster import Crop, Raster, count_different_pixels, crop_mask, fill, unite
from .annotation import IGNORED, Annotation
from .scan import Entry

PAGE_SUFFIX = ".tif"
"""Suffix of the file that a page of a volume is written to."""

Record = Mapping[str, Any]
"""What `finish` needs of one image, as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteResult:
    """The result of a format's `write`.

    `record` is what `finish` needs of the image; `lost` counts the content that the format
    cannot store, by kind.
    """

    record: Record = field(default_factory=dict)
    lost: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """One image of a dataset.

    `background` is the class that is left undrawn in formats of shapes, None where all that
    is undrawn is IGNORE. `before_HW` are the labels before a mapping of classes. `outlined` is
    the rule that fills polygons, where all regions are to be written as polygons.
    `fingerprint` gives that of the dataset that the image is part of; it reads all files.
    """

    entry: Entry
    codec: LabelCodec
    before_HW: LabelMap
    labels_HW: LabelMap
    background: int | None
    outlined: Raster | None = None
    fingerprint: Callable[[], str] = str

    @property
    def spec(self) -> LabelSpec:
        """The classes."""
        return self.codec.spec

    @property
    def size_HW(self) -> tuple[int, int]:
        """Rows and columns, oriented by EXIF."""
        height, width = self.labels_HW.shape
        return height, width

    @property
    def suffix(self) -> str:
        """The suffix of the image file, .tif for pages and other images of DICOM."""
        image = self.entry.image
        is_page = image.page is not None or self.is_medical
        return PAGE_SUFFIX if is_page else image.file.suffix

    @property
    def is_medical(self) -> bool:
        """Whether a file of one image is DICOM, whose header names a patient.

        Its pixels are written without the header; inside of `keeping_ids` the file is copied.
        """
        image = self.entry.image
        return image.page is None and not keeps_ids.get() and is_dicom_file(image.file)

    @property
    def name(self) -> str:
        """File name of the image: its key and its suffix."""
        return f"{self.entry.key}{self.suffix}"

    @property
    def is_drawn(self) -> bool:
        """Whether the labels are shapes that people drew, not a mask."""
        return isinstance(self.entry.labels, Annotation)

    @property
    def drawing(self) -> Drawing:
        """The shapes to write, from the lowest to the highest, labelled by class name."""
        return self.drawn if self.outlined is None else self.outlining[0]

    @cached_property
    def outlining(self) -> tuple[Drawing, Mapping[str, int]]:
        """The shapes as polygons alone, and counts of what is lost by that."""
        raster = self.outlined or self.drawn.raster
        return outline_shapes(self.drawn, raster, smaller_on_top=not self.is_drawn)

    @cached_property
    def drawn(self) -> Drawing:
        """The shapes of the image from the lowest to the highest, labelled by class name.

        Ignored pixels have the label `IGNORED`. The shapes of a mask are the connected regions
        of each class of things, and one shape for each class of stuff.
        """
        if isinstance(self.entry.labels, Annotation):
            labels = self.entry.labels
            return labels.read().sort_by_overlap(labels.overlap, self._name_class)
        return Drawing(size_HW=self.size_HW, shapes=tuple(self._list_regions()))

    @cached_property
    def by_class(self) -> Drawing:
        """The labels as one shape for each class that is drawn, in the order of the classes."""
        shapes = (Shape(label=label, masks=(crop,)) for label, _, crop in self._crop_classes())
        return Drawing(size_HW=self.size_HW, shapes=tuple(shapes))

    def _name_class(self, label: str) -> str:
        raw = self.codec.raw_of(label)
        if raw in self.codec.ignored:
            return IGNORED
        return self.spec.names[self.codec.raw_to_index[raw]]

    def _list_regions(self) -> Iterator[Shape]:
        for label, is_thing, crop in self._crop_classes():
            if is_thing:
                yield from _split_regions(crop, label)
            else:
                yield Shape(label=label, masks=(crop,))

    def _crop_classes(self) -> Iterator[tuple[str, bool, Crop]]:
        """Yield label, whether it is a thing, and the pixels of each class that is drawn."""
        counts = np.bincount(self.labels_HW.ravel(), minlength=256)
        for value in np.flatnonzero(counts).tolist():
            if value == self.background or (value == IGNORE and self.background is None):
                continue
            crop = crop_mask(self.labels_HW == value)
            if value == IGNORE:
                yield IGNORED, False, crop
            else:
                entry = self.spec.classes[value]
                yield entry.name, entry.kind == "thing", crop


def find_background(codec: LabelCodec) -> int | None:
    """The class of pixels that no shape covers; None where those are IGNORE."""
    if codec.pixels == "name":
        raw = codec.raw_of(UNDRAWN)
        return codec.raw_to_index.get(raw)
    names = [name.lower() for name in codec.spec.names]
    return next((i for i, name in enumerate(names) if name in BACKGROUND_NAMES), None)


def codec_of_shapes(spec: LabelSpec, background: int | None) -> LabelCodec:
    """The codec of written shapes: labels are the names of classes."""
    names = (*spec.names, UNDRAWN, IGNORED)
    undrawn, ignored = len(spec), len(spec) + 1
    raw_to_index = {index: index for index in range(len(spec))}
    if background is not None:
        raw_to_index[undrawn] = background
    return LabelCodec(
        spec=spec,
        raw_to_index=raw_to_index,
        ignored=frozenset({ignored} if background is not None else {undrawn, ignored}),
        pixels="name",
        names=names,
    )


def count_moved(drawing: Drawing, shape: Shape, raster: Raster) -> int:
    """Count the pixels that a polygon gains or loses by the fill rule of another tool."""
    if raster == drawing.raster or not shape.rings:
        return 0
    before, after = (fill(shape.rings, drawing.size_HW, r) for r in (drawing.raster, raster))
    return count_different_pixels(before, after)


MOVED = "pixels at the borders of polygons, which the tool fills by another rule"
"""What `count_moved` counts, in an account."""

MASKED = "polygons with holes or several parts, written as masks"
HOLES = "holes in regions, which are filled"
HOLE_PIXELS = "pixels of holes that are filled"
PARTS = "parts of objects, written as separate objects"
_OUTLINE_PIXELS = "pixels at the borders of regions, whose outlines run through pixel centres"


def count_masked(drawing: Drawing) -> int:
    """Count the shapes with several rings, which a tool of simple polygons stores as masks."""
    return sum(bool(shape.rings) and not shape.is_polygon for shape in drawing.shapes)


def outline_shapes(
    drawing: Drawing, raster: Raster, *, smaller_on_top: bool
) -> tuple[Drawing, Mapping[str, int]]:
    """Outline all shapes by polygons of one ring each; also gives counts of what is lost.

    The polygons are to be filled by `raster`. Holes are filled; with `smaller_on_top`, smaller
    regions are moved on top, so that what lies in a hole stays visible.
    """
    shapes: list[tuple[int, Shape]] = []
    lost = Counter({MOVED: 0, HOLES: 0, HOLE_PIXELS: 0, _OUTLINE_PIXELS: 0})
    for index, (shape, crop) in enumerate(
        zip(drawing.shapes, drawing.fill_shapes(), strict=True)
    ):
        if shape.is_polygon:
            lost[MOVED] += count_moved(drawing, shape, raster)
            shapes.append((crop.area_px, shape))
            continue
        rings = trace_centers(crop)
        whole = unite([fill((ring,), drawing.size_HW, "opencv") for ring in rings])
        written = unite([fill((ring,), drawing.size_HW, raster) for ring in rings])
        lost[HOLES] += count_holes(crop)
        lost[HOLE_PIXELS] += count_different_pixels(crop, whole)
        lost[_OUTLINE_PIXELS] += count_different_pixels(whole, written)
        several = len(rings) > 1 and not smaller_on_top and shape.instance is None
        instance = f"region {index}" if several else shape.instance
        shapes += (
            (
                fill((ring,), drawing.size_HW, "opencv").area_px,
                replace(shape, rings=(ring,), masks=(), instance=instance),
            )
            for ring in rings
        )
    if smaller_on_top:
        shapes.sort(key=lambda item: -item[0])
    polygons = tuple(shape for _, shape in shapes)
    return replace(drawing, shapes=polygons, raster=raster), lost


def copy_image(picture: Picture, path: Path) -> None:
    """Copy the image file, and the files that place it on the ground, to `path`.

    A page, an image of DICOM, and the bands of a scene become a TIFF file of their own. What a
    photograph says beside its pixels is left out, see `pixels.private`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    image = picture.entry.image
    if image.page is None and not image.bands and not picture.is_medical:
        if keeps_ids.get():
            shutil.copyfile(image.file, path)
        else:
            copy_pixels(image, path)
        for file in sidecars(image.file):
            shutil.copyfile(file, path.with_suffix(file.suffix.lower()))
    else:
        _write_page(image, path)


def _write_page(page: ImageRef, path: Path) -> None:
    """Write the pixels of one page uncompressed, which every TIFF reader supports.

    The file has the georeference and the names of the bands. Pixels without data have one
    value, which it declares.
    """
    import tifffile

    if path.suffix.lower() != PAGE_SUFFIX:
        path = path.with_name(path.name + PAGE_SUFFIX)
    opened = open_image(page)
    image_HWC, nodata = fill_nodata(*opened.read_data())
    tags = [*list_geotags(opened), *([] if nodata is None else [nodata_tag(nodata)])]
    if opened.bands:
        tags.append(bands_tag(opened.bands))
    colored = image_HWC.shape[2] == 3
    tifffile.imwrite(
        path,
        image_HWC if image_HWC.shape[2] > 1 else image_HWC[..., 0],
        photometric="rgb" if colored else "minisblack",
        planarconfig="contig" if image_HWC.shape[2] > 1 else None,
        metadata=None,
        extratags=tags,
    )


def write_mask(
    path: Path, raw_HW: NDArray[np.unsignedinteger], palette: NDArray[np.uint8] | None = None
) -> None:
    """Write a PNG of raw values, 8 or 16 bits, with a palette (256 x 3) if one is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(raw_HW)
    if palette is not None:
        image.putpalette(palette.tobytes())
    image.save(path, "PNG")


def _split_regions(crop: Crop, label: str) -> Iterator[Shape]:
    """Split a mask into one shape per 8-connected region."""
    _, regions, stats, _ = cv2.connectedComponentsWithStats(
        crop.inside_hw.astype(np.uint8), connectivity=8
    )
    for number, (left, top, width, height, _) in enumerate(stats.tolist()[1:], start=1):
        inside = regions[top : top + height, left : left + width] == number
        mask = Crop(crop.top + top, crop.left + left, inside)
        yield Shape(label=label, masks=(mask,), instance=f"{label}-{number}")
