"""Opening and closing of classes with a disk, Serra 1982.

Opening removes what is thinner than the disk from a class; each removed pixel takes the best
class of its neighbours by confidence (`inference.relabel`), from the rim inwards, but not the
class that is opened. Closing gives gaps that are thinner than the disk to the class, whatever
their classes. The border of the image and pixels without data neither erode nor grow a class.
Classes are changed in the order of their index.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from ...core.decision import Decision
from ...core.labels import IGNORE, LabelMap
from ..refiner import Input, Refiner, SourceImage
from ..relabel import Removed, fill, relabel

ON: Input = "classes"
Mask = NDArray[np.bool_]


class Config(BaseModel, frozen=True, extra="forbid"):
    """`operation` is "open" or "close"; the disk has all pixels within `radius_px`."""

    operation: Literal["open", "close"] = "open"
    radius_px: Annotated[int, Field(ge=1)] = 1


def build(config: Config, classes: Sequence[int]) -> Refiner:
    """The contract of `inference.refiner.RefinerPart`."""
    disk = draw_disk(config.radius_px)
    change = _open if config.operation == "open" else _close

    def refine_by_morphology(decision: Decision, _image: SourceImage) -> Decision:
        for index in classes:
            decision = relabel(decision, change(decision, index, disk))
        return decision

    return refine_by_morphology


def draw_disk(radius_px: int) -> NDArray[np.uint8]:
    """The pixels whose centres are within the radius of the middle one."""
    y, x = np.ogrid[-radius_px : radius_px + 1, -radius_px : radius_px + 1]
    return np.asarray(y * y + x * x <= radius_px**2, np.uint8)


def _open(decision: Decision, index: int, disk: NDArray[np.uint8]) -> LabelMap:
    labels_HW = decision.labels_HW
    inside_HW = labels_HW == index
    if not inside_HW.any():
        return labels_HW
    eroded_HW = cv2.erode((inside_HW | (labels_HW == IGNORE)).view(np.uint8), disk)
    kept_HW = np.asarray(cv2.dilate(eroded_HW, disk), np.bool_)
    rows_N, columns_N = np.nonzero(inside_HW & ~kept_HW)
    removed = Removed(
        rows_N=rows_N, columns_N=columns_N, region_N=np.arange(len(rows_N)), never=index
    )
    return fill(decision, removed)


def _close(decision: Decision, index: int, disk: NDArray[np.uint8]) -> LabelMap:
    labels_HW = decision.labels_HW
    inside_HW, ignored_HW = labels_HW == index, labels_HW == IGNORE
    grown_HW = np.asarray(cv2.dilate(inside_HW.view(np.uint8), disk), np.bool_)
    closed_HW = np.asarray(cv2.erode((grown_HW | ignored_HW).view(np.uint8), disk), np.bool_)
    return np.where(closed_HW & ~ignored_HW & (inside_HW.any()), np.uint8(index), labels_HW)
