"""1 - Matthews correlation coefficient, Abhishek and Hamarneh 2021 (arXiv:2010.11454), eq. 4.

Each class against the rest, over the valid pixels of a batch; the mean of the classes present.
A class that fills all valid pixels has no coefficient (0 / 0): it counts as 0, so costs 1.
"""

from torch import Tensor

from maskwright.nn.blocks.loss_terms import mean_over_present, soft_counts
from maskwright.nn.part_config import NoChoices as Config
from maskwright.nn.protocols import PixelLoss

LEAST_SPREAD = 1e-12
"""Of a product of four shares of the pixels, below which a coefficient counts as 0 / 0."""


def build(_config: Config, class_weights_K: Tensor | None) -> PixelLoss:
    """See `protocols.LossPart`, in [0, 2]."""

    def loss(logits_BKHW: Tensor, labels_BHW: Tensor) -> Tensor:
        counts = soft_counts(logits_BKHW, labels_BHW)
        valid = counts.valid.clamp(min=1)
        truth_K, predicted_K = counts.truth_K / valid, counts.predicted_K / valid
        covariance_K = counts.hit_K / valid - truth_K * predicted_K
        spread_K = truth_K * (1 - truth_K) * predicted_K * (1 - predicted_K)
        mcc_K = covariance_K / spread_K.clamp(min=LEAST_SPREAD).sqrt()
        return mean_over_present(1 - mcc_K, counts.truth_K, class_weights_K)

    return loss
