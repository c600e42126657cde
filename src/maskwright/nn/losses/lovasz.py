"""Lovász-softmax, Berman et al. 2018 (arXiv:1705.08790), algorithm 1.

The Jaccard loss over the batch, made differentiable by its Lovász extension; the mean over the
classes in the truth.
"""

import torch
from torch import Tensor

from maskwright.core.labels import IGNORE
from maskwright.nn.blocks.loss_terms import mean_over_present, one_hot
from maskwright.nn.part_config import NoChoices as Config
from maskwright.nn.protocols import PixelLoss


def build(_config: Config, class_weights_K: Tensor | None) -> PixelLoss:
    """Build the loss (`protocols.LossPart`)."""

    def loss(logits_BKHW: Tensor, labels_BHW: Tensor) -> Tensor:
        valid_N = (labels_BHW != IGNORE).flatten()
        # (B, K, H, W) -> (K, B, H, W) -> (K, N): all pixels of the batch
        prob_KN = logits_BKHW.softmax(dim=1).movedim(1, 0).flatten(1)
        truth_KN = one_hot(labels_BHW, logits_BKHW.shape[1]).movedim(1, 0).flatten(1)
        error_KN = (truth_KN.to(prob_KN.dtype) - prob_KN).abs().where(valid_N, -1.0)
        loss_K = _lovasz_extension(error_KN, truth_KN, valid_N & ~truth_KN)
        return mean_over_present(loss_K, truth_KN.sum(1), class_weights_K)

    return loss


def _lovasz_extension(error_KN: Tensor, truth_KN: Tensor, other_KN: Tensor) -> Tensor:
    """Sum of the errors, each times the increase of the Jaccard loss that it causes.

    The errors are added in decreasing order. Ignored pixels, in neither `truth_KN` nor
    `other_KN`, come last and cause no increase.
    """
    sorted_KN, order_KN = error_KN.sort(dim=1, descending=True)
    missed_KN = truth_KN.gather(1, order_KN).cumsum(1)
    wrong_KN = other_KN.gather(1, order_KN).cumsum(1)
    area_K1 = missed_KN[:, -1:]
    hit_KN = (area_K1 - missed_KN).to(error_KN.dtype)
    union_KN = (area_K1 + wrong_KN).to(error_KN.dtype)
    jaccard_KN = 1 - hit_KN / union_KN.clamp(min=1)
    increase_KN = torch.diff(jaccard_KN, dim=1, prepend=torch.zeros_like(jaccard_KN[:, :1]))
    return (sorted_KN * increase_KN).sum(1)
