"""Guided filter, He, Sun and Tang 2013: the shares of each class follow edges of the image.

In each window the shares are a linear function of the colours (eq. 5 and 6, of RGB eq. 14 to
16), and a pixel takes the mean over the windows that hold it. The filtered shares sum to one as
before; those below 0 are cut off. Pixels without data are in no window. Windows at the border
of the image are smaller.

Memory grows with pixels times classes: 4 bytes per pixel and class, and 300 per pixel.
"""

from collections.abc import Sequence
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from ...core.decision import Decision
from ...core.image import Image
from ...core.labels import IGNORE
from ...core.logits import Logits
from ..refiner import Input, Refiner, SourceImage
from ..relabel import keep_to_classes, require_photograph
from ..resolution import decide, planes

ON: Input = "shares"
_LEAST = 1e-6
"""Shares below are raised to it, so that they have a logarithm."""

Values = NDArray[np.float64]


class Config(BaseModel, frozen=True, extra="forbid"):
    """`radius_px`: windows have sides of twice the radius and one pixel.

    `epsilon` is the variance of colours, as shares of the largest value, below which a window
    counts as flat: 0.001 is about 8 grey levels of 255.
    """

    radius_px: Annotated[int, Field(ge=1)] = 8
    epsilon: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-3


def build(config: Config, classes: Sequence[int]) -> Refiner:
    """The contract of `inference.refiner.RefinerPart`."""

    def refine_with_guide(decision: Decision, image: SourceImage) -> Decision:
        require_photograph(image.pixels_HWC, "the guided filter", image.where)
        size_HW = decision.labels_HW.shape
        guide = GuidedFilter(image.pixels_HWC, decision.labels_HW != IGNORE, config)
        shares_KHW = np.empty((len(decision.logits), *size_HW), np.float32)
        for shares_HW, plane_HW in zip(shares_KHW, planes(decision.logits), strict=True):
            filtered_HW = guide.filter(decision.shares(plane_HW))
            np.maximum(filtered_HW, _LEAST, out=shares_HW, casting="same_kind")
        np.log(shares_KHW, out=shares_KHW)
        refined = decide(Logits.of_image(shares_KHW, size_HW), temperature=1.0)
        return keep_to_classes(decision, refined, classes)

    return refine_with_guide


class GuidedFilter:
    """The filter of one image, for any number of planes; windows hold valid pixels alone."""

    def __init__(self, image_HWC: Image, valid_HW: NDArray[np.bool_], config: Config) -> None:
        self._side_px = 2 * config.radius_px + 1
        largest = 255 if image_HWC.dtype == np.uint8 else 65_535
        self._valid_HW = valid_HW.astype(np.float64)
        count_HW = self._sum(self._valid_HW)
        self._scale_HW = self._valid_HW / np.maximum(count_HW, 1)
        # (H, W, C) -> C times (H, W)
        self._colors = [plane * (1 / largest) for plane in np.moveaxis(image_HWC, 2, 0)]
        self._means = [self._mean(color_HW) for color_HW in self._colors]
        self._inverse = self._invert_covariance(config.epsilon)

    def filter(self, plane_HW: NDArray[np.float32]) -> Values:
        """One plane, filtered; where there is no data it is 0."""
        mean_HW = self._mean(plane_HW)
        covariances = [
            self._mean(color_HW * plane_HW) - own_HW * mean_HW
            for color_HW, own_HW in zip(self._colors, self._means, strict=True)
        ]
        offset_HW, filtered_HW = mean_HW, np.zeros_like(mean_HW)
        for row, color_HW, own_HW in zip(self._inverse, self._colors, self._means, strict=True):
            slope_HW = sum(
                (i_HW * c_HW for i_HW, c_HW in zip(row, covariances, strict=True)),
                start=np.zeros_like(mean_HW),
            )
            offset_HW = offset_HW - slope_HW * own_HW
            filtered_HW += self._mean(slope_HW) * color_HW
        filtered_HW += self._mean(offset_HW)
        return filtered_HW

    def _invert_covariance(self, epsilon: float) -> list[list[Values]]:
        """The inverse of the covariance of the colours in each window, with epsilon on it."""
        num = len(self._colors)
        cov = [
            [
                self._mean(self._colors[a] * self._colors[b]) - self._means[a] * self._means[b]
                for b in range(num)
            ]
            for a in range(num)
        ]
        for index in range(num):
            cov[index][index] += epsilon
        if num == 1:
            return [[1 / cov[0][0]]]
        # By cofactors: the inverse of a symmetric 3 x 3 matrix.
        cofactors = [
            [
                cov[(a + 1) % 3][(b + 1) % 3] * cov[(a + 2) % 3][(b + 2) % 3]
                - cov[(a + 1) % 3][(b + 2) % 3] * cov[(a + 2) % 3][(b + 1) % 3]
                for b in range(3)
            ]
            for a in range(3)
        ]
        determinant_HW = sum(
            (cov[0][b] * cofactors[0][b] for b in range(3)), start=np.zeros_like(cov[0][0])
        )
        return [[cofactor_HW / determinant_HW for cofactor_HW in row] for row in cofactors]

    def _mean(self, plane_HW: NDArray[np.float32] | Values) -> Values:
        """The mean over the valid pixels of the window around each valid pixel."""
        return self._sum(plane_HW * self._valid_HW) * self._scale_HW

    def _sum(self, plane_HW: Values) -> Values:
        summed = cv2.boxFilter(
            plane_HW,
            cv2.CV_64F,
            (self._side_px, self._side_px),
            normalize=False,
            borderType=cv2.BORDER_CONSTANT,
        )
        return np.asarray(summed, np.float64)
