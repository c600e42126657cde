"""Class-balanced loss, Cui et al. 2019 (arXiv:1901.05555), eq. 4, counted in each batch.

A class with n valid pixels in the batch has the weight (1 - beta) / (1 - beta^n), the inverse
of its effective number. The paper counts over the whole training set, which
`loss.class_weights: effective` does for every loss. Here, no statistics are needed and the
weights follow the crops.
"""

import math

from pydantic import Field
from torch import Tensor

from maskwright.nn.blocks.loss_terms import (
    apply_focus,
    one_hot,
    pixel_cross_entropy,
    pixel_weights,
    weighted_mean,
)
from maskwright.nn.part_config import PartConfig
from maskwright.nn.protocols import PixelLoss


class Config(PartConfig):
    """Beta of the effective number, and the exponent of the focal loss (0: cross-entropy)."""

    beta: float = Field(0.9999, gt=0, lt=1)
    gamma: float = Field(0.0, ge=0)


def build(config: Config, class_weights_K: Tensor | None) -> PixelLoss:
    """Build the loss (`protocols.LossPart`): sum(w l) / sum(w) over valid pixels."""
    log_beta = math.log(config.beta)

    def loss(logits_BKHW: Tensor, labels_BHW: Tensor) -> Tensor:
        truth_BKHW = one_hot(labels_BHW, logits_BKHW.shape[1])
        count_K = truth_BKHW.sum((0, 2, 3)).clamp(min=1).to(logits_BKHW.dtype)
        weight_K = (1 - config.beta) / -(count_K * log_beta).expm1()
        if class_weights_K is not None:
            weight_K = weight_K * class_weights_K.to(weight_K)
        entropy_BHW = pixel_cross_entropy(logits_BKHW, labels_BHW)
        weight_BHW = pixel_weights(labels_BHW, weight_K, logits_BKHW)
        return weighted_mean(apply_focus(entropy_BHW, config.gamma), weight_BHW)

    return loss
