"""One class per connected thing of a family: a vehicle is a car, a truck or a bus.

The classes of the step are the family. In each 8-connected region of the family's pixels the
class with the largest sum of shares takes all of them; equal sums give the lower index. Things
of the family that touch are one region, and get one class.
"""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel

from ...core.decision import Decision
from ...metrics.verdicts.regions import label_regions
from ..refiner import Input, Refiner, SourceImage
from ..relabel import relabel
from ..resolution import planes

ON: Input = "classes"
NEEDS_CLASSES = True


class Config(BaseModel, frozen=True, extra="forbid"):
    """No settings: the classes of the step are the family."""


def build(_config: Config, classes: Sequence[int]) -> Refiner:
    """The contract of `inference.refiner.RefinerPart`."""
    family_F = np.array(classes, np.uint8)

    def refine_by_vote(decision: Decision, _image: SourceImage) -> Decision:
        labels_HW = decision.labels_HW
        inside_HW = np.isin(labels_HW, family_F)
        regions = label_regions(inside_HW)
        index_N = regions.index_HW[inside_HW]
        num_regions = len(regions.area_px_R)
        votes_FR = np.empty((len(family_F), num_regions))
        for votes_R, plane_HW in zip(
            votes_FR, planes(decision.logits.select(family_F)), strict=True
        ):
            shares_N = decision.shares(plane_HW)[inside_HW]
            votes_R[:] = np.bincount(index_N, weights=shares_N, minlength=num_regions)
        voted_HW = labels_HW.copy()
        voted_HW[inside_HW] = family_F[votes_FR.argmax(axis=0)][index_N]
        return relabel(decision, voted_HW)

    return refine_by_vote
