"""Boundary F1 and boundary IoU of each class: whether outlines are where they should be.

Boundary F1 follows DAVIS (Perazzi et al. 2016, section 4, and `db_eval_boundary` of
davis2017-evaluation), which follows BSDS (Martin et al. 2004), class by class. A pixel is on
the boundary of a class where it and its right, lower and lower right neighbours do not agree on
being of the class (`seg2bmap`): a thin line between the pixels, drawn alike in both maps. The
border of the image is not a boundary. Precision is the share of predicted boundary pixels at
most the tolerance (Euclidean, centre to centre) from a boundary pixel of the class in truth;
recall is the same for truth. DAVIS matches by distance alone, BSDS pairs pixels one to one.

Boundary IoU is that of Cheng et al. 2021, eq. 2, and of the authors' `mask_to_boundary`: the
IoU of the two bands of pixels of the class that are at most `depth` (Chebyshev) from a pixel
that is not. Here the border of the image bounds a class. The depth is 2 % of the diagonal, as
in the paper, whatever the tolerance of boundary F1.

IGNORE. Pixels where truth is IGNORE are of no class in either map, and where a class meets them
is no boundary: neither the truth's nor a predicted one. The boundary of the truth lies
somewhere in the ignored pixels there, so a predicted boundary pixel that has no partner and
lies within the tolerance of this open boundary is not counted, nor is a predicted band pixel
outside of the truth's band and within `depth` of it. In an image where all of the outline of a
class is with IGNORE the class counts nothing.

Edge cases. A class without a boundary in either map has no boundary F1 (NaN), one with a
boundary in a single map has 0; a class in neither map has no boundary IoU (NaN). NaN is left
out of means.
"""

import math
import re
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ..core.confusion import require_classes, require_label_maps
from ..core.errors import ConfigError
from ..core.kernels.kernel import kernel
from ..core.labels import IGNORE, LabelMap
from ..core.scores import mean_present, ratio
from .counts import Counts, Scores


