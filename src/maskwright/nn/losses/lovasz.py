"""Lovász-softmax, Berman et al. 2018 (arXiv:1705.08790), algorithm 1.

The Jaccard index, made differentiable by its Lovász extension; over the batch, the mean of the
classes present in truth.
"""

from collections.abc import Callable

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from maskwright.core.labels import IGNORE


class Config(BaseModel):
    """Nothing to choose."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def build(
    config: Config,  # noqa: ARG001  the contract of nn.losses
    class_weights_K: Tensor | None,
) -> Callable[[Tensor, Tensor], Tensor]:
    """The contract of `nn.losses`."""

    def loss(logits_BKHW: Tensor, labels_BHW: Tensor) -> Tensor:
        num_classes = logits_BKHW.shape[1]
        valid = labels_BHW.flatten() != IGNORE
        prob_KN = logits_BKHW.softmax(dim=1).movedim(1, 0).flatten(1)[:, valid]
        truth = labels_BHW.flatten()[valid]
        total, weight = logits_BKHW.sum() * 0, logits_BKHW.new_zeros(())
        for index in range(num_classes):
            is_class_N = (truth == index).to(prob_KN.dtype)
            present = (is_class_N.sum() > 0).to(prob_KN.dtype)
            if class_weights_K is not None:
                present = present * class_weights_K[index].to(prob_KN)
            total = total + present * _extension(prob_KN[index], is_class_N)
            weight = weight + present
        return total / weight.clamp(min=1e-9)

    return loss


def _extension(prob_N: Tensor, is_class_N: Tensor) -> Tensor:
    """Errors in falling order, each times the growth of the Jaccard loss it causes."""
    errors_N, order_N = (is_class_N - prob_N).abs().sort(descending=True)
    truth_N = is_class_N[order_N]
    hit_N = truth_N.sum() - truth_N.cumsum(0)
    union_N = truth_N.sum() + (1 - truth_N).cumsum(0)
    jaccard_N = 1 - hit_N / union_N.clamp(min=1)
    growth_N = torch.diff(jaccard_N, prepend=jaccard_N.new_zeros(1))
    return torch.dot(errors_N, growth_N)
