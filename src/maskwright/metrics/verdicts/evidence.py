"""Evidence: what every threshold and smallest area would report in one image, per class.

With threshold t and smallest area a, class k is reported in an image where a region of pixels
whose share of k is at least t has at least a pixels. A lower threshold only makes regions grow
and join, so the largest area at each threshold says for every a whether k is reported.

* A defect is an 8-connected region of k in the truth. It is found where a region of k that is
  large enough shares a pixel with it.
* A reported region is real where it shares a pixel with a defect, else it is a false alarm.
* Pixels whose truth is IGNORE are no evidence: a region that lies in them alone is left out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.labels import IGNORE, LabelMap
from .regions import Regions, find_regions, label_regions

THRESHOLDS: tuple[float, ...] = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075),
    *(round(0.1 + 0.05 * step, 2) for step in range(17)),
    *(0.925, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999),
)
"""T thresholds, finer at both ends, where the shares of a sure network lie."""

AREAS_PX: tuple[int, ...] = tuple(2**power for power in range(15))
"""S smallest areas, 1 to 16,384 pixels."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """The evidence of one image, for the K classes of a rule.

    `shown_K` says whether the truth holds the class. `largest_px_KT` is the area of the largest
    region at each threshold. `counts` are additive: `defects` (K,), and `found`, `reported` and
    `real` (K, T, S).
    """

    shown_K: NDArray[np.bool_]
    largest_px_KT: Ints
    counts: Mapping[str, Ints]


def gather_evidence(
    truth_HW: LabelMap, shares: Iterable[tuple[int, NDArray[np.float32]]]
) -> Evidence:
    """Gather the evidence of one image; `shares` are class indices with planes in [0, 1]."""
    valid_HW = truth_HW != IGNORE
    rows = [_count_class(truth_HW == index, valid_HW, share) for index, share in shares]
    return Evidence(
        shown_K=np.array([row["defects"] > 0 for row in rows]),
        largest_px_KT=np.stack([row["largest"] for row in rows]),
        counts={
            name: np.stack([row[name] for row in rows])
            for name in ("defects", "found", "reported", "real")
        },
    )


def _count_class(
    truth_HW: NDArray[np.bool_], valid_HW: NDArray[np.bool_], share_HW: NDArray[np.float32]
) -> dict[str, Ints]:
    """Count one class at every threshold: `largest` (T,), `defects` (), the others (T, S)."""
    defects = label_regions(truth_HW)
    num_defects = len(defects.area_px_R) - 1
    num_t, num_s = len(THRESHOLDS), len(AREAS_PX)
    largest = np.zeros(num_t, np.int64)
    found, reported, real = (np.zeros((num_t, num_s), np.int64) for _ in range(3))
    most = float(share_HW.max(initial=0))
    for row, threshold in enumerate(THRESHOLDS):
        if threshold > most:
            break
        regions = find_regions(share_HW, threshold)
        area_px_R = _drop_unlabelled(regions, valid_HW)
        is_real_R = np.zeros(len(area_px_R), np.bool_)
        is_real_R[regions.index_HW[truth_HW]] = True
        hit_px_D = np.zeros(num_defects + 1, np.int64)
        np.maximum.at(
            hit_px_D, defects.index_HW[truth_HW], area_px_R[regions.index_HW[truth_HW]]
        )
        largest[row] = area_px_R.max()
        found[row] = _count_from(hit_px_D)
        reported[row] = _count_from(area_px_R)
        real[row] = _count_from(area_px_R[is_real_R])
    return {
        "defects": np.int64(num_defects) + np.zeros((), np.int64),
        "largest": largest,
        "found": found,
        "reported": reported,
        "real": real,
    }


def _drop_unlabelled(regions: Regions, valid_HW: NDArray[np.bool_]) -> Ints:
    """The areas, 0 for a region without a labelled pixel."""
    is_seen_R = np.zeros(len(regions.area_px_R), np.bool_)
    is_seen_R[regions.index_HW[valid_HW]] = True
    return np.where(is_seen_R, regions.area_px_R, 0)


def _count_from(area_px_R: Ints) -> Ints:
    """How many areas are at least each of `AREAS_PX`, (S,)."""
    ordered = np.sort(area_px_R)
    return len(ordered) - np.searchsorted(ordered, AREAS_PX, "left")
