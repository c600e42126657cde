"""What losses are computed from: soft confusion counts, and cross-entropy per pixel.

Pixels labelled IGNORE enter no count and have weight 0. A class without a truth pixel in the
batch is left out of `mean_over_present`: its score would not depend on the network, or would
only penalise.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from maskwright.core.labels import IGNORE

MIN_DOUBT = 1e-7
"""Lower limit of 1 - p: a power of it below 1 has an infinite slope at p = 1."""


class SoftCounts(NamedTuple):
    """Sums of probabilities over the valid pixels of a batch, by class (K).

    `hit_K` true positives, `truth_K` pixels of the truth, `predicted_K` all predictions,
    `missed_K` false negatives, `wrong_K` false positives; `valid` is the number of pixels.
    """

    hit_K: Tensor
    truth_K: Tensor
    predicted_K: Tensor
    missed_K: Tensor
    wrong_K: Tensor
    valid: Tensor


def soft_counts(logits_BKHW: Tensor, labels_BHW: Tensor) -> SoftCounts:
    """Confusion counts of the softmax probabilities over the batch."""
    prob_BKHW = logits_BKHW.softmax(dim=1)
    truth_BKHW = one_hot(labels_BHW, logits_BKHW.shape[1])
    valid_B1HW = (labels_BHW != IGNORE)[:, None]
    # sums of masked maps, not a scatter by class: that differs from run to run on a GPU
    over = (0, 2, 3)
    hit_K = (prob_BKHW * truth_BKHW).sum(over)
    truth_K = truth_BKHW.sum(over).to(prob_BKHW.dtype)
    predicted_K = (prob_BKHW * valid_B1HW).sum(over)
    return SoftCounts(
        hit_K=hit_K,
        truth_K=truth_K,
        predicted_K=predicted_K,
        missed_K=truth_K - hit_K,
        wrong_K=predicted_K - hit_K,
        valid=valid_B1HW.sum().to(prob_BKHW.dtype),
    )


def one_hot(labels_BHW: Tensor, num_classes: int) -> Tensor:
    """Truth as bool (B, K, H, W); False for all classes where the label is IGNORE."""
    index_K11 = torch.arange(num_classes, device=labels_BHW.device)[:, None, None]
    return labels_BHW[:, None] == index_K11  # (B, 1, H, W) == (K, 1, 1) -> (B, K, H, W)


def mean_over_present(
    loss_K: Tensor, truth_K: Tensor, class_weights_K: Tensor | None
) -> Tensor:
    """Weighted mean of `loss_K` over the classes with truth pixels; 0 if there are none."""
    weight_K = (truth_K > 0).to(loss_K.dtype)
    if class_weights_K is not None:
        weight_K = weight_K * class_weights_K.to(loss_K)
    return (weight_K * loss_K).sum() / weight_K.sum().clamp(min=1e-9)


def mean_over_classes(loss_K: Tensor, class_weights_K: Tensor | None) -> Tensor:
    """Weighted mean of `loss_K` over all classes, for losses that are 0 for an absent class."""
    if class_weights_K is None:
        return loss_K.mean()
    weight_K = class_weights_K.to(loss_K)
    return (weight_K * loss_K).sum() / weight_K.sum()


def pixel_cross_entropy(logits_BKHW: Tensor, labels_BHW: Tensor) -> Tensor:
    """-log p of each pixel's class (B, H, W); 0 where the label is IGNORE."""
    return F.cross_entropy(logits_BKHW, labels_BHW, ignore_index=IGNORE, reduction="none")


def apply_focus(entropy_BHW: Tensor, gamma: float) -> Tensor:
    """(1 - p)^gamma * -log p from -log p; Lin et al. 2017, eq. 4."""
    doubt_BHW = -(-entropy_BHW).expm1()  # 1 - p
    return doubt_BHW.clamp(min=MIN_DOUBT) ** gamma * entropy_BHW


def pixel_weights(labels_BHW: Tensor, class_weights_K: Tensor | None, like: Tensor) -> Tensor:
    """Weight (B, H, W) of each pixel's class, with the dtype of `like`; 0 where IGNORE."""
    valid_BHW = labels_BHW != IGNORE
    if class_weights_K is None:
        return valid_BHW.to(like.dtype)
    return class_weights_K.to(like)[labels_BHW.where(valid_BHW, 0)] * valid_BHW


def weighted_mean(loss_BHW: Tensor, weight_BHW: Tensor) -> Tensor:
    """sum(w l) / sum(w); 0 if all weights are 0."""
    return (loss_BHW * weight_BHW).sum() / weight_BHW.sum().clamp(min=1e-9)
