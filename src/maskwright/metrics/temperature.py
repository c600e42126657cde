"""Temperature scaling, Guo et al. 2017, section 4.2: one number that calibrates a model.

Logits are divided by a temperature T before the softmax: above 1 confidence falls, below 1
it rises, and the predicted class stays. T minimises the negative log-likelihood of
labelled pixels that the model has not learnt from. That is convex in 1 / T, so the sign of its
slope leads to the one minimum by halving.

Where the minimum lies outside of `TEMPERATURES` its nearer end is taken: a model that is right
on every pixel would get T = 0, and one worse than guessing T = infinity. Where all logits of
every pixel are equal every T is equally good, and 1 is returned.
"""

import math

import numpy as np
from numpy.typing import NDArray

TEMPERATURES = (0.1, 10.0)

_HALVINGS = 30
"""Of log(10 / 0.1), which leaves less than 1e-8 of T."""


def fit_temperature(logits_PK: NDArray[np.float32], truth_P: NDArray[np.uint8]) -> float:
    """The temperature in `TEMPERATURES` of least negative log-likelihood.

    Args:
        logits_PK: Finite logits of P pixels, at least one.
        truth_P: Class index of each; none is IGNORE.
    """
    below_PK = logits_PK.astype(np.float64)
    below_PK -= below_PK.max(axis=1, keepdims=True)
    if not below_PK.any():
        return 1.0
    true_logit = below_PK[np.arange(len(truth_P)), truth_P].mean()
    low, high = (math.log(end) for end in TEMPERATURES)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _expected_logit(below_PK, math.exp(middle)) > true_logit:
            low = middle  # more confident than accurate
        else:
            high = middle
    return math.exp((low + high) / 2)


def _expected_logit(below_PK: NDArray[np.float64], temperature: float) -> float:
    """Compute the mean over pixels of the logit that the model expects of the truth.

    Less the mean logit of the truth, it is the slope of the likelihood over 1 / T.
    """
    weight_PK = np.exp(below_PK / temperature)
    total_P = weight_PK.sum(axis=1)
    weight_PK *= below_PK
    return float((weight_PK.sum(axis=1) / total_P).mean())
