"""Focal loss, Lin et al. 2017 (arXiv:1708.02002), eq. 4, over all classes of a softmax."""

from pydantic import Field
from torch import Tensor

from maskwright.nn.blocks.loss_terms import (
    apply_focus,
    pixel_cross_entropy,
    pixel_weights,
    weighted_mean,
)
from maskwright.nn.part_config import PartConfig
from maskwright.nn.protocols import PixelLoss


class Config(PartConfig):
    """Focusing exponent: 0 gives cross-entropy, 2 is the paper's value."""

    gamma: float = Field(2.0, ge=0)


def build(config: Config, class_weights_K: Tensor | None) -> PixelLoss:
    """Build the loss (`protocols.LossPart`).

    Value: mean of (1 - p)^gamma * -w log p over valid pixels.
    """

    def loss(logits_BKHW: Tensor, labels_BHW: Tensor) -> Tensor:
        entropy_BHW = pixel_cross_entropy(logits_BKHW, labels_BHW)
        weight_BHW = pixel_weights(labels_BHW, class_weights_K, logits_BKHW)
        return weighted_mean(apply_focus(entropy_BHW, config.gamma), weight_BHW)

    return loss
