"""Connected components of all classes of a label map in one pass over its runs.

A run is a maximal horizontal line of one class. Runs of one class in neighbouring rows that
touch, corners included (8-connected), belong to one component; IGNORE belongs to none. Joining
is by the least run number along all touching pairs, with pointer jumping (Shiloach and Vishkin
1982), so the cost follows the number of runs and not that of pixels or classes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.labels import IGNORE, LabelMap

Ints = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Components:
    """N components, numbered by their first pixel in reading order, made of R runs.

    `class_N` are class indices, `area_px_N` pixels. `starts_R` are flat positions of the runs'
    first pixels, and `of_R` the component of each, in reading order, IGNORE left out with -1.
    """

    class_N: NDArray[np.uint8]
    area_px_N: Ints
    starts_R: Ints
    of_R: Ints

    def total(self, values_HW: NDArray[np.bool_]) -> Ints:
        """Number of True pixels in each component, (N,)."""
        if not len(self.starts_R):
            return np.zeros(0, np.intp)
        per_run = np.add.reduceat(values_HW.ravel(), self.starts_R, dtype=np.intp)
        return _sums(per_run, self.of_R, len(self.class_N))


def components(labels_HW: LabelMap) -> Components:
    """The 8-connected components of every class of one map."""
    starts_R, class_R = _runs(labels_HW)
    ends_R = np.append(starts_R[1:], labels_HW.size)[: len(starts_R)]
    first_R = _joined(len(starts_R), *_touching(starts_R, ends_R, class_R, labels_HW.shape[1]))
    is_first_R = (first_R == np.arange(len(first_R))) & (class_R != IGNORE)
    number_R = np.cumsum(is_first_R) - 1
    of_R = np.where(class_R == IGNORE, -1, number_R[first_R])
    class_N = class_R[is_first_R]
    area_px_N = _sums(ends_R - starts_R, of_R, len(class_N))
    return Components(class_N=class_N, area_px_N=area_px_N, starts_R=starts_R, of_R=of_R)


def _runs(labels_HW: LabelMap) -> tuple[Ints, NDArray[np.uint8]]:
    """Flat start and class of each run; a row starts a new one."""
    begins_HW = np.ones(labels_HW.shape, np.bool_)
    np.not_equal(labels_HW[:, 1:], labels_HW[:, :-1], out=begins_HW[:, 1:])
    starts_R = np.flatnonzero(begins_HW)
    return starts_R, labels_HW.ravel()[starts_R]


def _touching(
    starts_R: Ints, ends_R: Ints, class_R: NDArray[np.uint8], width_px: int
) -> tuple[Ints, Ints]:
    """Pairs (run, run in the next row) of one class that touch by an edge or a corner."""
    last_row = starts_R[-1] // width_px * width_px if len(starts_R) else 0
    upper = np.flatnonzero((class_R != IGNORE) & (starts_R < last_row))
    row_start = starts_R[upper] // width_px * width_px
    left = np.maximum(starts_R[upper] - 1, row_start) + width_px
    right = np.minimum(ends_R[upper], row_start + width_px - 1) + width_px
    low = np.searchsorted(starts_R, left, "right") - 1
    num_below = np.searchsorted(starts_R, right, "right") - low
    pair_end = np.cumsum(num_below)
    above = np.repeat(upper, num_below)
    below = np.arange(len(above)) + np.repeat(low - (pair_end - num_below), num_below)
    same = class_R[above] == class_R[below]
    return above[same], below[same]


def _joined(num_runs: int, one: Ints, other: Ints) -> Ints:
    """The least run that each run is joined to along the pairs (one, other)."""
    least_R = np.arange(num_runs)
    while len(one):
        np.minimum.at(least_R, np.maximum(one, other), np.minimum(one, other))
        while True:
            further_R = least_R[least_R]
            if np.array_equal(further_R, least_R):
                break
            least_R = further_R
        one, other = least_R[one], least_R[other]
        apart = one != other
        one, other = one[apart], other[apart]
    return least_R


def _sums(values_R: Ints, of_R: Ints, num_components: int) -> Ints:
    inside = of_R >= 0
    sums = np.bincount(of_R[inside], weights=values_R[inside], minlength=num_components)
    return sums.astype(np.intp)  # sums of pixels are exact in float64
