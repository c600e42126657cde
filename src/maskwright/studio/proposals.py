"""Proposals: class maps that nobody drew, of which a person accepts regions, classes or all."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.labels import IGNORE, LabelMap
from .edit import Edit, Proposal
from .raster import require_inside
from .repairs import Mask


@dataclass(frozen=True, slots=True, eq=False)
class Proposed:
    """Class map in the classes of the project, and confidence in [0, 1]."""

    labels_HW: LabelMap
    confidence_HW: NDArray[np.float32]


def accept_proposal(
    labels_HW: LabelMap, proposed: Proposed, proposal: Proposal, edit: Edit
) -> LabelMap:
    """The class map with what is accepted of a proposal, in the mode of the edit."""
    taken_HW = find_taken(proposed, proposal)
    if edit.mode == "keep":
        taken_HW &= labels_HW == IGNORE
    if edit.only is not None:
        taken_HW &= np.isin(labels_HW, edit.only)
    return np.where(taken_HW, proposed.labels_HW, labels_HW)


def find_taken(proposed: Proposed, proposal: Proposal) -> Mask:
    """Which pixels of a proposal are taken.

    Raises:
        DataError: Its pixel is outside of the image.
    """
    found_HW = proposed.labels_HW
    taken_HW = (found_HW != IGNORE) & (proposed.confidence_HW >= proposal.least_confidence)
    if proposal.classes is not None:
        taken_HW &= np.isin(found_HW, proposal.classes)
    if proposal.at is not None:
        require_inside(proposal.at, found_HW.shape)
        x, y = proposal.at
        taken_HW = keep_connected(taken_HW & (found_HW == found_HW[y, x]), proposal.at)
    return np.asarray(taken_HW)


def keep_connected(mask_HW: Mask, at: tuple[int, int]) -> Mask:
    """The pixels of a mask that are connected by sides with (x, y), where that is one."""
    x, y = at
    _, region_HW = cv2.connectedComponents(mask_HW.astype(np.uint8), connectivity=4)
    return np.asarray(mask_HW & (region_HW == region_HW[y, x]))
