"""Connected components of all classes of a label map in one pass over its runs.

A run is a maximal horizontal line of one class. Runs of one class in neighbouring rows that
touch, corners included (8-connected), belong to one component; IGNORE belongs to none. Joining
is by the least run index along all touching pairs, with pointer jumping (Shiloach and Vishkin
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
    first pixels, and `component_R` the component of each, -1 for IGNORE, in reading order.
    """

    class_N: NDArray[np.uint8]
    area_px_N: Ints
    starts_R: Ints
    component_R: Ints

    def total(self, values_HW: NDArray[np.bool_]) -> Ints:
        """Count the True pixels in each component, (N,)."""
        if not len(self.starts_R):
            return np.zeros(0, np.intp)
        per_run = np.add.reduceat(values_HW.ravel(), self.starts_R, dtype=np.intp)
        return _sum_runs(per_run, self.component_R, len(self.class_N))


def find_components(labels_HW: LabelMap) -> Components:
    """Find the 8-connected components of every class of one map."""
    starts_R, class_R = _find_runs(labels_HW)
    ends_R = np.append(starts_R[1:], labels_HW.size)[: len(starts_R)]
    first_R = _join_runs(
        len(starts_R), *_find_touching(starts_R, ends_R, class_R, labels_HW.shape[1])
    )
    is_first_R = (first_R == np.arange(len(first_R))) & (class_R != IGNORE)
    index_R = np.cumsum(is_first_R) - 1
    component_R = np.where(class_R == IGNORE, -1, index_R[first_R])
    class_N = class_R[is_first_R]
    area_px_N = _sum_runs(ends_R - starts_R, component_R, len(class_N))
    return Components(
        class_N=class_N, area_px_N=area_px_N, starts_R=starts_R, component_R=component_R
    )


def _find_runs(labels_HW: LabelMap) -> tuple[Ints, NDArray[np.uint8]]:
    """Find the flat start and the class of each run; a row starts a new one."""
    begins_HW = np.ones(labels_HW.shape, np.bool_)
    np.not_equal(labels_HW[:, 1:], labels_HW[:, :-1], out=begins_HW[:, 1:])
    starts_R = np.flatnonzero(begins_HW)
    return starts_R, labels_HW.ravel()[starts_R]


def _find_touching(
    starts_R: Ints, ends_R: Ints, class_R: NDArray[np.uint8], width_px: int
) -> tuple[Ints, Ints]:
    """Find the pairs (run, run in the next row) of one class that share an edge or a corner."""
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


def _join_runs(num_runs: int, one: Ints, other: Ints) -> Ints:
    """Find the least run that each run is joined to along the pairs (one, other)."""
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


def _sum_runs(values_R: Ints, component_R: Ints, num_components: int) -> Ints:
    inside = component_R >= 0
    sums = np.bincount(component_R[inside], weights=values_R[inside], minlength=num_components)
    return sums.astype(np.intp)  # sums of pixels are exact in float64