@dataclass(frozen=True, slots=True)
class BoundaryTolerance:
    """A distance in an image: whole pixels, or percent of the diagonal (0.75 % as in BSDS)."""

    amount: float = 0.75
    unit: Literal["px", "%"] = "%"

    def __post_init__(self) -> None:
        whole = self.unit == "px" and self.amount >= 1 and self.amount % 1 == 0
        if not whole and not (self.unit == "%" and 0 < self.amount <= 100):
            raise ConfigError(
                f"tolerance is {self}; use whole pixels such as '3px', "
                f"or a share of the image diagonal such as '0.75%'"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a tolerance written as "3px" or "0.75%".

        Raises:
            ConfigError: The text is neither, or not above zero.
        """
        match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*(px|%)", text.strip())
        if not match:
            raise ConfigError(f"tolerance is {text!r}; write it as '3px' or '0.75%'")
        return cls(float(match[1]), "px" if match[2] == "px" else "%")

    def px(self, size_HW: tuple[int, ...]) -> int:
        """Round up to whole pixels, as DAVIS does."""
        return math.ceil(self._exact_px(size_HW))

    def depth_px(self, size_HW: tuple[int, ...]) -> int:
        """Round to the nearest whole pixel, at least 1, as boundary IoU does."""
        return max(round(self._exact_px(size_HW)), 1)

    def _exact_px(self, size_HW: tuple[int, ...]) -> float:
        if self.unit == "px":
            return self.amount
        return self.amount / 100 * float(np.linalg.norm(size_HW))

    def __str__(self) -> str:
        return f"{self.amount:g}{self.unit}"


TOLERANCE = BoundaryTolerance()
"""Of boundary F1: 0.75 % of the diagonal, as in BSDS (DAVIS has 0.8 %)."""

BAND = BoundaryTolerance(2.0)
"""Depth of the bands of boundary IoU: 2 % of the diagonal (Cheng et al. 2021, section 5)."""


def count(
    truth_HW: LabelMap,
    predicted_HW: LabelMap,
    num_classes: int,
    *,
    tolerance: BoundaryTolerance = TOLERANCE,
    band: BoundaryTolerance = BAND,
) -> dict[str, NDArray[Any]]:
    """Count boundary and band pixels of one image by class, int64 (C,), exact.

    `boundary_truth` pixels on the boundary in truth, `boundary_truth_near` those within
    `tolerance` of one predicted; `boundary_predicted` and `_near` the other way round.
    `band_intersection` and `band_union` of the bands `band` deep.

    Raises:
        DataError: Sizes differ, or an index is not a class.
    """
    maps = _require_maps(truth_HW, predicted_HW, num_classes)
    size_HW = truth_HW.shape
    near_5C = kernel().count_near(
        *maps, num_classes=num_classes, reach_px=tolerance.px(size_HW)
    )
    is_open_C = (near_5C[0] == 0) & (near_5C[4] > 0)
    near_5C[:, is_open_C] = 0
    pairs = kernel().count_pairs(*_keep_bands(*maps, band.depth_px(size_HW)))
    both_C = np.diagonal(pairs)[:num_classes].copy()
    either_C = pairs[:num_classes].sum(axis=1) + pairs[:, :num_classes].sum(axis=0) - both_C
    either_C[is_open_C & ~_touch_rim(maps[0])[:num_classes]] = 0
    both_C = np.minimum(both_C, either_C)
    return {
        "boundary_truth": near_5C[0],
        "boundary_truth_near": near_5C[1],
        "boundary_predicted": near_5C[2],
        "boundary_predicted_near": near_5C[3],
        "band_intersection": both_C,
        "band_union": either_C,
    }


def scores(counts: Counts) -> Scores:
    """Boundary precision, recall, F1 and IoU by class (..., C); means of the last two."""
    precision = ratio(counts["boundary_predicted_near"], counts["boundary_predicted"])
    recall = ratio(counts["boundary_truth_near"], counts["boundary_truth"])
    f1 = _harmonic_mean(precision, recall)
    iou = ratio(counts["band_intersection"], counts["band_union"])
    return Scores(
        overall={"mean_boundary_f1": mean_present(f1), "mean_boundary_iou": mean_present(iou)},
        classes={
            "boundary_precision": precision,
            "boundary_recall": recall,
            "boundary_f1": f1,
            "boundary_iou": iou,
        },
    )


def _keep_bands(
    truth_HW: LabelMap, predicted_HW: LabelMap, depth_px: int
) -> tuple[LabelMap, LabelMap]:
    """Set IGNORE in both maps outside of their bands, and where the truth's band is open."""
    mark = kernel().mark_outside_band
    outside_HW = mark(truth_HW, depth_px)
    outside_predicted_HW = mark(predicted_HW, depth_px)
    if (truth_HW == IGNORE).any():
        in_open_HW = ~mark(truth_HW, depth_px, ignore_is_class=True)
        outside_predicted_HW |= outside_HW & in_open_HW
    return truth_HW | outside_HW, predicted_HW | outside_predicted_HW


def _touch_rim(labels_HW: LabelMap) -> NDArray[np.bool_]:
    """Whether each value, 0..255, is at the border of the image."""
    rim = (labels_HW[:1], labels_HW[-1:], labels_HW[:, :1], labels_HW[:, -1:])
    counts = np.bincount(np.concatenate([edge.ravel() for edge in rim]), minlength=256)
    return counts > 0


def _harmonic_mean(
    precision: NDArray[np.float64], recall: NDArray[np.float64]
) -> NDArray[np.float64]:
    """2 P R / (P + R); 0 where both are 0 or only one exists, NaN where neither does."""
    p, r = np.nan_to_num(precision), np.nan_to_num(recall)
    f1 = np.divide(2 * p * r, p + r, out=np.zeros_like(p), where=p + r > 0)
    f1[np.isnan(precision) & np.isnan(recall)] = np.nan
    return f1


def _require_maps(
    truth_HW: LabelMap, predicted_HW: LabelMap, num_classes: int
) -> tuple[LabelMap, LabelMap]:
    """Set IGNORE in both maps wherever truth has it, and require classes everywhere else."""
    truth_HW, predicted_HW = require_label_maps(truth_HW, predicted_HW, num_classes)
    ignored_HW = truth_HW == IGNORE
    predicted_HW = predicted_HW | (ignored_HW.view(np.uint8) * np.uint8(IGNORE))
    num_ignored = np.count_nonzero(ignored_HW)
    for name, labels_HW in (("truth", truth_HW), ("prediction", predicted_HW)):
        if np.count_nonzero(labels_HW >= num_classes) != num_ignored:
            require_classes(name, np.bincount(labels_HW[~ignored_HW]), num_classes)
    return truth_HW, predicted_HW
