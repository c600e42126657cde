"""Slices of volumes: surfaces in three dimensions, and Dice and volume of each patient.

The slices of one volume arrive in order. Its surfaces are marked with the slices before and
after each one, so that three slices and the surface points of one volume are in memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.labels import IGNORE, LabelMap
from ..core.scores import Values
from . import surface
from .surface import Points, Ruler


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSlice:
    """One image as slice `index` of `count` of the volume `volume`.

    `spacing_mm_DHW` are the distance of slices, the height and the width of a pixel.
    """

    volume: str
    index: int
    count: int
    spacing_mm_DHW: tuple[float, float, float]

    @property
    def voxel_ml(self) -> float:
        """The volume of a voxel in millilitres."""
        depth, height, width = self.spacing_mm_DHW
        return depth * height * width / 1000


_Sides = tuple[LabelMap, LabelMap]
"""Truth and prediction of a slice; the prediction is IGNORE where truth is."""


@dataclass(slots=True, kw_only=True)
class VolumeSurfaces:
    """The surface points of all classes of one volume, fed one slice after the other."""

    num_classes: int
    _points: dict[tuple[str, int], list[Points]] = field(default_factory=dict)
    _present: NDArray[np.bool_] = field(init=False)
    """(2, C): which classes truth and prediction hold."""
    _before: _Sides | None = None
    _last: _Sides | None = None
    _index: int = -1

    def __post_init__(self) -> None:
        self._present = np.zeros((2, self.num_classes), np.bool_)

    def add(self, truth_HW: LabelMap, predicted_HW: LabelMap) -> None:
        """Add the next slice.

        Raises:
            DataError: Its size is not that of the slice before.
        """
        if self._last is not None and truth_HW.shape != self._last[0].shape:
            raise DataError(
                f"a slice of {truth_HW.shape} (H, W) after slices of {self._last[0].shape}; "
                f"slices of one volume have one size"
            )
        ignored_HW = truth_HW == IGNORE
        sides = truth_HW, np.where(ignored_HW, np.uint8(IGNORE), predicted_HW)
        for side, labels_HW in enumerate(sides):
            counts = np.bincount(labels_HW.ravel(), minlength=256)
            self._present[side] |= counts[: self.num_classes] > 0
        self._mark_last(sides)
        self._before, self._last, self._index = self._last, sides, self._index + 1

    def finish(self, ruler: Ruler, spacing_DHW: tuple[float, ...]) -> dict[str, Values]:
        """The counts of the volume, (C,), as those of one image in `surface.count`."""
        self._mark_last(None)
        sums = surface.make_zeros(self.num_classes)
        for index in range(self.num_classes):
            in_truth, in_prediction = self._present[:, index].tolist()
            measured = surface.measure_class(
                self._collect("truth", index),
                self._collect("predicted", index),
                self._collect("open", index),
                present=(in_truth, in_prediction),
                spacing=spacing_DHW,
                tolerance=ruler.tolerance,
            )
            for name, value in measured.items():
                sums[name][index] = value
        return sums

    def _mark_last(self, after: _Sides | None) -> None:
        """Mark the surfaces of the slice before the current one, which `after` follows."""
        if self._last is None:
            return
        beside = (self._before, after)
        for name, side in (("truth", 0), ("predicted", 1)):
            labels_HW = self._last[side]
            marked_HW = surface.mark_surface(labels_HW)
            for neighbour in beside:
                marked_HW |= _differs(labels_HW, None if neighbour is None else neighbour[side])
            self._keep(name, labels_HW, marked_HW & (labels_HW != IGNORE))
        truth_HW = self._last[0]
        open_HW = surface.mark_open(truth_HW)
        for neighbour in beside:
            if neighbour is not None:
                open_HW |= neighbour[0] == IGNORE
        self._keep("open", truth_HW, open_HW & (truth_HW != IGNORE))

    def _keep(self, name: str, labels_HW: LabelMap, marked_HW: NDArray[np.bool_]) -> None:
        rows, columns = np.nonzero(marked_HW)
        classes = labels_HW[rows, columns]
        for index in np.unique(classes).tolist():
            here = classes == index
            points = np.empty((int(here.sum()), 3), np.int32)
            points[:, 0], points[:, 1], points[:, 2] = self._index, rows[here], columns[here]
            self._points.setdefault((name, index), []).append(points)

    def _collect(self, name: str, index: int) -> Points:
        points = self._points.pop((name, index), [])
        return np.concatenate([np.empty((0, 3), np.int32), *points])


def _differs(labels_HW: LabelMap, neighbour_HW: LabelMap | None) -> NDArray[np.bool_]:
    """Voxels with a face towards another class of the next slice, or the end of the volume."""
    if neighbour_HW is None:
        return np.ones(labels_HW.shape, np.bool_)
    return np.asarray((labels_HW != neighbour_HW) & (neighbour_HW != IGNORE))


@dataclass(slots=True, kw_only=True)
class PatientSums:
    """Millilitres of each class over the volumes of one patient, (C,) each."""

    hits_ml: Values
    truth_ml: Values
    predicted_ml: Values
    num_volumes: float = 0.0

    @classmethod
    def zero(cls, num_classes: int) -> "PatientSums":
        """No slice yet."""
        zeros = np.zeros((3, num_classes))
        return cls(hits_ml=zeros[0], truth_ml=zeros[1], predicted_ml=zeros[2])

    def add(self, counts_CC: NDArray[np.int64], voxel_ml: float, *, share: float) -> None:
        """Add the confusion of one slice, which is `share` of the slices of its volume."""
        self.hits_ml += np.diagonal(counts_CC) * voxel_ml
        self.truth_ml += counts_CC.sum(axis=1) * voxel_ml
        self.predicted_ml += counts_CC.sum(axis=0) * voxel_ml
        self.num_volumes += share

    def count(self) -> Mapping[str, NDArray[Any]]:
        """The counts of this patient, (C,) each, see `NAMES`; they add up over patients."""
        both = self.truth_ml + self.predicted_ml
        there = (both > 0).astype(np.float64)
        scans = max(1.0, round(self.num_volumes))
        error = (self.predicted_ml - self.truth_ml) / scans
        values = (
            there,
            2 * self.hits_ml / np.maximum(both, 1e-300),
            self.truth_ml / scans,
            self.predicted_ml / scans,
            error,
            np.abs(error),
        )
        return dict(zip(NAMES, values, strict=True))


NAMES = (
    "patient_num",
    "patient_dice_sum",
    "patient_truth_sum",
    "patient_predicted_sum",
    "patient_error_sum",
    "patient_abs_error_sum",
)
"""Counts of patients: how many have the class, in truth or prediction, and sums over them."""
