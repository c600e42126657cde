"""Boundary loss, Kervadec et al. 2019 (arXiv:1812.07032), eq. 5.

Each probability error costs its distance, in pixels, from the border of the class in that
image: mean over valid pixels and classes of |distance| * |p - truth|. The constant that
eq. 5 drops is kept, so that a perfect prediction costs 0; gradients are the same. A class that
is absent from an image, or fills it, has no border there and costs 0: add this loss to a
regional one, as the paper does, with a rising weight ("dice + 0..0.1*boundary").
"""

from torch import Tensor

from maskwright.core.labels import IGNORE
from maskwright.nn.blocks.border_distance import border_distance
from maskwright.nn.blocks.loss_terms import mean_over_classes, one_hot
from maskwright.nn.part_config import NoChoices as Config
from maskwright.nn.protocols import PixelLoss


def build(_config: Config, class_weights_K: Tensor | None) -> PixelLoss:
    """Build the loss (`protocols.LossPart`)."""

    def loss(logits_BKHW: Tensor, labels_BHW: Tensor) -> Tensor:
        truth_BKHW = one_hot(labels_BHW, logits_BKHW.shape[1])
        valid_B1HW = (labels_BHW != IGNORE)[:, None]
        distance_BKHW = border_distance(truth_BKHW, valid_B1HW).to(logits_BKHW.dtype)
        error_BKHW = (logits_BKHW.softmax(dim=1) - truth_BKHW.to(logits_BKHW.dtype)).abs()
        cost_K = (distance_BKHW * error_BKHW).sum((0, 2, 3)) / valid_B1HW.sum().clamp(min=1)
        return mean_over_classes(cost_K, class_weights_K)

    return loss
