"""Borders between classes as the truth of border heads, and losses of such heads.

A pixel labelled IGNORE is not a border pixel and does not make its neighbours border pixels.
"""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, max_pool2d

from maskwright.core.labels import IGNORE


def border_map(labels_BHW: Tensor, radius_px: int) -> Tensor:
    """1.0 where a square of `radius_px` around a pixel holds more than one class, float32."""
    valid_B1HW = labels_BHW[:, None] != IGNORE
    class_B1HW = labels_BHW[:, None].float()
    size = 2 * radius_px + 1
    highest = max_pool2d(class_B1HW.where(valid_B1HW, -1.0), size, 1, radius_px)
    lowest = -max_pool2d((-class_B1HW).where(valid_B1HW, -float(IGNORE)), size, 1, radius_px)
    return ((highest > lowest) & valid_B1HW)[:, 0].float()


def balanced_border_loss(logits_BHW: Tensor, border_BHW: Tensor, valid_BHW: Tensor) -> Tensor:
    """Cross-entropy, border pixels weighted by the share of the others and vice versa."""
    border_BHW, valid_BHW = border_BHW * valid_BHW, valid_BHW.float()
    num_valid = valid_BHW.sum().clamp(min=1)
    share = border_BHW.sum() / num_valid
    weight_BHW = torch.where(border_BHW > 0, 1 - share, share) * valid_BHW
    loss_BHW = binary_cross_entropy_with_logits(
        logits_BHW.float(), border_BHW, weight_BHW, reduction="none"
    )
    return loss_BHW.sum() / num_valid


def border_overlap_loss(logits_BHW: Tensor, border_BHW: Tensor, valid_BHW: Tensor) -> Tensor:
    """Mean cross-entropy of the valid pixels, plus the mean over images of 1 - Dice."""
    valid_BHW = valid_BHW.float()
    border_BHW = border_BHW * valid_BHW
    loss_BHW = binary_cross_entropy_with_logits(
        logits_BHW.float(), border_BHW, valid_BHW, reduction="none"
    )
    prob_BHW = logits_BHW.float().sigmoid() * valid_BHW
    hit_B = (prob_BHW * border_BHW).sum((1, 2))
    dice_B = (2 * hit_B + 1) / (prob_BHW.sum((1, 2)) + border_BHW.sum((1, 2)) + 1)
    return loss_BHW.sum() / valid_BHW.sum().clamp(min=1) + (1 - dice_B).mean()
