"""Losses of boxes, as in Faster R-CNN (arXiv:1506.01497), and of masks in them.

In a mask cell only the known pixels count. A box of mostly unknown pixels is not an example of
background; an image without an instance adds nothing to the loss.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .boxes import box_areas, box_iou
from .instances import Instances

BACKGROUND, LEFT_OUT = -1, -2
"""Match of a box with no instance, and of one that is not used."""

UNKNOWN_RATIO = 0.5
SMOOTH = 1 / 9
"""Distance at which the loss of boxes turns from quadratic to linear, as in torchvision."""

Weights = tuple[float, float, float, float]


class Examples(NamedTuple):
    """S boxes of one image for the loss.

    `index_S` is their index among the candidates, `match_S` the index of the instance or
    BACKGROUND, `goal_S4` the box of the instance (the box itself for background).
    """

    index_S: Tensor
    box_S4: Tensor
    match_S: Tensor
    goal_S4: Tensor

    @property
    def positive(self) -> Tensor:
        """Whether the box matches an instance, bool."""
        return self.match_S >= 0


def sample_anchors(anchor_A4: Tensor, truth: Instances) -> Examples:
    """256 anchors, at most half of them positive; each instance matches its best anchors."""
    match_A = _match_boxes(anchor_A4, truth, low=0.3, high=0.7, allow_low_quality=True)
    return _sample(anchor_A4, match_A, truth, 256, 0.5)


def sample_boxes(box_R4: Tensor, truth: Instances, num: int) -> Examples:
    """`num` of the proposals and true boxes, at most a quarter of them positive."""
    box_N4 = torch.cat([box_R4, truth.box_M4])
    match_N = _match_boxes(box_N4, truth, low=0.5, high=0.5, allow_low_quality=False)
    return _sample(box_N4, match_N, truth, num, 0.25)


def class_targets(examples: Examples, truth: Instances) -> Tensor:
    """Class index plus 1 of each example (S); 0 is background."""
    positive_S = examples.positive
    class_S = torch.zeros_like(examples.match_S)
    class_S[positive_S] = truth.class_M[examples.match_S[positive_S]] + 1
    return class_S


def _match_boxes(
    box_N4: Tensor, truth: Instances, *, low: float, high: float, allow_low_quality: bool
) -> Tensor:
    """Index (N) of the instance of each box, BACKGROUND or LEFT_OUT.

    A box matches the instance of the highest IoU if that is at least `high`; below `low` it is
    background. With `allow_low_quality`, every instance also matches the boxes of its own
    highest IoU.
    """
    from torchvision.models.detection._utils import Matcher

    if len(truth.class_M) == 0:
        return box_N4.new_full((len(box_N4),), LEFT_OUT, dtype=torch.long)
    match_N: Tensor = Matcher(high, low, allow_low_quality)(box_iou(truth.box_M4, box_N4))
    unknown_N = unknown_ratio(box_N4, truth.known_HW) > UNKNOWN_RATIO
    return match_N.masked_fill((match_N == BACKGROUND) & unknown_N, LEFT_OUT)


def _sample(
    box_N4: Tensor, match_N: Tensor, truth: Instances, num: int, positive_ratio: float
) -> Examples:
    """At most `num` random boxes, at most `positive_ratio` of `num` of them positive."""
    positive_N = torch.nonzero(match_N >= 0)[:, 0]
    background_N = torch.nonzero(match_N == BACKGROUND)[:, 0]
    num_positive = min(len(positive_N), int(num * positive_ratio))
    index_S = torch.cat(
        [
            _choose_random(positive_N, num_positive),
            _choose_random(background_N, num - num_positive),
        ]
    )
    box_S4, match_S = box_N4[index_S], match_N[index_S]
    goal_S4 = box_S4.clone()
    goal_S4[match_S >= 0] = truth.box_M4[match_S[match_S >= 0]]
    return Examples(index_S, box_S4, match_S, goal_S4)


def _choose_random(index_N: Tensor, num: int) -> Tensor:
    return index_N[torch.randperm(len(index_N), device=index_N.device)[:num]]


def unknown_ratio(box_N4: Tensor, known_HW: Tensor) -> Tensor:
    """Share (N) of unknown pixels in each box, which is cut at the borders of the image."""
    height, width = known_HW.shape
    # summed-area table (H + 1, W + 1): the sum over a box is four look-ups
    sums_HW = F.pad((1 - known_HW).cumsum(0).cumsum(1), (1, 0, 1, 0))
    rounded_N4 = box_N4.round().long()
    left_N, right_N = (rounded_N4[:, n].clamp(0, width) for n in (0, 2))
    top_N, bottom_N = (rounded_N4[:, n].clamp(0, height) for n in (1, 3))
    unknown_N = (
        sums_HW[bottom_N, right_N]
        - sums_HW[top_N, right_N]
        - sums_HW[bottom_N, left_N]
        + sums_HW[top_N, left_N]
    )
    return unknown_N / ((right_N - left_N) * (bottom_N - top_N)).clamp(min=1)


def encode_boxes(box_N4: Tensor, goal_N4: Tensor, weights: Weights) -> Tensor:
    """The deltas (N, 4) with which `boxes.decode_boxes` turns each box into its goal."""
    from torchvision.models.detection._utils import BoxCoder

    # a box without area has no finite deltas: both become the unit box, whose deltas are 0
    has_area_N1 = (box_areas(box_N4) > 0)[:, None]
    unit_N4 = torch.tensor([0.0, 0.0, 1.0, 1.0], device=box_N4.device).expand_as(box_N4)
    start_N4, end_N4 = (torch.where(has_area_N1, x, unit_N4) for x in (box_N4, goal_N4))
    delta_N4: Tensor = BoxCoder(weights).encode_single(end_N4, start_N4)
    return delta_N4


def proposal_loss(
    score_S: Tensor, delta_S4: Tensor, positive_S: Tensor, target_S4: Tensor
) -> Tensor:
    """Loss of the region proposals: cross-entropy of all, distance of the positive ones."""
    num = max(1, len(score_S))
    entropy = F.binary_cross_entropy_with_logits(score_S, positive_S.float(), reduction="sum")
    distance = F.smooth_l1_loss(
        delta_S4[positive_S], target_S4[positive_S], beta=SMOOTH, reduction="sum"
    )
    return (entropy + distance) / num


def box_loss(class_Sk: Tensor, delta_Sk4: Tensor, class_S: Tensor, target_S4: Tensor) -> Tensor:
    """Loss of the boxes: cross-entropy of the class, and distance for the true class.

    Class 0 is background, which has no distance.
    """
    num = max(1, len(class_S))
    entropy = F.cross_entropy(class_Sk, class_S, reduction="sum")
    positive_P = torch.nonzero(class_S)[:, 0]
    distance = F.smooth_l1_loss(
        delta_Sk4[positive_P, class_S[positive_P]],
        target_S4[positive_P],
        beta=SMOOTH,
        reduction="sum",
    )
    return (entropy + distance) / num


def mask_loss(logit_Pmm: Tensor, target_Pmm: Tensor, known_Pmm: Tensor) -> Tensor:
    """Cross-entropy of the masks, a mean over all cells weighted by their known share."""
    entropy = F.binary_cross_entropy_with_logits(
        logit_Pmm, target_Pmm, weight=known_Pmm, reduction="sum"
    )
    return entropy / known_Pmm.sum().clamp(min=1)


def mask_targets(examples: Examples, truth: Instances, size: int) -> tuple[Tensor, Tensor]:
    """Target masks of the P positive examples, and the known share of each cell.

    Both are (P, size, size) in [0, 1]; a target is the share of the instance among the known
    pixels of the cell.
    """
    from torchvision.ops import roi_align

    positive_S = examples.positive
    box_P4, match_P = examples.box_S4[positive_S], examples.match_S[positive_S]

    def crop(map_N1HW: Tensor, index_P: Tensor) -> Tensor:
        roi_P5 = torch.cat([index_P[:, None].to(box_P4), box_P4], 1)
        crop_P1mm: Tensor = roi_align(map_N1HW, roi_P5, size, aligned=True)
        return crop_P1mm[:, 0]

    known_Pmm = crop(truth.known_HW[None, None], torch.zeros_like(match_P))
    mask_Pmm = crop(truth.mask_MHW[:, None].float(), match_P)
    return (mask_Pmm / known_Pmm.clamp(min=1e-6)).clamp(0, 1), known_Pmm
