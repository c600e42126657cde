"""Cross-entropy over valid pixels, plain or weighted by class (Long et al. 2015).

The mean is over pixels; with class weights it is the weighted mean, sum(w l) / sum(w).

With several annotators, the target of a pixel is the share of each class among the votes that
are not IGNORE (Peterson et al. 2019, arXiv:1908.07086): the mean of the votes' cross-entropies.
"""

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from maskwright.core.labels import IGNORE
from maskwright.nn.blocks.loss_terms import pixel_weights
from maskwright.nn.part_config import PartConfig
from maskwright.nn.protocols import PixelLoss


class Config(PartConfig):
    """Label smoothing in [0, 1): Szegedy et al. 2016 (arXiv:1512.00567), section 7."""

    label_smoothing: float = Field(0.0, ge=0, lt=1)


def build(config: Config, class_weights_K: Tensor | None) -> PixelLoss:
    """Build the loss (`protocols.LossPart`).

    With smoothing s, the target of a pixel is 1 - s for its class plus s / K for every class;
    each class's part has the weight of that class.
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


def build_for_votes(config: Config, class_weights_K: Tensor | None) -> PixelLoss:
    """Build the loss of votes (`protocols.LossPart`), without a map of shares (B, K, H, W)."""
    smoothing = config.label_smoothing

    def loss(logits_BKHW: Tensor, votes_BAHW: Tensor) -> Tensor:
        votes_BAHW = votes_BAHW.long()
        valid_BAHW = (votes_BAHW != IGNORE).to(logits_BKHW)
        share_BAHW = valid_BAHW / valid_BAHW.sum(dim=1, keepdim=True).clamp(min=1)
        weight_BAHW = pixel_weights(votes_BAHW, class_weights_K, logits_BKHW) * share_BAHW
        log_BKHW = logits_BKHW.log_softmax(dim=1)
        entropies = [
            F.nll_loss(log_BKHW, vote_BHW, ignore_index=IGNORE, reduction="none")
            for vote_BHW in votes_BAHW.unbind(dim=1)
        ]
        total = (torch.stack(entropies, dim=1) * weight_BAHW).sum()
        if smoothing:
            weight_K = 1.0 if class_weights_K is None else class_weights_K.to(logits_BKHW)
            uniform_BHW = -(log_BKHW.movedim(1, -1) * weight_K).mean(dim=-1)
            uniform = (uniform_BHW * valid_BAHW.amax(dim=1)).sum()
            total = (1 - smoothing) * total + smoothing * uniform
        return total / weight_BAHW.sum().clamp(min=1e-9)

    return loss
