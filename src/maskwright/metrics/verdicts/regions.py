"""Regions of one class at a threshold: what inspection reports and counts."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """8-connected regions of one class.

    `index_HW` numbers them from 1, 0 is outside; `area_px_R` are their pixels, that of 0 is 0.
    """

    index_HW: NDArray[np.int32]
    area_px_R: NDArray[np.int64]

    def keep(self, smallest_area_px: int) -> NDArray[np.bool_]:
        """The pixels of the regions of at least this area, which is 1 or more."""
        return np.asarray((self.area_px_R >= smallest_area_px)[self.index_HW])


def find_regions(share_HW: NDArray[np.float32], threshold: float) -> Regions:
    """Find the regions in which the share of a class, in [0, 1], reaches the threshold."""
    return label_regions(share_HW >= np.float32(threshold))


def label_regions(inside_HW: NDArray[np.bool_]) -> Regions:
    """Find the regions of a mask."""
    stats: Any
    _, index_HW, stats, _ = cv2.connectedComponentsWithStats(
        inside_HW.view(np.uint8), connectivity=8
    )
    area_px_R = stats[:, cv2.CC_STAT_AREA].astype(np.int64)
    area_px_R[0] = 0
    return Regions(np.asarray(index_HW, np.int32), area_px_R)
