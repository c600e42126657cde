"""Confusion counts of probabilities, for losses that are a score of regions.

Pixels of a batch are one set; those labelled IGNORE are not in it. A class without a truth
pixel in the batch is left out of every mean: its score would not depend on the network, or
would only punish.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from maskwright.core.labels import IGNORE


class SoftCounts(NamedTuple):
    """Pixels by class: hit, of truth, predicted, missed (FN), wrong (FP); all valid ones."""

    hit_K: Tensor
    truth_K: Tensor
    predicted_K: Tensor
    missed_K: Tensor
    wrong_K: Tensor
    valid: Tensor


def soft_counts(logits_BKHW: Tensor, labels_BHW: Tensor) -> SoftCounts:
    """Counts over the batch. Plain sums: on a GPU scattered ones differ from run to run."""
    prob_BKHW = logits_BKHW.softmax(dim=1)
    truth_BKHW = one_hot(labels_BHW, logits_BKHW.shape[1])
    valid_B1HW = (labels_BHW != IGNORE)[:, None]
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
    """Truth as bool (B, K, H, W); no class where IGNORE."""
    index_K11 = torch.arange(num_classes, device=labels_BHW.device)[:, None, None]
    return labels_BHW[:, None] == index_K11


def mean_of_present(loss_K: Tensor, truth_K: Tensor, class_weights_K: Tensor | None) -> Tensor:
    """Weighted mean of `loss_K` over the classes with truth pixels; 0 where there are none."""
    weight_K = (truth_K > 0).to(loss_K.dtype)
    if class_weights_K is not None:
        weight_K = weight_K * class_weights_K.to(loss_K)
    return (weight_K * loss_K).sum() / weight_K.sum().clamp(min=1e-9)


def mean_of_all(loss_K: Tensor, class_weights_K: Tensor | None) -> Tensor:
    """Weighted mean of `loss_K` over all classes, for losses that are 0 where one is absent."""
    if class_weights_K is None:
        return loss_K.mean()
    weight_K = class_weights_K.to(loss_K)
    return (weight_K * loss_K).sum() / weight_K.sum()
