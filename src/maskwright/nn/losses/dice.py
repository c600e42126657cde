"""Soft Dice loss, Milletari et al. 2016 (arXiv:1606.04797), over the valid pixels of a batch.

A class without a truth pixel in the batch is left out of the mean: its Dice is 0 for any
prediction.
"""

from pydantic import Field
from torch import Tensor

from maskwright.nn.blocks.loss_terms import mean_over_present, soft_counts
from maskwright.nn.part_config import PartConfig
from maskwright.nn.protocols import PixelLoss


class Config(PartConfig):
    """Smoothing added to numerator and denominator, in pixels."""

    smooth: float = Field(1.0, gt=0)


def build(config: Config, class_weights_K: Tensor | None) -> PixelLoss:
    """Build the loss (`protocols.LossPart`): 1 - (weighted) mean Dice of classes present."""

    def loss(logits_BKHW: Tensor, labels_BHW: Tensor) -> Tensor:
        counts, smooth = soft_counts(logits_BKHW, labels_BHW), config.smooth
        area_K = counts.truth_K + counts.predicted_K
        dice_K = (2 * counts.hit_K + smooth) / (area_K + smooth)
        return mean_over_present(1 - dice_K, counts.truth_K, class_weights_K)

    return loss
