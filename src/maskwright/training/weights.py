"""Class weights for losses, from pixel counts; their mean over the classes present is 1."""

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BETA = 0.999
"""b of the effective number of samples; Cui et al. 2019 use 0.9 to 0.9999."""

MAX_RATIO = 50.0
"""Largest ratio of two weights, so that one stray pixel cannot dominate the gradient."""


def compute_class_weights(
    kind: Literal["none", "inverse", "effective"], counts_NC: NDArray[np.int64]
) -> Tensor | None:
    """Compute weights_K for `kind`, None for "none".

    "inverse" is 1 / share of pixels. "effective" is (1 - b) / (1 - b^n), Cui et al. 2019
    (arXiv:1901.05555), eq. 4, where n is the number of training images with the class:
    the pixels of one image are not independent samples. A class that never occurs has weight 1.
    """
    if kind == "none":
        return None
    pixels_C = counts_NC.sum(axis=0).astype(np.float64)
    images_C = (counts_NC > 0).sum(axis=0)
    present_C = pixels_C > 0
    weight_C = np.ones(len(pixels_C))
    if kind == "inverse":
        weight_C[present_C] = pixels_C.sum() / pixels_C[present_C]
    else:
        weight_C[present_C] = (1 - BETA) / (1 - BETA ** images_C[present_C])
    seen = weight_C[present_C]
    if len(seen):
        seen = np.minimum(seen, seen.min() * MAX_RATIO)
        weight_C[present_C] = seen / seen.mean()
    return torch.from_numpy(weight_C).float()
