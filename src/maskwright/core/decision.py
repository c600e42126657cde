"""Decision: the class of each pixel of one image, and the logits it comes from."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from .image import ValidMap
from .labels import IGNORE, LabelMap
from .logits import Logits


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decision:
    """The predicted class of each pixel, its share and its logit, and the logits behind them.

    At the image's size, the share of class k is
    `exp((logit_k - best_HW) / temperature) * confidence_HW`: softmax of the logits divided by
    the temperature. Labels do not depend on the temperature. A refiner gives
    the logarithms of its marginals as logits. `refined_HW` are the pixels whose class a refiner
    of class maps has changed, None where there is none; their labels are not those of the
    largest logit. `reported` are the indices of the classes of the verdict, None where the
    model has no rule for verdicts. `features_D` are those of `core.logits.Logits`.
    """

    labels_HW: LabelMap
    confidence_HW: NDArray[np.float32]
    best_HW: NDArray[np.float32]
    temperature: float
    logits: Logits
    refined_HW: NDArray[np.bool_] | None = None
    reported: tuple[int, ...] | None = None
    features_D: NDArray[np.float32] | None = None

    def leave_out(self, valid_HW: ValidMap) -> Self:
        """The decision without the pixels that hold no data: IGNORE, with confidence 0."""
        return replace(
            self,
            labels_HW=np.where(valid_HW, self.labels_HW, np.uint8(IGNORE)),
            confidence_HW=np.where(valid_HW, self.confidence_HW, np.float32(0)),
        )

    def crop_rows(self, start: int, stop: int) -> "Decision":
        """The decision on the rows from `start` to `stop`."""
        refined_HW = self.refined_HW
        return replace(
            self,
            labels_HW=self.labels_HW[start:stop],
            confidence_HW=self.confidence_HW[start:stop],
            best_HW=self.best_HW[start:stop],
            logits=self.logits.crop_rows(start, stop),
            refined_HW=None if refined_HW is None else refined_HW[start:stop],
        )

    def evidence(self, index: int, plane_HW: NDArray[np.float32]) -> NDArray[np.float32]:
        """Shares of one class that follow the refiners: 1 or 0 at the pixels they changed."""
        shares_HW = self.shares(plane_HW)
        if self.refined_HW is None:
            return shares_HW
        return np.where(self.refined_HW, np.float32(self.labels_HW == index), shares_HW)

    def rank(self, index: int, plane_HW: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits of one class that follow the refiners: infinite where they chose it."""
        if self.refined_HW is None:
            return plane_HW
        chosen_HW = self.refined_HW & (self.labels_HW == index)
        return np.where(chosen_HW, np.float32(np.inf), plane_HW)

    def shares(self, plane_HW: NDArray[np.float32]) -> NDArray[np.float32]:
        """Shares of one class, in [0, 1], from its logits at the size of the image."""
        distance_HW = (plane_HW - self.best_HW) * np.float32(1 / self.temperature)
        return np.asarray(np.exp(distance_HW) * self.confidence_HW)
