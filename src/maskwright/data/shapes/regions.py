"""Regions: the 8-connected components of each class of a class map that comes in strips.

The strips of a map are given from top to bottom; a map in one piece is one strip. Regions that
reach the last row of a strip are joined with those below it (a disjoint-set forest; Galler and
Fischer 1964), so the numbers are those of the whole map, and memory is that of a strip.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from ...core.labels import LabelMap

_TWO, _THREE = np.ones((2, 2), np.uint8), np.ones((3, 3), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """Pixels and boxes of regions: rows from `top_R` to before `bottom_R`, columns likewise.

    `is_thick_R` tells which hold a square of 2 x 2 px.
    """

    area_R: NDArray[np.int64]
    top_R: NDArray[np.int64]
    bottom_R: NDArray[np.int64]
    left_R: NDArray[np.int64]
    right_R: NDArray[np.int64]
    is_thick_R: NDArray[np.bool_]

    @classmethod
    def empty(cls) -> Self:
        """No region."""
        none = np.zeros(0, np.int64)
        return cls(none, none, none, none, none, none.astype(np.bool_))

    def __len__(self) -> int:
        return len(self.area_R)

    @property
    def is_box_R(self) -> NDArray[np.bool_]:
        """Which fill their box."""
        box_R = (self.bottom_R - self.top_R) * (self.right_R - self.left_R)
        filled_R: NDArray[np.bool_] = self.area_R == box_R
        return filled_R

    def select(self, chosen: NDArray[Any]) -> "Regions":
        """Some of them, by a mask or by indices."""
        return Regions(*(getattr(self, name)[chosen] for name in self.__slots__))

    def join(self, other: "Regions", group_R: NDArray[np.int64]) -> "Regions":
        """One region for each group of these and the others; `group_R` numbers from 0."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in self.__slots__)
        area_R, top_R, bottom_R, left_R, right_R, thick_R = map(np.concatenate, pairs)
        num = int(group_R.max(initial=-1)) + 1
        far = np.iinfo(np.int64).max
        joined = Regions(
            np.zeros(num, np.int64),
            np.full(num, far),
            np.zeros(num, np.int64),
            np.full(num, far),
            np.zeros(num, np.int64),
            np.zeros(num, np.bool_),
        )
        np.add.at(joined.area_R, group_R, area_R)
        np.minimum.at(joined.top_R, group_R, top_R)
        np.maximum.at(joined.bottom_R, group_R, bottom_R)
        np.minimum.at(joined.left_R, group_R, left_R)
        np.maximum.at(joined.right_R, group_R, right_R)
        np.logical_or.at(joined.is_thick_R, group_R, thick_R)
        return joined


@dataclass(slots=True)
class _ClassTracker:
    """The regions of one class that may go on below, and the last two rows of the class."""

    open: Regions = field(default_factory=Regions.empty)
    open_W: NDArray[np.int64] | None = None
    """The number of the open region at each column of the last row, from 1; 0 where none is."""

    above: NDArray[np.uint8] | None = None
    thin_px: int = 0
    is_broad: bool = False

    def add(self, inside_HW: NDArray[np.uint8], top: int) -> Regions:
        """Take a strip whose first row is `top`; returns the regions that end above its end."""
        if self.above is not None and not (self.above.any() or inside_HW.any()):
            return Regions.empty()
        num_above = 0 if self.above is None else len(self.above)
        part_HW = inside_HW if self.above is None else np.vstack([self.above, inside_HW])
        self.above = part_HW[-2:].copy()
        opened_HW = cv2.morphologyEx(part_HW, cv2.MORPH_OPEN, _TWO)[num_above:]
        self.thin_px += int(np.count_nonzero(inside_HW)) - int(np.count_nonzero(opened_HW))
        thick_HW = cv2.erode(part_HW, _TWO, borderValue=0)[num_above:] > 0
        self.is_broad = self.is_broad or bool(cv2.erode(part_HW, _THREE, borderValue=0).any())
        _, number_HW, stats, _ = cv2.connectedComponentsWithStats(inside_HW, connectivity=8)
        left, up, width, height, area = stats[1:].astype(np.int64).T
        is_thick = np.zeros(len(stats), np.bool_)
        is_thick[number_HW[thick_HW]] = True
        own = Regions(area, top + up, top + up + height, left, left + width, is_thick[1:])
        return self._close(own, number_HW[0], number_HW[-1])

    def _close(
        self, own: Regions, first_W: NDArray[np.int32], last_W: NDArray[np.int32]
    ) -> Regions:
        """Join the regions of a strip with the open ones; those in its last row stay open."""
        num_open = len(self.open)
        group_R = np.arange(num_open + len(own))
        if self.open_W is not None and num_open and len(own):
            group_R = _group(_list_contacts(self.open_W, first_W), num_open, len(own))
        joined = self.open.join(own, group_R)
        of_last_W = np.concatenate([[-1], group_R[num_open:]])[last_W]  # (n + 1,) -> (W,)
        stays, place_W = np.unique(of_last_W, return_inverse=True)
        num_none = int(stays[0] < 0)
        self.open = joined.select(stays[num_none:])
        self.open_W = place_W.ravel() + 1 - num_none
        ends = np.ones(len(joined), np.bool_)
        ends[stays[num_none:]] = False
        return joined.select(ends)

    def finish(self) -> Regions:
        """The regions that reach the last row of the map."""
        last, self.open = self.open, Regions.empty()
        return last


