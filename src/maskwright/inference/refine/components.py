"""Removal of components that are smaller than an area, per class.

A component is an 8-connected region of one class; at the border of the image its visible part
counts. All small components of the step's classes are removed at once, and each takes the best
class of its neighbours by confidence (`inference.relabel`). One whose neighbours are all
removed waits for them; one that fills the image, or has no data around it, stays.
"""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel

from ...core.decision import Decision
from ...metrics.components import find_components
from ..refiner import Input, Refiner, SourceImage
from ..relabel import AreaText, Removed, area_in_px, fill, relabel

ON: Input = "classes"


class Config(BaseModel, frozen=True, extra="forbid"):
    """`area`: components under it are removed; in px, or in mm2 where images have a spacing."""

    area: AreaText = "64 px"


def build(config: Config, classes: Sequence[int]) -> Refiner:
    """The contract of `inference.refiner.RefinerPart`."""

    def remove_components(decision: Decision, image: SourceImage) -> Decision:
        area_px = area_in_px(config.area, image.spacing_mm_HW, where=image.where)
        labels_HW = decision.labels_HW
        found = find_components(labels_HW)
        small_N = (found.area_px_N < area_px) & np.isin(found.class_N, classes)
        small_R = np.append(small_N, False)[found.component_R]  # -1, no component, is the last
        lengths_R = np.diff(found.starts_R, append=labels_HW.size)[small_R]
        ends_R = np.cumsum(lengths_R)
        # Positions of all pixels of the small runs: each run's start, and one more per pixel.
        offset_P = np.arange(ends_R[-1] if len(ends_R) else 0)
        offset_P -= np.repeat(ends_R - lengths_R, lengths_R)
        position_P = np.repeat(found.starts_R[small_R], lengths_R) + offset_P
        rows_P, columns_P = np.unravel_index(position_P, labels_HW.shape)
        removed = Removed(
            rows_N=rows_P,
            columns_N=columns_P,
            region_N=np.repeat(found.component_R[small_R], lengths_R),
        )
        return relabel(decision, fill(decision, removed))

    return remove_components
