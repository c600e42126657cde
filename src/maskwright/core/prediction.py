"""Prediction: what a model says of one image, at the image's own resolution."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import DataError
from .labels import LabelMap


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prediction:
    """Class map and confidence of one image, same size and orientation as the source.

    `confidence_HW` is float32 in [0, 1]: the softmax share of the predicted class, or where
    the scores were refined its marginal.
    """

    labels_HW: LabelMap
    confidence_HW: NDArray[np.float32]
    model_id: str

    def __post_init__(self) -> None:
        if self.labels_HW.shape != self.confidence_HW.shape:
            raise DataError(
                f"labels are {self.labels_HW.shape}, confidence is {self.confidence_HW.shape}"
            )


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
