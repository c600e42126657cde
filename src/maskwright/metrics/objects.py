"""Objects found, missed and invented, from class maps alone, by size.

An object is an 8-connected component of one class. Class maps hold no instances: touching
things of one class are one object, and a thing cut in two by another is two.

* A truth object is *found* when at least half of its pixels are predicted as its class, else
  *missed*. Every object counts once, so a missed small one shows beside large ones.
* A predicted object is *real* when at least half of its pixels are of its class in the truth,
  else *invented*.
* Pixels whose truth is IGNORE belong to no object, in truth or predicted: what remains of an
  object beside them is counted, and an object that they cut in two counts as two.
* Size is that of the counted object: truth for recall, prediction for precision.
* Recall without truth objects and precision without predicted ones are NaN. F1 is 0 where only
  one side has objects, and NaN where neither has.

Judging each object by its own pixels needs no one-to-one match, which a class map cannot give:
one bridge of a pixel between two found objects makes the IoU of both with their joint
prediction small. Chan et al. 2021 (SegmentMeIfYouCan: sIoU) correct the IoU for that
case; Cordts et al. 2016 (Cityscapes, iIoU) weigh pixels by the size of their instance for the
same end, that small objects count. A prediction that floods the image finds all objects and is
itself invented: read recall and precision together.
"""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..core.labels import IGNORE, LabelMap
from ..core.scores import Values, ratio
from .components import find_components
from .counts import Counts, Curve, Scores

SIZES_PX = (16, 64, 256, 1024, 4096)
"""Where the next bin of areas begins, in pixels; sides of 4, 8, 16, 32 (COCO's small), 64."""

SIZES = (
    f"under {SIZES_PX[0]} px",
    *(f"{a}-{b - 1} px" for a, b in pairwise(SIZES_PX)),
    f"{SIZES_PX[-1]} px or more",
)

_AXIS = "object area"
_NAMES = ("objects_truth", "objects_found", "objects_predicted", "objects_real")


def count(
    truth_HW: LabelMap, predicted_HW: LabelMap, num_classes: int
) -> dict[str, NDArray[np.int64]]:
    """Count objects by class and size, (C, 6) int64.

    `objects_truth` of them `objects_found`; `objects_predicted` of them `objects_real`. Maps
    must hold class indices wherever truth is labelled; `Confusion.from_labels` refuses others.
    """
    predicted_HW = np.where(truth_HW == IGNORE, np.uint8(IGNORE), predicted_HW)
    hit_HW = truth_HW == predicted_HW
    truth, found = _judge_objects(truth_HW, hit_HW, num_classes)
    predicted, real = _judge_objects(predicted_HW, hit_HW, num_classes)
    return {
        "objects_truth": truth,
        "objects_found": found,
        "objects_predicted": predicted,
        "objects_real": real,
    }


def scores(counts: Counts) -> Scores:
    """Recall, precision, F1 and numbers of objects: pooled over classes, per class, by size.

    The overall numbers pool the objects of all classes, stuff and background too.
    """
    by_class = {name: counts[name].sum(axis=-1) for name in _NAMES}
    by_size = {name: counts[name].sum(axis=-2) for name in _NAMES}
    sized, class_sized = _rates(by_size), _rates({name: counts[name] for name in _NAMES})
    return Scores(
        overall=_rates({name: values.sum(axis=-1) for name, values in by_class.items()}),
        classes=_rates(by_class),
        curves={f"{name}_by_size": _curve(values) for name, values in sized.items()},
        class_curves={
            f"{name}_by_size": _curve(class_sized[name])
            for name in ("object_recall", "objects_truth")
        },
    )


def _judge_objects(
    labels_HW: LabelMap, hit_HW: NDArray[np.bool_], num_classes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count all objects of a map, and those with at least half their pixels hit, (C, 6)."""
    objects = find_components(labels_HW)
    size_N = np.searchsorted(SIZES_PX, objects.area_px_N, "right")
    cell_N = objects.class_N.astype(np.intp) * len(SIZES) + size_N
    good_N = 2 * objects.total(hit_HW) >= objects.area_px_N
    all_cells, good_cells = (
        np.bincount(cells, minlength=num_classes * len(SIZES)).reshape(num_classes, len(SIZES))
        for cells in (cell_N, cell_N[good_N])
    )
    return all_cells.astype(np.int64), good_cells.astype(np.int64)


def _rates(numbers: Mapping[str, NDArray[np.int64]]) -> dict[str, Values]:
    truth, found, predicted, real = (numbers[name] for name in _NAMES)
    return {
        "object_recall": ratio(found, truth),
        "object_precision": ratio(real, predicted),
        "object_f1": _f1(truth, found, predicted, real),
        "objects_truth": truth.astype(np.float64),
        "objects_predicted": predicted.astype(np.float64),
        "objects_missed": (truth - found).astype(np.float64),
        "objects_invented": (predicted - real).astype(np.float64),
    }


def _f1(
    truth: NDArray[np.int64],
    found: NDArray[np.int64],
    predicted: NDArray[np.int64],
    real: NDArray[np.int64],
) -> Values:
    """Harmonic mean of recall and precision, 0 where either is 0 or has no objects."""
    both = ratio(2.0 * found * real, found * predicted + real * truth)
    return np.where(truth + predicted > 0, np.nan_to_num(both), np.nan)


def _curve(values: Values) -> Curve:
    return Curve(axis=_AXIS, at=SIZES, values=values)
