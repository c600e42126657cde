"""Instances out of a class map: each connected piece of a class is one.

A piece that is too small, or one too many, is nobody's: its pixels are as unknown as IGNORE.
"""

from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from maskwright.core.labels import IGNORE

COLUMNS_BOX = [cv2.CC_STAT_LEFT, cv2.CC_STAT_TOP, cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]


class Instances(NamedTuple):
    """Of one image: M boxes x1, y1, x2, y2 in pixels, classes, masks; what is known (0, 1)."""

    box_M4: Tensor
    class_M: Tensor
    mask_MHW: Tensor
    known_HW: Tensor


def instances(labels_HW: Tensor, *, most: int, least_px: int) -> Instances:
    """The `most` largest pieces of `least_px` pixels or more; a corner joins two."""
    labels = labels_HW.cpu().numpy().astype(np.uint8)
    number_HW = np.zeros(labels.shape, dtype=np.int32)
    stats: list[Any] = []
    classes: list[int] = []
    for index in np.unique(labels[labels != IGNORE]):
        num, piece_HW, stat_N5, _ = cv2.connectedComponentsWithStats(
            (labels == index).astype(np.uint8), connectivity=8
        )
        number_HW += np.where(piece_HW > 0, piece_HW + len(classes), 0)
        stats.extend(stat_N5[1:])
        classes.extend([int(index)] * (num - 1))
    stat_N5 = np.array(stats, dtype=np.int64).reshape(-1, 5)
    area_N = stat_N5[:, cv2.CC_STAT_AREA]
    chosen_M = np.argsort(-area_N, kind="stable")[:most]
    chosen_M = chosen_M[area_N[chosen_M] >= least_px]
    left, top, width, height = stat_N5[chosen_M][:, COLUMNS_BOX].T
    box_M4 = np.stack([left, top, left + width, top + height], axis=1)
    mask_MHW = torch.from_numpy(number_HW == chosen_M[:, None, None] + 1)
    return Instances(
        torch.from_numpy(box_M4).float().to(labels_HW.device),
        torch.tensor(classes, dtype=torch.long)[chosen_M].to(labels_HW.device),
        mask_MHW.to(labels_HW.device),
        mask_MHW.any(0).float().to(labels_HW.device),
    )
