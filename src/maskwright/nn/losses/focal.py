"""Focal loss, Lin et al. 2017 (arXiv:1708.02002), eq. 4, over all classes of a softmax."""

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional as F

from maskwright.core.labels import IGNORE


class Config(BaseModel):
    """Focusing exponent; 0 gives cross-entropy, 2 is the paper's choice."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gamma: float = Field(2.0, ge=0)


def build(config: Config, class_weights_K: Tensor | None) -> Callable[[Tensor, Tensor], Tensor]:
    """The contract of `nn.losses`: mean of (1 - p)^gamma * -w log p over valid pixels."""

    def loss(logits_BKHW: Tensor, labels_BHW: Tensor) -> Tensor:
        valid_BHW = labels_BHW != IGNORE
        index_BHW = labels_BHW.where(valid_BHW, 0)
        log_p_BKHW = F.log_softmax(logits_BKHW, dim=1)
        log_p_BHW = log_p_BKHW.gather(1, index_BHW[:, None])[:, 0]
        focus_BHW = (1 - log_p_BHW.exp()).clamp(min=0) ** config.gamma
        weight_BHW = valid_BHW.to(logits_BKHW.dtype)
        if class_weights_K is not None:
            weight_BHW = weight_BHW * class_weights_K.to(logits_BKHW)[index_BHW]
        total = -(focus_BHW * log_p_BHW * weight_BHW).sum()
        return total / weight_BHW.sum().clamp(min=1e-9)

    return loss
