"""Hausdorff distance by distance maps, Karimi and Salcudean 2019 (arXiv:1904.10030), eq. 8.

Mean over valid pixels and classes of (p - truth)^2 (D_truth^alpha + D_predicted^alpha), where D
is the distance in pixels from the border of the class in that image, and predicted means
p > 0.5. A region that is empty or fills the image has no border: its D is 0. The values are
large (pixels to the power of alpha): add this loss to another one with a small weight
("ce + dice + 0.001*hausdorff_dt").
"""

from pydantic import Field
from torch import Tensor

from maskwright.core.labels import IGNORE
from maskwright.nn.blocks.border_distance import border_distance
from maskwright.nn.blocks.loss_terms import mean_over_classes, one_hot
from maskwright.nn.part_config import PartConfig
from maskwright.nn.protocols import PixelLoss


class Config(PartConfig):
    """Exponent of the distance; in the paper 1 to 3 work, and 2 is used."""

    alpha: float = Field(2.0, gt=0)


def build(config: Config, class_weights_K: Tensor | None) -> PixelLoss:
    """Build the loss (`protocols.LossPart`)."""

    def loss(logits_BKHW: Tensor, labels_BHW: Tensor) -> Tensor:
        prob_BKHW = logits_BKHW.softmax(dim=1)
        truth_BKHW = one_hot(labels_BHW, logits_BKHW.shape[1])
        valid_B1HW = (labels_BHW != IGNORE)[:, None]
        distance_BKHW = sum(
            border_distance(region_BKHW, valid_B1HW).to(prob_BKHW.dtype) ** config.alpha
            for region_BKHW in (truth_BKHW, prob_BKHW.detach() > 0.5)
        )
        error_BKHW = (prob_BKHW - truth_BKHW.to(prob_BKHW.dtype)) ** 2
        cost_K = (distance_BKHW * error_BKHW).sum((0, 2, 3)) / valid_B1HW.sum().clamp(min=1)
        return mean_over_classes(cost_K, class_weights_K)

    return loss
