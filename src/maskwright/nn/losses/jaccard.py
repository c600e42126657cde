"""Soft Jaccard loss (1 - IoU), Rahman and Wang 2016, eq. 3, over the valid pixels of a batch.

"Optimizing intersection-over-union in deep neural networks for image segmentation", ISVC 2016.
A class without a truth pixel in the batch is left out of the mean.
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
    """Build the loss (`protocols.LossPart`): 1 - (weighted) mean IoU of classes present."""

    def loss(logits_BKHW: Tensor, labels_BHW: Tensor) -> Tensor:
        counts = soft_counts(logits_BKHW, labels_BHW)
        union_K = counts.truth_K + counts.wrong_K
        iou_K = (counts.hit_K + config.smooth) / (union_K + config.smooth)
        return mean_over_present(1 - iou_K, counts.truth_K, class_weights_K)

    return loss
