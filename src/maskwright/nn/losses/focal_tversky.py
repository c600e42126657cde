"""Focal Tversky loss, Abraham and Khan 2018 (arXiv:1810.07842), eq. 4.

(1 - Tversky index)^(1 / gamma) by class; a class without a truth pixel in the batch is left
out of the mean.
"""

from pydantic import Field
from torch import Tensor

from maskwright.nn.blocks.loss_terms import mean_over_present, soft_counts
from maskwright.nn.part_config import PartConfig
from maskwright.nn.protocols import PixelLoss

MIN_ERROR = 1e-6
"""Lower limit of 1 - index, whose root has an infinite slope at 0."""


class Config(PartConfig):
    """Weights of false positives and negatives, the focus, and smoothing in pixels."""

    alpha: float = Field(0.3, ge=0)
    beta: float = Field(0.7, ge=0)
    gamma: float = Field(4 / 3, ge=1, le=3)
    smooth: float = Field(1.0, gt=0)


def build(config: Config, class_weights_K: Tensor | None) -> PixelLoss:
    """Build the loss (`protocols.LossPart`): (weighted) mean over the classes present."""

    def loss(logits_BKHW: Tensor, labels_BHW: Tensor) -> Tensor:
        counts = soft_counts(logits_BKHW, labels_BHW)
        hit_K = counts.hit_K + config.smooth
        error_K = config.alpha * counts.wrong_K + config.beta * counts.missed_K
        error_ratio_K = (error_K / (hit_K + error_K)).clamp(min=MIN_ERROR)
        return mean_over_present(
            error_ratio_K ** (1 / config.gamma), counts.truth_K, class_weights_K
        )

    return loss
