"""Decision: what follows from the logits of one image, pixel by pixel at its own size."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .labels import LabelMap


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decision:
    """The winning class, its share and its logit: enough to get every other class's share.

    The share of class k is `exp((logit_k - best_HW) / temperature) * confidence_HW`: softmax of
    the logits divided by the temperature. Labels do not depend on the temperature.
    """

    labels_HW: LabelMap
    confidence_HW: NDArray[np.float32]
    best_HW: NDArray[np.float32]
    temperature: float
