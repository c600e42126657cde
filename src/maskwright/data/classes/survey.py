"""Survey: the raw values in a set of mask files with counts, before any codec exists."""

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ...core.progress import Progress, silent
from ...pages.text import format_small_share
from ..pixels.imageref import ImageRef
from ..pixels.images import image_size
from ..pixels.rawmask import GREY, Pixels, read_mask_strips
from .kinds import RegionTally, find_step, tally_regions

MAX_VALUES = 4096
"""More distinct values than this are counted as one excess: photographs, lossy masks."""

_ENOUGH_FOR_KINDS = 32
"""So many masks, evenly spaced, show the regions of the classes."""

ONE_BIT, BLACK_AND_WHITE = "1 bit", "black and white"
_WHITES = {1: "0 and 1", 255: "0 and 255", 65535: "0 and 65535"}


@dataclass(slots=True)
class ValueCount:
    """Occurrence of one raw value: pixels, number of masks, and the first mask."""

    first: ImageRef
    pixels: int = 0
    masks: int = 0


@dataclass(slots=True)
class Survey:
    """Counts over the masks read; `unreadable` holds at most eight messages.

    `colored` is the first mask with a colour that is not grey. `binary` counts the masks that
    hold 0 and one of 1, 255 and 65535 by form, such as "0 and 255" or `ONE_BIT`; `num_empty`
    those of 0 alone. `nodata` are the values that the files declare to be without data.
    """

    counts: dict[int, ValueCount] = field(default_factory=dict)
    kinds: dict[Pixels, ImageRef] = field(default_factory=dict)
    num_masks: int = 0
    num_pixels: int = 0
    excess: bool = False
    num_unreadable: int = 0
    unreadable: list[str] = field(default_factory=list)
    colored: ImageRef | None = None
    binary: Counter[str] = field(default_factory=Counter)
    num_empty: int = 0
    nodata: set[int] = field(default_factory=set)
    regions: dict[int, RegionTally] = field(default_factory=dict)

    def add(self, mask: ImageRef, *, by_color: bool = False, regions: bool = False) -> None:
        """Count one mask; `by_color` reads palettes as colours, `regions` tallies regions."""
        try:
            stored = _read_mask(mask, by_color=by_color)
        except DataError as error:
            self.num_unreadable += 1
            self.unreadable = [*self.unreadable, str(error)][:8]
            return
        self.kinds.setdefault(stored.pixels, mask)
        self.num_masks += 1
        self.num_pixels += stored.counts.total()
        values = sorted(stored.counts)
        self._note_form(mask, stored, values)
        for value in values:
            if value not in self.counts and len(self.counts) >= MAX_VALUES:
                self.excess = True
                return
            tally = self.counts.setdefault(value, ValueCount(first=mask))
            tally.pixels += stored.counts[value]
            tally.masks += 1
        if regions:
            tally_regions(stored.raw_hw, values, self.regions)

    def _note_form(self, mask: ImageRef, stored: "_MaskValues", values: list[int]) -> None:
        if stored.nodata is not None:
            self.nodata.add(stored.nodata)
        grey = stored.pixels == "rgb" and not any(value % GREY for value in values)
        if stored.pixels == "rgb" and not grey and self.colored is None:
            self.colored = mask
        others = [value // GREY if grey else value for value in values if value]
        if stored.one_bit:
            self.binary[ONE_BIT] += 1
        elif not others:
            self.num_empty += 1
        elif grey and others == [255]:
            self.binary[BLACK_AND_WHITE] += 1
        elif stored.pixels == "index" and len(others) == 1 and others[0] in _WHITES:
            self.binary[_WHITES[others[0]]] += 1

    @property
    def all_binary(self) -> bool:
        """Whether every mask holds 0 and at most one of 1, 255 and 65535."""
        return 0 < self.binary.total() == self.num_masks - self.num_empty

    def merge_grey(self) -> None:
        """Count the greys of colour masks as the numbers that the other masks store."""
        for value in [v for v in self.counts if v and v % GREY == 0]:
            grey = self.counts.pop(value)
            tally = self.counts.setdefault(value // GREY, ValueCount(first=grey.first))
            tally.pixels += grey.pixels
            tally.masks += grey.masks
        for value in [v for v in self.regions if v and v % GREY == 0]:
            self.regions.setdefault(value // GREY, RegionTally()).add(self.regions.pop(value))

    def share(self, value: int) -> str:
        """`7 (3.21 % of pixels, in 12 of 40 masks)` without the value itself."""
        tally = self.counts[value]
        share = format_small_share(tally.pixels / self.num_pixels)
        return f"({share} of pixels, in {tally.masks} of {self.num_masks} masks)"


@dataclass(frozen=True, slots=True, eq=False)
class _MaskValues:
    """Pixels by raw value of one mask, and every n-th row and column of it."""

    pixels: Pixels
    counts: Counter[int]
    raw_hw: NDArray[np.integer]
    one_bit: bool
    nodata: int | None


def _read_mask(mask: ImageRef, *, by_color: bool) -> _MaskValues:
    """Read a mask, some rows at a time where it is large.

    Raises:
        DataError: It is unreadable.
    """
    counts: Counter[int] = Counter()
    step, rows, top = 1, [], 0
    with suppress(DataError):  # reading it says what is wrong
        step = find_step(image_size(mask))
    for stored in read_mask_strips(mask, by_color=by_color):
        counts.update(dict(zip(*count_values(stored.raw_HW), strict=True)))
        rows.append(stored.raw_HW[-top % step :: step, ::step].copy())
        top += len(stored.raw_HW)
    return _MaskValues(
        stored.pixels, counts, np.concatenate(rows), stored.one_bit, stored.nodata
    )


def survey_masks(
    masks: Iterable[ImageRef],
    *,
    total: int,
    by_color: bool = False,
    progress: Progress = silent,
) -> Survey:
    """Read every mask once and count its values; with `by_color`, palettes give colours."""
    survey = Survey()
    step = max(1, total // _ENOUGH_FOR_KINDS)
    for number, mask in enumerate(progress(masks, total=total, what="reading masks")):
        survey.add(mask, by_color=by_color, regions=number % step == 0)
    return survey


def count_values(raw_HW: NDArray[np.integer]) -> tuple[list[int], list[int]]:
    """Distinct values, ascending, and how many pixels each has.

    Counts runs of equal values first: masks have few, so this is many times faster than
    sorting all pixels.
    """
    flat = raw_HW.ravel()
    starts = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1))
    lengths = np.diff(starts, append=flat.size)
    values, place = np.unique(flat[starts], return_inverse=True)
    counts = np.bincount(place.ravel(), weights=lengths).astype(np.int64)
    return values.tolist(), counts.tolist()
