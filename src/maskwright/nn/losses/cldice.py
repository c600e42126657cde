"""clDice, Shit et al. 2021 (arXiv:2003.07311), algorithms 1 and 2: for thin structures.

1 - harmonic mean of the share of the predicted centre line inside the truth and of the true
centre line inside the prediction. Ignored pixels are outside. A class without a truth pixel in
the batch is left out of the mean. The loss does not depend on the width of a structure: add it
to Dice, as the paper does ("dice + cldice").
"""

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from maskwright.core.errors import ConfigError
from maskwright.core.labels import IGNORE
from maskwright.nn.blocks.loss_terms import mean_over_present, one_hot
from maskwright.nn.part_config import PartConfig
from maskwright.nn.protocols import PixelLoss


class Config(PartConfig):
    """Indices of the thin classes (empty: all); half their largest width, smoothing, in px."""

    classes: tuple[int, ...] = ()
    iterations: int = Field(5, ge=1)
    smooth: float = Field(1.0, gt=0)


def build(config: Config, class_weights_K: Tensor | None) -> PixelLoss:
    """Build the loss (`protocols.LossPart`)."""

    def loss(logits_BKHW: Tensor, labels_BHW: Tensor) -> Tensor:
        num_classes, over, smooth = logits_BKHW.shape[1], (0, 2, 3), config.smooth
        chosen = _select_classes(config.classes, num_classes)
        truth_BkHW = one_hot(labels_BHW, num_classes)[:, chosen].to(logits_BKHW.dtype)
        prob_BkHW = logits_BKHW.softmax(dim=1)[:, chosen] * (labels_BHW != IGNORE)[:, None]
        true_line = _soft_skeleton(truth_BkHW, config.iterations)
        line = _soft_skeleton(prob_BkHW, config.iterations)
        precision_k = _share_inside(line, truth_BkHW, smooth)
        recall_k = _share_inside(true_line, prob_BkHW, smooth)
        cldice_k = 2 * precision_k * recall_k / (precision_k + recall_k)
        weight_k = None if class_weights_K is None else class_weights_K[chosen]
        return mean_over_present(1 - cldice_k, truth_BkHW.sum(over), weight_k)

    return loss


def _select_classes(classes: tuple[int, ...], num_classes: int) -> list[int]:
    foreign = [index for index in classes if not 0 <= index < num_classes]
    if foreign:
        raise ConfigError(
            f"loss.config.cldice.classes has {foreign}; there are {num_classes} classes, "
            f"0 to {num_classes - 1}"
        )
    return list(classes) or list(range(num_classes))


def _share_inside(line_BkHW: Tensor, region_BkHW: Tensor, smooth: float) -> Tensor:
    """Share of the line inside the region, by class."""
    over = (0, 2, 3)
    return ((line_BkHW * region_BkHW).sum(over) + smooth) / (line_BkHW.sum(over) + smooth)


def _soft_skeleton(x_BkHW: Tensor, iterations: int) -> Tensor:
    """Pixels that opening removes, accumulated over repeated erosions; algorithm 1."""
    skeleton = torch.zeros_like(x_BkHW)
    for _ in range(iterations + 1):
        eroded_BkHW = _erode(x_BkHW)
        opened_BkHW = F.max_pool2d(eroded_BkHW, 3, stride=1, padding=1)
        delta = torch.relu(x_BkHW - opened_BkHW)
        skeleton = skeleton + torch.relu(delta - skeleton * delta)
        x_BkHW = eroded_BkHW
    return skeleton


def _erode(x_BkHW: Tensor) -> Tensor:
    """Minimum over each pixel and its four neighbours, as in the paper's code."""
    down = -F.max_pool2d(-x_BkHW, (3, 1), stride=1, padding=(1, 0))
    across = -F.max_pool2d(-x_BkHW, (1, 3), stride=1, padding=(0, 1))
    return torch.minimum(down, across)
