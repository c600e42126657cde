"""Instances from a class map: each connected component of a class is one.

The pixels of a component that is too small, or beyond the number wanted, are unknown, as those
labelled IGNORE.
"""

from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from maskwright.core.labels import IGNORE

COLUMNS_BOX = [cv2.CC_STAT_LEFT, cv2.CC_STAT_TOP, cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]


class Instances(NamedTuple):
    """The M instances of one image.

    `box_M4` x1, y1, x2, y2 in pixels, `class_M` class indices, `mask_MHW` bool; `known_HW` is 1
    in the pixels of an instance and 0 elsewhere.
    """

    box_M4: Tensor
    class_M: Tensor
    mask_MHW: Tensor
    known_HW: Tensor


def find_instances(labels_HW: Tensor, *, most: int, least_px: int) -> Instances:
    """The `most` largest 8-connected components of at least `least_px` pixels."""
    labels = labels_HW.cpu().numpy().astype(np.uint8)
    component_HW = np.zeros(labels.shape, dtype=np.int32)  # 1, 2 ... over all classes; 0: none
    stats: list[Any] = []
    classes: list[int] = []
    for index in np.unique(labels[labels != IGNORE]):
        num, of_class_HW, stat_N5, _ = cv2.connectedComponentsWithStats(
            (labels == index).astype(np.uint8), connectivity=8
        )
        component_HW += np.where(of_class_HW > 0, of_class_HW + len(classes), 0)
        stats.extend(stat_N5[1:])
        classes.extend([int(index)] * (num - 1))
    stat_N5 = np.array(stats, dtype=np.int64).reshape(-1, 5)
    area_N = stat_N5[:, cv2.CC_STAT_AREA]
    chosen_M = np.argsort(-area_N, kind="stable")[:most]
    chosen_M = chosen_M[area_N[chosen_M] >= least_px]
    left, top, width, height = stat_N5[chosen_M][:, COLUMNS_BOX].T
    box_M4 = np.stack([left, top, left + width, top + height], axis=1)
    mask_MHW = torch.from_numpy(component_HW == chosen_M[:, None, None] + 1)
    return Instances(
        torch.from_numpy(box_M4).float().to(labels_HW.device),
        torch.tensor(classes, dtype=torch.long)[chosen_M].to(labels_HW.device),
        mask_MHW.to(labels_HW.device),
        mask_MHW.any(0).float().to(labels_HW.device),
    )
