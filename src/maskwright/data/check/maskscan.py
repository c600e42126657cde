"""MaskScan: what `check` measures of one mask, from its raw values in strips.

A mask in one piece is one strip; every measure is that of the whole mask, see `shapes.regions`.
"""

import math
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...core.codec import LabelCodec
from ...core.errors import DataError
from ...core.image import ValidMap
from ...core.labels import IGNORE, LabelMap
from ..classes.survey import count_values
from ..entries.votes import ignore_invalid
from ..pixels.reduce import shrink
from ..pixels.strips import is_large
from ..shapes.regions import RegionTally
from .defects import DefectTally, MaskDefects, Strip
from .task import BoxTally

_MIN_BORDERS = 16


@dataclass(slots=True)
class BlurTally:
    """Counts borders of values, by whether they pass through a value between their sides.

    A blend of two packed colours lies between them too: its first channel that differs does.
    Across a hard border no pixel lies between; a smoothed one between raw values at least 2
    apart has one or more. So has a class that is one pixel wide between two others: the hard
    borders of its wide parts outnumber these.
    """

    through: int = 0
    hard: int = 0
    _above: NDArray[np.integer] | None = None

    def add(self, raw_HW: NDArray[np.integer]) -> None:
        """Take the next strip."""
        part_HW = raw_HW if self._above is None else np.vstack([self._above, raw_HW])
        self._above = part_HW[-2:].copy()
        for lines in (raw_HW, part_HW.T):
            wide = lines.astype(np.int32)
            before, middle, after = wide[:, :-2], wide[:, 1:-1], wide[:, 2:]
            far = np.abs(after - before) >= 2
            inside = (middle != before) & (middle != after)
            between = inside & ((before < middle) == (middle < after))
            self.through += int((far & between).sum())
            self.hard += int(((before != after) & ~inside).sum())

    @property
    def ratio(self) -> float:
        """Share of borders, in [0, 1], that pass through a value between those of two sides."""
        # a hard border counts twice: once before and once after the middle pixel
        total = self.through + self.hard / 2
        return self.through / total if total >= _MIN_BORDERS else 0.0


@dataclass(slots=True)
class MaskScan:
    """Collects the measures of one mask; `where` is its file, for messages.

    `values` are pixels by raw value where the image holds data, `num_invalid` the others, None
    where all hold data. Of the labels of a large mask, so many pixels are kept that its longer
    side has `side_px`; None keeps all. Without `is_listed`, a value is not in the codec.
    """

    codec: LabelCodec | None
    where: str
    size_HW: tuple[int, int]
    finds_blur: bool
    side_px: int | None
    values: Counter[int] = field(default_factory=Counter)
    num_invalid: int | None = None
    num_ignored: int = 0
    blur: BlurTally = field(default_factory=BlurTally)
    regions: RegionTally = field(default_factory=RegionTally)
    boxes: BoxTally = field(default_factory=BoxTally)
    is_listed: bool = True
    _defects: DefectTally = field(default_factory=DefectTally)
    _strip: Strip | None = None
    _kept: list[LabelMap] = field(default_factory=list)

    def add(self, raw_HW: NDArray[np.integer], valid_HW: ValidMap | None) -> None:
        """Take the next strip."""
        if self.finds_blur:
            self.blur.add(raw_HW)
        if self.codec is None:
            return
        self._count(raw_HW, valid_HW)
        labels_HW = self._decode(self.codec, raw_HW)
        if labels_HW is None:
            return
        labels_HW = ignore_invalid(labels_HW, valid_HW)
        self._keep(labels_HW)
        self.num_ignored += int(np.count_nonzero(labels_HW == IGNORE))
        around = Strip(labels_HW) if self._strip is None else self._strip.extend(labels_HW)
        self._strip = around
        for index, ended in self.regions.add(labels_HW):
            self._defects.add(index, ended, around)
            self.boxes.add(index, ended)

    def _keep(self, labels_HW: LabelMap) -> None:
        if self.side_px is None or not is_large(self.size_HW):
            self._kept.append(labels_HW)
            return
        top = self.regions.num_rows
        sides = zip(self.size_HW, shrink(self.size_HW, self.side_px), strict=True)
        row_h, column_w = ((np.arange(n) + 0.5) * side // n for side, n in sides)
        inside_h = row_h[(row_h >= top) & (row_h < top + len(labels_HW))] - top
        self._kept.append(labels_HW[np.ix_(inside_h.astype(int), column_w.astype(int))])

    def _count(self, raw_HW: NDArray[np.integer], valid_HW: ValidMap | None) -> None:
        if valid_HW is not None:
            self.num_invalid = (self.num_invalid or 0) + int(np.count_nonzero(~valid_HW))
            raw_HW = raw_HW[valid_HW][None]  # (P,) -> (1, P)
        if raw_HW.size:
            self.values.update(dict(zip(*count_values(raw_HW), strict=True)))

    def _decode(self, codec: LabelCodec, raw_HW: NDArray[np.integer]) -> LabelMap | None:
        if self.is_listed:
            try:
                return codec.decode(raw_HW, where=self.where)
            except DataError:  # reported as unlisted values
                self.is_listed = False
        return None

    def finish(self) -> MaskDefects | None:
        """The defects, when all strips were taken; None where a value is not in the codec."""
        if self.codec is None or not self.is_listed:
            return None
        for index, last in self.regions.finish():
            self._defects.add(index, last, None)
            self.boxes.add(index, last)
        return self._defects.finish(self.regions)

    @property
    def ignored_ratio(self) -> float:
        """Share of the pixels that are IGNORE, in [0, 1]."""
        return self.num_ignored / math.prod(self.size_HW)

    @property
    def labels_hw(self) -> LabelMap:
        """The labels, or those that are kept of a large mask; every value is in the codec."""
        return self._kept[0] if len(self._kept) == 1 else np.concatenate(self._kept)
