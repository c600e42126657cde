"""Drawing: the shapes that people drew on one image, and how they are painted.

A reader lists shapes in the order of its file. Where two shapes overlap, one rule decides which
is visible: `Overlap`, which holds for a whole dataset and is recorded in its dataset.yaml.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...core.codec import UNDRAWN
from ...core.errors import DataError
from ..pixels.faults import MAX_PIXELS
from .raster import Crop, Raster, Ring, clip, fill, unite

Overlap = Literal["file", "z", "smaller_on_top"] | tuple[str, ...]
"""The rule for which of two shapes is visible: the later in the file; the one of higher z; the
one of fewer pixels; or the one whose label is listed first (labels that are not listed lie
below those that are). Between equals, the later in the file."""


_FAR_OF_COCO = 1 << 22
"""Pixels up to which a corner may lie away where COCO's rule fills."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Shape:
    """One drawn region: rings (which `Drawing.raster` fills), crops of a mask, or both.

    Shapes that are parts of one object have the same `instance`. `attributes` holds further
    properties that the tool stored, by name. `primitive` is what the tool drew where that is
    neither a polygon nor a mask ("rectangles", "circles"), in the plural.
    """

    label: str
    rings: tuple[Ring, ...] = ()
    masks: tuple[Crop, ...] = ()
    z: int = 0
    instance: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    primitive: str = ""

    def __post_init__(self) -> None:
        for ring in self.rings:
            if ring.ndim != 2 or ring.shape[1] != 2 or not np.isfinite(ring).all():
                raise DataError(
                    f"label {self.label!r}: expected finite x, y for each corner of a polygon, "
                    f"got an array of shape {ring.shape}; correct or remove the shape"
                )

    @property
    def is_polygon(self) -> bool:
        """Whether the shape is one ring, which every tool can store as a polygon."""
        return len(self.rings) == 1 and not self.masks and len(self.rings[0]) >= 3

    def fill(self, size_HW: tuple[int, int], raster: Raster) -> Crop:
        """Fill the shape, clipped to the image."""
        crops = [clip(mask, size_HW) for mask in self.masks]
        return unite([*crops, fill(self.rings, size_HW, raster)] if self.rings else crops)


@dataclass(frozen=True, eq=False, kw_only=True)
class Drawing:
    """All shapes on one image.

    `skipped` counts what the file holds beside regions, by kind ("points", "boxes without a
    mask"), and `unread` what it holds on the image and its regions that a Drawing has no place
    for ("flags of images"), so that nothing is dropped in silence.
    """

    size_HW: tuple[int, int]
    shapes: tuple[Shape, ...]
    raster: Raster = "center"
    skipped: Mapping[str, int] = field(default_factory=dict)
    unread: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        height, width = self.size_HW
        if height < 1 or width < 1 or height * width > MAX_PIXELS:
            raise DataError(
                f"the image is {height} x {width} (H x W), expected 1 to {MAX_PIXELS:,} "
                f"pixels; correct the size"
            )
        far = 16 * max(self.size_HW) + 4096
        if self.raster == "coco":  # its fill leaves out what lies beyond the image
            far = max(far, _FAR_OF_COCO)
        for shape in self.shapes:
            reach = max((np.abs(ring).max() for ring in shape.rings if len(ring)), default=0)
            if reach > far:
                raise DataError(
                    f"label {shape.label!r}: a corner lies {reach:.4g} px away, the image is "
                    f"{height} x {width} (H x W); correct or remove the shape"
                )

    def fill_shapes(self) -> list[Crop]:
        """Return the pixels of each shape; they are filled on the first call and then kept."""
        return self._crops

    @cached_property
    def _crops(self) -> list[Crop]:
        return [shape.fill(self.size_HW, self.raster) for shape in self.shapes]

    def sort_by_overlap(self, overlap: Overlap, label_of: Callable[[str], str]) -> "Drawing":
        """Sort the shapes from the lowest to the one on top, and rename their labels."""
        crops = self.fill_shapes() if overlap == "smaller_on_top" else ()
        indices = order_shapes(self.shapes, crops, overlap)
        shapes = (self.shapes[index] for index in indices)
        drawing = replace(
            self, shapes=tuple(replace(s, label=label_of(s.label)) for s in shapes)
        )
        if crops:  # the shapes of the new drawing are filled already
            drawing.__dict__["_crops"] = [crops[index] for index in indices]
        return drawing


def paint(
    drawing: Drawing,
    raw_of: Callable[[str], int],
    overlap: Overlap,
) -> NDArray[np.unsignedinteger]:
    """Paint H x W raw values: `raw_of` each label, and of `UNDRAWN` where no shape lies."""
    undrawn, raws = raw_of(UNDRAWN), [raw_of(shape.label) for shape in drawing.shapes]
    smallest = np.min_scalar_type(max([undrawn, *raws]))  # a byte is decoded the fastest
    painted_HW = np.full(drawing.size_HW, undrawn, smallest)
    crops = drawing.fill_shapes()
    for index in order_shapes(drawing.shapes, crops, overlap):
        rows, columns = crops[index].slices
        painted_HW[rows, columns][crops[index].inside_hw] = raws[index]
    return painted_HW


def order_shapes(shapes: Sequence[Shape], crops: Sequence[Crop], overlap: Overlap) -> list[int]:
    """Order the indices of the shapes from the lowest to the one on top."""
    indices = range(len(shapes))
    # `sorted` is stable, so that between equals the later in the file stays on top.
    if overlap == "file":
        return list(indices)
    if overlap == "z":
        return sorted(indices, key=lambda index: shapes[index].z)
    if overlap == "smaller_on_top":
        areas = [crop.area_px for crop in crops]
        return sorted(indices, key=lambda index: -areas[index])
    rank_of = {label: rank for rank, label in enumerate(reversed(overlap), start=1)}
    return sorted(indices, key=lambda index: rank_of.get(shapes[index].label, 0))


def count_overlap_pixels(drawing: Drawing, overlap: Overlap) -> int:
    """Count the pixels in shapes of two or more labels, where the overlap rule decides."""
    top_HW = np.full(drawing.size_HW, -1, np.int32)
    contested_HW = np.zeros(drawing.size_HW, np.bool_)
    index_of: dict[str, int] = {}
    crops = drawing.fill_shapes()
    for index in order_shapes(drawing.shapes, crops, overlap):
        label_index = index_of.setdefault(drawing.shapes[index].label, len(index_of))
        rows, columns = crops[index].slices
        inside_hw = crops[index].inside_hw
        top_hw = top_HW[rows, columns]
        contested_HW[rows, columns] |= inside_hw & (top_hw >= 0) & (top_hw != label_index)
        top_hw[inside_hw] = label_index
    return int(np.count_nonzero(contested_HW))
