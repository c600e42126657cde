"""Drawing: the shapes that people drew on one image, and the class map they make.

A reader gives shapes in the order of its file. Which of two that overlap is seen is one rule,
`Overlap`, chosen for a whole data set and recorded in its dataset.yaml.
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
"""Which shape is seen: the later in the file; the one of higher z, then the later; the one of
fewer pixels, then the later; or that of the label named first, then the later (labels that are
not named lie below all that are)."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Shape:
    """One drawn region: rings (as `raster` reads them) or pieces of a mask, or both.

    `instance` is the same for shapes that are parts of one object; `attributes` is what else
    the tool stored of it, by name.
    """

    label: str
    rings: tuple[Ring, ...] = ()
    masks: tuple[Crop, ...] = ()
    z: int = 0
    instance: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for ring in self.rings:
            if ring.ndim != 2 or ring.shape[1] != 2 or not np.isfinite(ring).all():
                raise DataError(
                    f"label {self.label!r}: a polygon needs x, y for each corner, finite "
                    f"numbers, got shape {ring.shape}"
                )

    def fill(self, size_HW: tuple[int, int], raster: Raster) -> Crop:
        """Its pixels, cut at the image's border."""
        pieces = [clip(mask, size_HW) for mask in self.masks]
        return unite([*pieces, fill(self.rings, size_HW, raster)] if self.rings else pieces)


@dataclass(frozen=True, eq=False, kw_only=True)
class Drawing:
    """All shapes on one image.

    `skipped` counts what was read and is no region, by what it is ("points", "boxes without a
    mask"), so that nothing is dropped in silence.
    """

    size_HW: tuple[int, int]
    shapes: tuple[Shape, ...]
    raster: Raster = "center"
    skipped: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        height, width = self.size_HW
        if height < 1 or width < 1 or height * width > MAX_PIXELS:
            raise DataError(
                f"the image is {height} x {width} (H x W), expected 1 to {MAX_PIXELS:,} pixels"
            )
        far = 16 * max(self.size_HW) + 4096
        for shape in self.shapes:
            reach = max((np.abs(ring).max() for ring in shape.rings if len(ring)), default=0)
            if reach > far:
                raise DataError(
                    f"label {shape.label!r}: a corner lies {reach:.4g} px away, the image is "
                    f"{height} x {width} (H x W); correct or remove the shape"
                )

    def fill_shapes(self) -> list[Crop]:
        """The pixels of each shape; they are filled once."""
        return self._crops

    @cached_property
    def _crops(self) -> list[Crop]:
        return [shape.fill(self.size_HW, self.raster) for shape in self.shapes]

    def sort_by_overlap(self, overlap: Overlap, label_of: Callable[[str], str]) -> "Drawing":
        """Its shapes from the lowest to the one on top, under other labels."""
        crops = self.fill_shapes() if overlap == "smaller_on_top" else ()
        places = order_shapes(self.shapes, crops, overlap)
        shapes = (self.shapes[place] for place in places)
        drawing = replace(
            self, shapes=tuple(replace(s, label=label_of(s.label)) for s in shapes)
        )
        if crops:
            drawing.__dict__["_crops"] = [crops[place] for place in places]
        return drawing


def paint(
    drawing: Drawing,
    number_of: Callable[[str], int],
    overlap: Overlap,
) -> NDArray[np.unsignedinteger]:
    """H x W numbers of labels, as `number_of` gives them; `UNDRAWN` where nothing was drawn."""
    undrawn, numbers = number_of(UNDRAWN), [number_of(s.label) for s in drawing.shapes]
    smallest = np.min_scalar_type(max([undrawn, *numbers]))  # a byte is decoded the fastest
    painted_HW = np.full(drawing.size_HW, undrawn, smallest)
    crops = drawing.fill_shapes()
    for place in order_shapes(drawing.shapes, crops, overlap):
        rows, columns = crops[place].slices
        painted_HW[rows, columns][crops[place].inside_hw] = numbers[place]
    return painted_HW


def order_shapes(shapes: Sequence[Shape], crops: Sequence[Crop], overlap: Overlap) -> list[int]:
    """Places of the shapes from the lowest to the one on top."""
    places = range(len(shapes))
    if overlap == "file":
        return list(places)
    if overlap == "z":
        return sorted(places, key=lambda place: shapes[place].z)
    if overlap == "smaller_on_top":
        areas = [crop.area_px for crop in crops]
        return sorted(places, key=lambda place: -areas[place])
    above = {label: rank for rank, label in enumerate(reversed(overlap), start=1)}
    return sorted(places, key=lambda place: above.get(shapes[place].label, 0))


def count_overlap_pixels(drawing: Drawing, overlap: Overlap) -> int:
    """Pixels that are in shapes of two labels or more, so that the rule decided."""
    first_HW = np.full(drawing.size_HW, -1, np.int32)
    twice_HW = np.zeros(drawing.size_HW, np.bool_)
    numbers: dict[str, int] = {}
    crops = drawing.fill_shapes()
    for place in order_shapes(drawing.shapes, crops, overlap):
        number = numbers.setdefault(drawing.shapes[place].label, len(numbers))
        rows, columns = crops[place].slices
        inside_hw = crops[place].inside_hw
        below_hw = first_HW[rows, columns]
        twice_HW[rows, columns] |= inside_hw & (below_hw >= 0) & (below_hw != number)
        below_hw[inside_hw] = number
    return int(np.count_nonzero(twice_HW))
