"""Holes of a class are filled with it, up to an area.

A hole is a 4-connected region of other classes that touches neither the border of the image nor
a pixel without data. Everything in it is filled, whatever its classes: with a large area a road
takes the cars on it. Classes are filled in the order of their index.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from ...core.decision import Decision
from ...core.labels import IGNORE, LabelMap
from ..refiner import Input, Refiner, SourceImage
from ..relabel import AreaText, area_in_px, relabel

ON: Input = "classes"


class Config(BaseModel, frozen=True, extra="forbid"):
    """`area`: holes of at most this area are filled; px, or mm2 where images have a spacing."""

    area: AreaText = "64 px"


def build(config: Config, classes: Sequence[int]) -> Refiner:
    """The contract of `inference.refiner.RefinerPart`."""

    def fill_holes(decision: Decision, image: SourceImage) -> Decision:
        area_px = area_in_px(config.area, image.spacing_mm_HW, where=image.where)
        labels_HW = decision.labels_HW.copy()
        for index in classes:
            labels_HW[find_holes(labels_HW, index, area_px)] = index
        return relabel(decision, labels_HW)

    return fill_holes


def find_holes(labels_HW: LabelMap, index: int, area_px: float) -> NDArray[np.bool_]:
    """The pixels in holes of one class, of holes of at most this area."""
    height, width = labels_HW.shape
    outside_HW = labels_HW != index
    stats: Any
    num, region_HW, stats, _ = cv2.connectedComponentsWithStats(
        outside_HW.view(np.uint8), connectivity=4
    )
    left_R, top_R, width_R, height_R, area_R = stats.T
    is_hole_R = (left_R > 0) & (top_R > 0) & (area_R <= area_px)
    is_hole_R &= (left_R + width_R < width) & (top_R + height_R < height)
    without_data_R = np.bincount(region_HW[labels_HW == IGNORE], minlength=num)
    is_hole_R &= without_data_R == 0
    is_hole_R[0] = False  # the class itself
    return np.asarray(is_hole_R[region_HW])
