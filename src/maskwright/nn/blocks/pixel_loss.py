"""Losses that are a weighted mean of cross-entropy over pixels."""

from torch import Tensor
from torch.nn import functional as F

from maskwright.core.labels import IGNORE

NEARLY_ONE = 1e-7
"""1 - p is kept above it, so that a power below 1 of it has a finite slope at p = 1."""


def pixel_cross_entropy(logits_BKHW: Tensor, labels_BHW: Tensor) -> Tensor:
    """-log p of each pixel's class (B, H, W); 0 where the label is IGNORE."""
    return F.cross_entropy(logits_BKHW, labels_BHW, ignore_index=IGNORE, reduction="none")


def focused(entropy_BHW: Tensor, gamma: float) -> Tensor:
    """(1 - p)^gamma * -log p from -log p; Lin et al. 2017, eq. 4."""
    doubt_BHW = -(-entropy_BHW).expm1()
    return doubt_BHW.clamp(min=NEARLY_ONE) ** gamma * entropy_BHW


def pixel_weights(labels_BHW: Tensor, class_weights_K: Tensor | None, like: Tensor) -> Tensor:
    """Weight (B, H, W) of each pixel's class, of the type of `like`; 0 where IGNORE."""
    valid_BHW = labels_BHW != IGNORE
    if class_weights_K is None:
        return valid_BHW.to(like.dtype)
    return class_weights_K.to(like)[labels_BHW.where(valid_BHW, 0)] * valid_BHW


def weighted_mean(loss_BHW: Tensor, weight_BHW: Tensor) -> Tensor:
    """sum(w l) / sum(w); 0 where no pixel weighs anything."""
    return (loss_BHW * weight_BHW).sum() / weight_BHW.sum().clamp(min=1e-9)
