"""What boxes learn from instances: as in Faster R-CNN (arXiv:1506.01497), and masks.

Of a cell of a mask only the known pixels count. A box mostly of unknown pixels is no example of
background; an image without an instance says nothing.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .boxes import areas, overlaps
from .instances import Instances

BACKGROUND, LEFT_OUT = -1, -2
"""In the place of the number of an instance."""

UNKNOWN_SHARE = 0.5
SMOOTH = 1 / 9
"""Where the loss of boxes turns from square to straight, as in torchvision."""

Weights = tuple[float, float, float, float]


class Examples(NamedTuple):
    """Boxes of one image to learn from: instance or BACKGROUND, and the box to go to."""

    index_S: Tensor
    box_S4: Tensor
    match_S: Tensor
    goal_S4: Tensor

    @property
    def found(self) -> Tensor:
        """Which (S) have an instance."""
        return self.match_S >= 0


def anchor_examples(anchor_A4: Tensor, truth: Instances) -> Examples:
    """256, half of them at most with an instance; each instance has its best anchors."""
    match_A = _matched(anchor_A4, truth, low=0.3, high=0.7, rescue=True)
    return _sampled(anchor_A4, match_A, truth, 256, 0.5)


def box_examples(box_R4: Tensor, truth: Instances, num: int) -> Examples:
    """`num`, a quarter of them at most with an instance, out of proposals and truths."""
    box_N4 = torch.cat([box_R4, truth.box_M4])
    match_N = _matched(box_N4, truth, low=0.5, high=0.5, rescue=False)
    return _sampled(box_N4, match_N, truth, num, 0.25)


def classes_of(examples: Examples, truth: Instances) -> Tensor:
    """(S), 0 being background."""
    found_S = examples.found
    class_S = torch.zeros_like(examples.match_S)
    class_S[found_S] = truth.class_M[examples.match_S[found_S]] + 1
    return class_S


def _matched(
    box_N4: Tensor, truth: Instances, *, low: float, high: float, rescue: bool
) -> Tensor:
    """The instance (N) of each box, BACKGROUND or LEFT_OUT.

    A box has the instance that it overlaps most, by `high` at least; below `low` it is
    background. With `rescue`, every instance has the boxes that overlap it most.
    """
    from torchvision.models.detection._utils import Matcher

    if len(truth.class_M) == 0:
        return box_N4.new_full((len(box_N4),), LEFT_OUT, dtype=torch.long)
    match_N: Tensor = Matcher(high, low, rescue)(overlaps(truth.box_M4, box_N4))
    unknown_N = unknown_share(box_N4, truth.known_HW) > UNKNOWN_SHARE
    return match_N.masked_fill((match_N == BACKGROUND) & unknown_N, LEFT_OUT)


def _sampled(
    box_N4: Tensor, match_N: Tensor, truth: Instances, num: int, share: float
) -> Examples:
    """At random `num` boxes at most, of which `share` at most have an instance."""
    found_N = torch.nonzero(match_N >= 0)[:, 0]
    background_N = torch.nonzero(match_N == BACKGROUND)[:, 0]
    num_found = min(len(found_N), int(num * share))
    index_S = torch.cat([_some(found_N, num_found), _some(background_N, num - num_found)])
    box_S4, match_S = box_N4[index_S], match_N[index_S]
    goal_S4 = box_S4.clone()
    goal_S4[match_S >= 0] = truth.box_M4[match_S[match_S >= 0]]
    return Examples(index_S, box_S4, match_S, goal_S4)


def _some(index_N: Tensor, num: int) -> Tensor:
    return index_N[torch.randperm(len(index_N), device=index_N.device)[:num]]


def unknown_share(box_N4: Tensor, known_HW: Tensor) -> Tensor:
    """Of the pixels (N) of a box, cut to the image."""
    height, width = known_HW.shape
    sums_HW = F.pad((1 - known_HW).cumsum(0).cumsum(1), (1, 0, 1, 0))
    whole_N4 = box_N4.round().long()
    x_N, right_N = (whole_N4[:, n].clamp(0, width) for n in (0, 2))
    y_N, bottom_N = (whole_N4[:, n].clamp(0, height) for n in (1, 3))
    unknown_N = (
        sums_HW[bottom_N, right_N]
        - sums_HW[y_N, right_N]
        - sums_HW[bottom_N, x_N]
        + sums_HW[y_N, x_N]
    )
    return unknown_N / ((right_N - x_N) * (bottom_N - y_N)).clamp(min=1)


def moves(box_N4: Tensor, goal_N4: Tensor, weights: Weights) -> Tensor:
    """What `boxes.moved` should be told (N, 4) to go from boxes to goals."""
    from torchvision.models.detection._utils import BoxCoder

    # a box of no size has no finite way to anywhere
    has_size_N1 = (areas(box_N4) > 0)[:, None]
    unit_N4 = torch.tensor([0.0, 0.0, 1.0, 1.0], device=box_N4.device).expand_as(box_N4)
    whole_N4, end_N4 = (torch.where(has_size_N1, x, unit_N4) for x in (box_N4, goal_N4))
    found: Tensor = BoxCoder(weights).encode_single(end_N4, whole_N4)
    return found


def proposal_loss(
    score_S: Tensor, delta_S4: Tensor, found_S: Tensor, target_S4: Tensor
) -> Tensor:
    """Of the network of proposals: cross-entropy of all, distance of those with an instance."""
    num = max(1, len(score_S))
    entropy = F.binary_cross_entropy_with_logits(score_S, found_S.float(), reduction="sum")
    distance = F.smooth_l1_loss(
        delta_S4[found_S], target_S4[found_S], beta=SMOOTH, reduction="sum"
    )
    return (entropy + distance) / num


def box_loss(class_Sk: Tensor, delta_Sk4: Tensor, class_S: Tensor, target_S4: Tensor) -> Tensor:
    """Of boxes: cross-entropy of the class, 0 being background; distance by the true class."""
    num = max(1, len(class_S))
    entropy = F.cross_entropy(class_Sk, class_S, reduction="sum")
    found_P = torch.nonzero(class_S)[:, 0]
    distance = F.smooth_l1_loss(
        delta_Sk4[found_P, class_S[found_P]], target_S4[found_P], beta=SMOOTH, reduction="sum"
    )
    return (entropy + distance) / num


def mask_loss(logit_Pmm: Tensor, target_Pmm: Tensor, known_Pmm: Tensor) -> Tensor:
    """Cross-entropy of masks, a mean over the known part of all cells."""
    entropy_Pmm = F.binary_cross_entropy_with_logits(
        logit_Pmm, target_Pmm, weight=known_Pmm, reduction="sum"
    )
    return entropy_Pmm / known_Pmm.sum().clamp(min=1)


def true_masks(examples: Examples, truth: Instances, size: int) -> tuple[Tensor, Tensor]:
    """Of each box's instance, the share (P, size, size) among known pixels; and their share."""
    from torchvision.ops import roi_align

    box_P4, match_P = examples.box_S4[examples.found], examples.match_S[examples.found]

    def cut(map_N1HW: Tensor, number_P: Tensor) -> Tensor:
        roi_P5 = torch.cat([number_P[:, None].to(box_P4), box_P4], 1)
        found: Tensor = roi_align(map_N1HW, roi_P5, size, aligned=True)
        return found[:, 0]

    known_Pmm = cut(truth.known_HW[None, None], torch.zeros_like(match_P))
    mask_Pmm = cut(truth.mask_MHW[:, None].float(), match_P)
    return (mask_Pmm / known_Pmm.clamp(min=1e-6)).clamp(0, 1), known_Pmm