def _list_contacts(
    open_W: NDArray[np.int64], first_W: NDArray[np.int32]
) -> NDArray[np.integer[Any]]:
    """The pairs of numbers, (P, 2) from 1, that touch across two rows, also by a corner."""
    pairs = [
        np.stack([open_W[max(0, -shift) :][: len(first_W) - abs(shift)], below], axis=1)
        for shift in (-1, 0, 1)
        for below in (first_W[max(0, shift) :][: len(first_W) - abs(shift)],)
    ]
    found_P2 = np.concatenate(pairs)
    return np.unique(found_P2[found_P2.all(axis=1)], axis=0)


def _group(contacts_P2: NDArray[np.integer[Any]], num_open: int, num: int) -> Any:
    """The group of each open region and of each of a strip, numbered from 0."""
    parent = list(range(num_open + num))

    def find(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for above, below in (contacts_P2 - 1).tolist():
        one, other = find(above), find(num_open + below)
        parent[max(one, other)] = min(one, other)
    roots = [find(node) for node in range(len(parent))]
    return np.unique(roots, return_inverse=True)[1].ravel()


@dataclass(slots=True)
class RegionTally:
    """The regions of all classes of one map, and what else its strips tell of each class.

    `thin_px` counts pixels that no square of 2 x 2 px of the class covers; `broad` are the
    classes with a square of 3 x 3 px.
    """

    num_rows: int = 0
    _trackers: dict[int, _ClassTracker] = field(default_factory=dict)

    @property
    def classes(self) -> list[int]:
        """The class indices that occur, ascending; IGNORE among them."""
        return sorted(self._trackers)

    @property
    def thin_px(self) -> Counter[int]:
        """By class index."""
        return Counter({index: one.thin_px for index, one in self._trackers.items()})

    @property
    def broad(self) -> frozenset[int]:
        """Class indices."""
        return frozenset(index for index, one in self._trackers.items() if one.is_broad)

    def add(self, labels_HW: LabelMap) -> Iterator[tuple[int, Regions]]:
        """Take the next strip; gives, by class, the regions that end above its last row."""
        top, self.num_rows = self.num_rows, self.num_rows + len(labels_HW)
        counts = cv2.calcHist([labels_HW], [0], None, [256], [0, 256])
        for index in sorted({*np.flatnonzero(counts).tolist(), *self._trackers}):
            if index not in self._trackers:
                self._trackers[index] = self._start(labels_HW.shape[1], top)
            inside_HW = (labels_HW == index).view(np.uint8)
            ended = self._trackers[index].add(inside_HW, top)
            if len(ended):
                yield index, ended

    def finish(self) -> Iterator[tuple[int, Regions]]:
        """The regions that reach the last row of the map, by class."""
        for index in self.classes:
            last = self._trackers[index].finish()
            if len(last):
                yield index, last

    @staticmethod
    def _start(width: int, top: int) -> _ClassTracker:
        """The tracker of a class that the rows above `top` lack."""
        above = np.zeros((min(2, top), width), np.uint8)
        return _ClassTracker(above=above if top else None)
