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

import cv2
import numpy as np
from numpy.typing import NDArray

from ...core.labels import LabelMap
from ..shapes.drawing import Drawing

DefectCode = Literal[
    "specks",
    "pin-holes",
    "gaps",
]
"""Kinds of findings on single class maps."""

SPECK_PX = 4
_MOST_LOOKED_AT = 1000
"""So many tiny regions of a class are tested for being pin holes; the others are specks."""

_TWO, _THREE = np.ones((2, 2), np.uint8), np.ones((3, 3), np.uint8)


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
    defects = MaskDefects()
    for index in np.unique(labels_HW).tolist():
        _add_defects(labels_HW, index, defects)
    return defects


def _add_defects(labels_HW: LabelMap, index: int, defects: MaskDefects) -> None:
    inside_HW = (labels_HW == index).view(np.uint8)
    _, region_HW, stats, _ = cv2.connectedComponentsWithStats(inside_HW, connectivity=8)
    area_R = stats[:, cv2.CC_STAT_AREA]
    tiny = np.flatnonzero(area_R[1:] <= SPECK_PX) + 1
    holes = sum(_lies_in_one_class(labels_HW, stats[r], index) for r in tiny[:_MOST_LOOKED_AT])
    defects.pin_holes += Counter({index: holes})
    defects.specks += Counter({index: len(tiny) - holes})
    if cv2.erode(inside_HW, _THREE, borderValue=0).any():
        thick_HW = cv2.erode(inside_HW, _TWO, borderValue=0) > 0
        thick = np.zeros(len(stats), np.bool_)
        thick[region_HW[thick_HW]] = True
        thin = ~thick & (area_R > SPECK_PX)
        defects.gap_px += Counter({index: int(area_R[1:][thin[1:]].sum())})


def _lies_in_one_class(labels_HW: LabelMap, stat: NDArray[np.int32], index: int) -> bool:
    """Whether a region away from the image border is surrounded by pixels of one class."""
    left, top, width, height = stat[:4].tolist()
    bottom, right = top + height, left + width
    if not (top and left and bottom < labels_HW.shape[0] and right < labels_HW.shape[1]):
        return False
    around = labels_HW[top - 1 : bottom + 1, left - 1 : right + 1]
    others = np.unique(around[around != index])
    return len(others) == 1 and bool((around != index)[[0, -1]].all())


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
