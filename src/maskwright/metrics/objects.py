"""Objects found, missed and invented, from class maps alone, by size.

An object is an 8-connected component of one class. Class maps hold no instances: touching
things of one class are one object, and a thing cut in two by another is two.

* A truth object is *found* when at least half of its pixels are predicted as its class, else
  *missed*. Every object counts once, so a missed small one shows beside large ones.
* A predicted object is *real* when at least half of its pixels are of its class in the truth,
  else *invented*.
* Objects are found in each map as it is; then pixels whose truth is IGNORE are left out of
  both. So a predicted object that a line of IGNORE crosses stays one object and is judged by
  its other pixels, and one that lies in IGNORE alone is not counted.
* Size is that of the counted pixels: truth for recall, prediction for precision.
* The rates of the set and the curves pool the classes that are things (`ClassDef.kind`): a sky
  or a background is not an object, and is always found. Each class alone has its rates, stuff
  too.
* Recall without truth objects and precision without predicted ones are NaN. F1 is 0 where only
  one side has objects, and NaN where neither has. Without a class that is a thing all scores
  of the set are NaN.

Judging each object by its own pixels needs no one-to-one match, which a class map cannot give:
one bridge of a pixel between two found objects makes the IoU of both with their joint
prediction small. So object F1 is not the recognition quality of panoptic segmentation (PQ,
Kirillov et al. 2019), which matches segments by an IoU above 0.5. Chan et al. 2021
(SegmentMeIfYouCan: sIoU) correct the IoU for that case; Cordts et al. 2016 (Cityscapes, iIoU)
weigh pixels by the size of their instance for the same end, that small objects count. A
prediction that floods the image finds all objects and is itself invented: read recall and
precision together.
"""

from collections.abc import Mapping, Sequence
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
    Where truth is IGNORE, a value that is not a class belongs to no predicted object.
    """
    valid_HW = truth_HW != IGNORE
    if (predicted_HW >= num_classes).any():
        predicted_HW = np.where(predicted_HW < num_classes, predicted_HW, np.uint8(IGNORE))
    hit_HW = (truth_HW == predicted_HW) & valid_HW
    truth, found = _judge_objects(truth_HW, valid_HW, hit_HW, num_classes)
    predicted, real = _judge_objects(predicted_HW, valid_HW, hit_HW, num_classes)
    return {
        "objects_truth": truth,
        "objects_found": found,
        "objects_predicted": predicted,
        "objects_real": real,
    }


def scores(counts: Counts, things: Sequence[int]) -> Scores:
    """Recall, precision, F1 and numbers of objects: pooled over things, per class, by size.

    `things` are the indices of the classes that are things.
    """
    by_class = {name: counts[name].sum(axis=-1) for name in _NAMES}
    by_size = {name: counts[name][..., list(things), :].sum(axis=-2) for name in _NAMES}
    pooled = {name: values.sum(axis=-1) for name, values in by_size.items()}
    overall, sized = _rates(pooled), _rates(by_size)
    if not things:
        overall, sized = (
            {n: np.full_like(v, np.nan) for n, v in r.items()} for r in (overall, sized)
        )
    class_sized = _rates({name: counts[name] for name in _NAMES})
    return Scores(
        overall=overall,
        classes=_rates(by_class),
        curves={f"{name}_by_size": _curve(values) for name, values in sized.items()},
        class_curves={
            f"{name}_by_size": _curve(class_sized[name])
            for name in ("object_recall", "objects_truth")
        },
    )


def _judge_objects(
    labels_HW: LabelMap,
    valid_HW: NDArray[np.bool_],
    hit_HW: NDArray[np.bool_],
    num_classes: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count the objects with a valid pixel, and those with half of them hit or more, (C, 6)."""
    objects = find_components(labels_HW)
    area_px_N = objects.total(valid_HW)
    size_N = np.searchsorted(SIZES_PX, area_px_N, "right")
    cell_N = objects.class_N.astype(np.intp) * len(SIZES) + size_N
    counted_N = area_px_N > 0
    good_N = counted_N & (2 * objects.total(hit_HW) >= area_px_N)
    all_cells, good_cells = (
        np.bincount(cells, minlength=num_classes * len(SIZES)).reshape(num_classes, len(SIZES))
        for cells in (cell_N[counted_N], cell_N[good_N])
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
