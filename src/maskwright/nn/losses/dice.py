"""Soft Dice loss, Milletari et al. 2016 (arXiv:1606.04797), over the valid pixels of a batch.

A class without a truth pixel in the batch is left out of the mean: its Dice would be 0
whatever the network does.
"""

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from maskwright.core.labels import IGNORE


class Config(BaseModel):
    """Smoothing added above and below the fraction, in pixels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    smooth: float = Field(1.0, gt=0)


def build(config: Config, class_weights_K: Tensor | None) -> Callable[[Tensor, Tensor], Tensor]:
    """The contract of `nn.losses`: 1 - (weighted) mean Dice of classes present."""

    def loss(logits_BKHW: Tensor, labels_BHW: Tensor) -> Tensor:
        num_classes = logits_BKHW.shape[1]
        valid_BHW = labels_BHW != IGNORE
        index_BHW = labels_BHW.where(valid_BHW, 0)
        prob_BKHW = logits_BKHW.softmax(dim=1)
        prob_of_truth = prob_BKHW.gather(1, index_BHW[:, None])[:, 0] * valid_BHW

        zero_K = logits_BKHW.new_zeros(num_classes)
        index = index_BHW.flatten()
        hit_K = zero_K.scatter_add(0, index, prob_of_truth.flatten())
        valid = valid_BHW.flatten().to(logits_BKHW.dtype)
        truth_K = zero_K.scatter_add(0, index, valid)
        predicted_K = (prob_BKHW * valid_BHW[:, None]).sum((0, 2, 3))

        dice_K = (2 * hit_K + config.smooth) / (truth_K + predicted_K + config.smooth)
        weight_K = (truth_K > 0).to(logits_BKHW.dtype)
        if class_weights_K is not None:
            weight_K = weight_K * class_weights_K.to(logits_BKHW)
        return (weight_K * (1 - dice_K)).sum() / weight_K.sum().clamp(min=1e-9)

    return loss
