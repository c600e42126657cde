"""Tversky loss, Salehi et al. 2017 (arXiv:1706.05721), eq. 3: Dice with weighted errors.

A class without a truth pixel in the batch is left out of the mean.
"""

from pydantic import Field
from torch import Tensor

from maskwright.nn.blocks.loss_terms import mean_over_present, soft_counts
from maskwright.nn.part_config import PartConfig
from maskwright.nn.protocols import PixelLoss


class Config(PartConfig):
    """Weights of false positives and of false negatives; smoothing in pixels."""

    alpha: float = Field(0.3, ge=0)
    beta: float = Field(0.7, ge=0)
    smooth: float = Field(1.0, gt=0)


def build(config: Config, class_weights_K: Tensor | None) -> PixelLoss:
    """Build the loss (`protocols.LossPart`).

    Value: 1 - (weighted) mean Tversky index of classes present.
    """

    def loss(logits_BKHW: Tensor, labels_BHW: Tensor) -> Tensor:
        counts = soft_counts(logits_BKHW, labels_BHW)
        hit_K = counts.hit_K + config.smooth
        error_K = config.alpha * counts.wrong_K + config.beta * counts.missed_K
        return mean_over_present(1 - hit_K / (hit_K + error_K), counts.truth_K, class_weights_K)

    return loss
