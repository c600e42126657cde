"""Online hard example mining, Shrivastava et al. 2016 (arXiv:1604.03540), for pixels.

As in PSPNet (arXiv:1612.01105) and BiSeNet (arXiv:1808.00897): cross-entropy over the pixels
whose true class has a probability below `threshold`, or over the share `min_kept` of the valid
pixels with the lowest probability, whichever are more.
"""

from pydantic import Field
from torch import Tensor

from maskwright.core.labels import IGNORE
from maskwright.nn.blocks.loss_terms import pixel_cross_entropy, pixel_weights, weighted_mean
from maskwright.nn.part_config import PartConfig
from maskwright.nn.protocols import PixelLoss


class Config(PartConfig):
    """Probability above which a pixel is easy; share of the valid pixels that always count."""

    threshold: float = Field(0.7, gt=0, le=1)
    min_kept: float = Field(1 / 16, gt=0, le=1)


def build(config: Config, class_weights_K: Tensor | None) -> PixelLoss:
    """Build the loss (`protocols.LossPart`).

    Value: (weighted) mean over the hard pixels of the batch.
    """

    def loss(logits_BKHW: Tensor, labels_BHW: Tensor) -> Tensor:
        entropy_BHW = pixel_cross_entropy(logits_BKHW, labels_BHW)
        valid_BHW = labels_BHW != IGNORE
        prob_BHW = (-entropy_BHW.detach()).exp().where(valid_BHW, 2.0)
        sorted_N = prob_BHW.flatten().sort().values
        last = (valid_BHW.sum() * config.min_kept).ceil().long().clamp(min=1) - 1
        limit = sorted_N.gather(0, last[None]).clamp(min=config.threshold)
        weight_BHW = pixel_weights(labels_BHW, class_weights_K, logits_BKHW)
        return weighted_mean(entropy_BHW, weight_BHW * (prob_BHW <= limit))

    return loss
