"""Generalised Dice loss, Sudre et al. 2017 (arXiv:1707.03237), section 2.1.

One Dice over all classes, each with the weight 1 / (its area in the truth)^2. A class without a
truth pixel in the batch, whose weight would be infinite, is left out.
"""

from torch import Tensor

from maskwright.nn.blocks.loss_terms import soft_counts
from maskwright.nn.part_config import NoChoices as Config
from maskwright.nn.protocols import PixelLoss


def build(_config: Config, class_weights_K: Tensor | None) -> PixelLoss:
    """Build the loss (`protocols.LossPart`); class weights multiply the area weights."""

    def loss(logits_BKHW: Tensor, labels_BHW: Tensor) -> Tensor:
        counts = soft_counts(logits_BKHW, labels_BHW)
        share_K = counts.truth_K / counts.valid.clamp(min=1)
        weight_K = (counts.truth_K > 0) / share_K.clamp(min=1e-9) ** 2
        if class_weights_K is not None:
            weight_K = weight_K * class_weights_K.to(weight_K)
        error = (weight_K * (counts.missed_K + counts.wrong_K)).sum()
        area = (weight_K * (counts.truth_K + counts.predicted_K)).sum()
        return error / area.clamp(min=1e-9)

    return loss
