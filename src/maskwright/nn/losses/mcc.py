"""1 - Matthews correlation coefficient, Abhishek and Hamarneh 2021 (arXiv:2010.11454), eq. 4.

Each class against the rest, over the valid pixels of a batch; the mean over the classes in the
truth. A class that fills all valid pixels has no coefficient (0 / 0): it counts as 0, which is
a loss of 1.
"""

from torch import Tensor

from maskwright.nn.blocks.loss_terms import mean_over_present, soft_counts
from maskwright.nn.part_config import NoChoices as Config
from maskwright.nn.protocols import PixelLoss

MIN_VARIANCE = 1e-12
"""Lower limit of the denominator's square, a product of four shares of the pixels."""


def build(_config: Config, class_weights_K: Tensor | None) -> PixelLoss:
    """Build the loss (`protocols.LossPart`), with values in [0, 2]."""

    def loss(logits_BKHW: Tensor, labels_BHW: Tensor) -> Tensor:
        counts = soft_counts(logits_BKHW, labels_BHW)
        valid = counts.valid.clamp(min=1)
        truth_K, predicted_K = counts.truth_K / valid, counts.predicted_K / valid
        covariance_K = counts.hit_K / valid - truth_K * predicted_K
        variance_K = truth_K * (1 - truth_K) * predicted_K * (1 - predicted_K)
        mcc_K = covariance_K / variance_K.clamp(min=MIN_VARIANCE).sqrt()
        return mean_over_present(1 - mcc_K, counts.truth_K, class_weights_K)

    return loss
