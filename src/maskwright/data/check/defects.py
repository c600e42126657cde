"""Defects that annotators leave in class maps: specks, pin holes, gaps; similar class names.

A region is an 8-connected component of one class. Up to `SPECK_PX` pixels it is a speck, or a
pin hole where one class surrounds it. A strip nowhere wider than one
pixel, of a class (or IGNORE) that is broad elsewhere in the image, is a gap between shapes that
were meant to touch.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...core.labels import LabelMap
from ..shapes.drawing import Drawing
from ..shapes.regions import Regions, RegionTally

DefectCode = Literal[
    "specks",
    "pin-holes",
    "gaps",
]
"""Kinds of findings on single class maps."""

SPECK_PX = 4
_MOST_LOOKED_AT = 1000
"""So many tiny regions of a class are tested for being pin holes; the others are specks."""

_ROWS_ABOVE = SPECK_PX + 1
"""Rows above a strip in which a small region that ends in the strip can lie, with its ring."""


@dataclass(slots=True)
class MaskDefects:
    """Specks and pin holes (regions) and gaps (pixels) of one class map, by class index."""

    specks: Counter[int] = field(default_factory=Counter)
    pin_holes: Counter[int] = field(default_factory=Counter)
    gap_px: Counter[int] = field(default_factory=Counter)

    def by_code(self) -> Iterator[tuple[DefectCode, Counter[int]]]:
        """The code and the counts of each defect that occurs."""
        by_code: dict[DefectCode, Counter[int]] = {
            "specks": self.specks,
            "pin-holes": self.pin_holes,
            "gaps": self.gap_px,
        }
        return ((code, counts) for code, counts in by_code.items() if counts)


def find_defects(labels_HW: LabelMap) -> MaskDefects:
    """Find specks, pin holes and gaps among the regions of a class map."""
    tally, regions = DefectTally(), RegionTally()
    for index, ended in regions.add(labels_HW):
        tally.add(index, ended, Strip(labels_HW))
    for index, last in regions.finish():
        tally.add(index, last, None)
    return tally.finish(regions)


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """Rows of a class map from row `top` on: those in which a small region and its ring lie."""

    labels_HW: LabelMap
    top: int = 0

    def extend(self, labels_HW: LabelMap) -> "Strip":
        """The strip that follows, with the last rows of this one above it."""
        above_HW = self.labels_HW[-_ROWS_ABOVE:]
        top = self.top + len(self.labels_HW) - len(above_HW)
        return Strip(np.vstack([above_HW, labels_HW]), top)


@dataclass(slots=True)
class DefectTally:
    """Collects the defects of one class map from its regions."""

    specks: Counter[int] = field(default_factory=Counter)
    pin_holes: Counter[int] = field(default_factory=Counter)
    strips_px: Counter[int] = field(default_factory=Counter)
    num_looked_at: Counter[int] = field(default_factory=Counter)

    def add(self, index: int, regions: Regions, around: Strip | None) -> None:
        """Take regions of a class; `around` shows them, None for those at the image border."""
        tiny = np.flatnonzero(regions.area_R <= SPECK_PX)
        looked = tiny[: max(0, _MOST_LOOKED_AT - self.num_looked_at[index])]
        self.num_looked_at[index] += len(looked)
        holes = 0
        if around is not None:
            holes = sum(_lies_in_one_class(around, regions, row, index) for row in looked)
        self.pin_holes[index] += holes
        self.specks[index] += len(tiny) - holes
        is_strip_R = ~regions.is_thick_R & (regions.area_R > SPECK_PX)
        self.strips_px[index] += int(regions.area_R[is_strip_R].sum())

    def finish(self, regions: RegionTally) -> MaskDefects:
        """The defects, when all regions were taken."""
        gap_px = Counter({index: self.strips_px[index] for index in regions.broad})
        return MaskDefects(+self.specks, +self.pin_holes, +gap_px)


def _lies_in_one_class(around: Strip, regions: Regions, row: int, index: int) -> bool:
    """Whether a region away from the image border is surrounded by pixels of one class."""
    top, bottom = int(regions.top_R[row]) - around.top, int(regions.bottom_R[row]) - around.top
    left, right = int(regions.left_R[row]), int(regions.right_R[row])
    height, width = around.labels_HW.shape
    if not (top and left and bottom < height and right < width):
        return False
    ring = around.labels_HW[top - 1 : bottom + 1, left - 1 : right + 1]
    others = np.unique(ring[ring != index])
    return len(others) == 1 and bool((ring != index)[[0, -1]].all())


def measure_outside(drawing: Drawing) -> tuple[int, float]:
    """Number of shapes more than a pixel outside the image, and the largest distance in px."""
    height, width = drawing.size_HW
    reaches = [
        max(
            (_measure_reach(ring, width, height) for ring in shape.rings if len(ring)),
            default=0,
        )
        for shape in drawing.shapes
    ]
    return sum(reach > 1 for reach in reaches), max(reaches, default=0.0)


def _measure_reach(ring: NDArray[np.float64], width: int, height: int) -> float:
    low, high = ring.min(axis=0), ring.max(axis=0)
    return float(max(-low[0], -low[1], high[0] - width, high[1] - height, 0.0))


def find_alike(names: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Groups of names that differ only in case, spacing or signs: `car`, `Car`."""
    groups: dict[str, list[str]] = {}
    for name in names:
        bare = re.sub(r"[\W_]+", "", name.casefold())
        groups.setdefault(bare, []).append(name)
    return (tuple(group) for group in groups.values() if len(group) > 1)


def find_gaps(values: Iterable[int]) -> list[int]:
    """Integers from 0 to the largest of `values` that are not among them."""
    there = set(values)
    return [value for value in range(max(there, default=0)) if value not in there]
