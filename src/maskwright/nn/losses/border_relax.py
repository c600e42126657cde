"""Cross-entropy with a tolerance band at borders: label relaxation, Zhu et al. 2019.

arXiv:1812.01593, section 3.3, eq. 3: where truth has several classes within a window around a
pixel, the loss is -log of the sum of their probabilities, so that either side of a border is
right; elsewhere it is cross-entropy. A thing that is no wider than the window is not required
at all there: keep the window below it, and add a loss of regions ("border_relax+dice").

The mean is over valid pixels, weighted by the class of the pixel if there are class weights.
"""

from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from maskwright.nn.blocks.loss_terms import one_hot, pixel_weights, weighted_mean
from maskwright.nn.part_config import PartConfig
from maskwright.nn.protocols import PixelLoss


class Config(PartConfig):
    """The window is 2 `radius_px` + 1 pixels wide; the paper's is 3."""

    radius_px: int = Field(1, ge=1, le=32)


def build(config: Config, class_weights_K: Tensor | None) -> PixelLoss:
    """Build the loss (`protocols.LossPart`)."""

    def loss(logits_BKHW: Tensor, labels_BHW: Tensor) -> Tensor:
        truth_BKHW = one_hot(labels_BHW, logits_BKHW.shape[1]).to(logits_BKHW.dtype)
        near_BKHW = F.max_pool2d(
            truth_BKHW, 2 * config.radius_px + 1, stride=1, padding=config.radius_px
        )
        weight_BHW = pixel_weights(labels_BHW, class_weights_K, logits_BKHW)
        # a pixel that does not count may have no class near: it gets all, and costs 0
        right_BKHW = (near_BKHW > 0) | (weight_BHW == 0)[:, None]
        log_BKHW = logits_BKHW.log_softmax(dim=1)
        log_right_BHW = log_BKHW.masked_fill(~right_BKHW, -float("inf")).logsumexp(dim=1)
        return weighted_mean(-log_right_BHW, weight_BHW)

    return loss
