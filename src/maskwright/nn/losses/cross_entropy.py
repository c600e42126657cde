"""Cross-entropy over valid pixels, plain or weighted by class (Long et al. 2015).

The mean is over pixels; with class weights it is the weighted mean, sum(w l) / sum(w).
"""

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional as F

from maskwright.core.labels import IGNORE
from maskwright.nn.blocks.pixel_loss import pixel_weights


class Config(BaseModel):
    """Label smoothing in [0, 1): Szegedy et al. 2016 (arXiv:1512.00567), section 7."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label_smoothing: float = Field(0.0, ge=0, lt=1)


def build(config: Config, class_weights_K: Tensor | None) -> Callable[[Tensor, Tensor], Tensor]:
    """The contract of `nn.losses`.

    Smoothed, a pixel's target is 1 - s of its class plus s / K of every class; each class's
    part is weighted by that class.
    """

    def loss(logits_BKHW: Tensor, labels_BHW: Tensor) -> Tensor:
        weight_K = None if class_weights_K is None else class_weights_K.to(logits_BKHW)
        total = F.cross_entropy(
            logits_BKHW,
            labels_BHW,
            weight=weight_K,
            ignore_index=IGNORE,
            label_smoothing=config.label_smoothing,
            reduction="sum",
        )
        weight_BHW = pixel_weights(labels_BHW, weight_K, logits_BKHW)
        return total / weight_BHW.sum().clamp(min=1e-9)

    return loss
