"""Fully connected CRF, Krähenbühl and Koltun 2011: class borders move to edges of the image.

Every pair of pixels is drawn to one class, the more so the nearer the pixels are and the more
similar their colours (eq. 3, Potts model); mean field gives the marginals (algorithm 1). Two
details follow the authors' own code, with which the published weights were found, and not the
paper: each Gaussian is divided by its sum over the image, so that a message is `w` times a
weighted mean of marginals, and a pixel is among its own neighbours.

The Gaussian of position and colour goes through a permutohedral lattice (`core/kernels`), the
Gaussian of position alone is summed exactly, up to 5 widths.

Memory grows with pixels times classes and with the vertices of the lattice: 8 bytes per pixel
and class, 200 per pixel and 80 per vertex, and 20 MB. Photographs have about one vertex per
pixel at the default widths; noise has 6, the largest number possible.
"""

import math
from collections.abc import Sequence
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from ...core.decision import Decision
from ...core.errors import DataError
from ...core.image import Image
from ...core.kernels.kernel import kernel
from ...core.kernels.lattice import build_lattice
from ...core.logits import Logits
from ..refiner import Input, Refiner, SourceImage
from ..relabel import keep_to_classes, require_photograph
from ..resolution import decide, planes

ON: Input = "shares"
_PLANES_AT_ONCE = 8
_REACH = 5
"""Widths of the Gaussian of position beyond which a neighbour counts for nothing."""

Planes = NDArray[np.float32]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Width = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Config(BaseModel, frozen=True, extra="forbid"):
    """Weights and widths in the names of the paper's eq. 3.

    `w1`, `theta_alpha` (px) and `theta_beta` (grey levels of 255) belong to the Gaussian of
    position and colour, `w2` and `theta_gamma` (px) to the Gaussian of position alone. The
    defaults are those released with DeepLab v2 (Chen et al. 2016) for its ResNet-101 on Pascal
    VOC, images of at most 500 px per side, where they were chosen on validation images: choose
    yours on your validation images.
    """

    w1: Weight = 4.0
    theta_alpha: Width = 67.0
    theta_beta: Width = 3.0
    w2: Weight = 3.0
    theta_gamma: Width = 1.0
    iterations: Annotated[int, Field(ge=1)] = 10


def build(config: Config, classes: Sequence[int]) -> Refiner:
    """The contract of `inference.refiner.RefinerPart`."""

    def refine_with_crf(decision: Decision, image: SourceImage) -> Decision:
        temperature = decision.temperature
        scores_KHW = log_marginals(
            decision.logits,
            image.pixels_HWC,
            config,
            temperature=temperature,
            where=image.where,
        )
        # The temperature is part of the marginals already.
        refined = decide(Logits.of_image(scores_KHW, decision.labels_HW.shape), temperature=1.0)
        return keep_to_classes(decision, refined, classes)

    return refine_with_crf


def log_marginals(
    logits: Logits,
    image_HWC: Image,
    config: Config,
    *,
    temperature: float = 1.0,
    where: str = "image",
) -> Planes:
    """Logarithms of each class's marginal at the image's own size, (K, H, W).

    Args:
        logits: Of the image. Enlarged bilinearly and divided by `temperature`, they are the
            paper's unary potentials with the opposite sign.
        image_HWC: Grey or RGB, as `data.pixels.images.read_image` gives it.
        config: Weights and widths.
        temperature: Of the model's card.
        where: File name or key, for the error message.

    Raises:
        DataError: The image is neither grey nor RGB, or the logits are empty.
        ConfigError: The widths are too small for the image.
    """
    _require_fit(logits, image_HWC, where)
    scores_KHW = np.empty((len(logits), *logits.size_HW), np.float32)
    for scores_HW, plane_HW in zip(scores_KHW, planes(logits), strict=True):
        np.multiply(plane_HW, np.float32(1 / temperature), out=scores_HW)
    messages = _Messages(image_HWC, config)
    shares_KHW = scores_KHW.copy()
    # Mean field: shares -> messages from all pixels -> scores -> shares, some classes at a time
    # so that only a few planes are held beside the scores and the shares.
    for _ in range(config.iterations):
        _softmax_in_place(shares_KHW)
        for start in range(0, len(shares_KHW), _PLANES_AT_ONCE):
            part = slice(start, start + _PLANES_AT_ONCE)
            messages.replace(shares_KHW[part])
            shares_KHW[part] += scores_KHW[part]
    return _log_softmax_in_place(shares_KHW)


class _Messages:
    """The sums of mean field over all pixels of one image."""

    def __init__(self, image_HWC: Image, config: Config) -> None:
        self._theta_gamma = config.theta_gamma
        self._lattice = build_lattice(_features(image_HWC, config))
        sums_1HW = np.ones((1, *image_HWC.shape[:2]), np.float32)
        kernel().blur(sums_1HW.reshape(1, -1), self._lattice)  # (1, H, W) -> (1, H x W)
        self._w1_HW = np.float32(config.w1) / sums_1HW[0]
        sums_HW = self._sum_near(np.ones(image_HWC.shape[:2], np.float32))
        self._w2_HW = np.float32(config.w2) / sums_HW

    def replace(self, shares_PHW: Planes) -> None:
        """Replace the shares of some classes by the sum of both messages, in place."""
        near_PHW = np.empty_like(shares_PHW)
        for near_HW, shares_HW in zip(near_PHW, shares_PHW, strict=True):
            np.multiply(self._sum_near(shares_HW), self._w2_HW, out=near_HW)
        # (P, H, W) -> (P, H x W), a view: the lattice knows points, not rows
        kernel().blur(shares_PHW.reshape(len(shares_PHW), -1), self._lattice)
        shares_PHW *= self._w1_HW
        shares_PHW += near_PHW

    def _sum_near(self, plane_HW: Planes) -> Planes:
        """Sums under the Gaussian of position, up to a factor; zeros beyond the border."""
        reach_px = min(math.ceil(_REACH * self._theta_gamma), max(plane_HW.shape))
        side_px = 2 * reach_px + 1
        blurred = cv2.GaussianBlur(
            plane_HW,
            (side_px, side_px),
            sigmaX=self._theta_gamma,
            borderType=cv2.BORDER_CONSTANT,
        )
        return np.asarray(blurred, np.float32)


def _features(image_HWC: Image, config: Config) -> Planes:
    """Colours, rows and columns of all pixels in widths of their Gaussian, (C + 2, H x W).

    Position comes last: vertices of near pixels then have near indices, and stay in the cache.
    """
    height, width, channels = image_HWC.shape
    features_DHW = np.empty((channels + 2, height, width), np.float32)
    unit = (1 if image_HWC.dtype == np.uint8 else 255 / 65_535) / config.theta_beta
    np.multiply(image_HWC.transpose(2, 0, 1), np.float32(unit), out=features_DHW[:-2])
    features_DHW[-2] = np.arange(height)[:, None] / config.theta_alpha
    features_DHW[-1] = np.arange(width) / config.theta_alpha
    return features_DHW.reshape(channels + 2, -1)  # (D, H, W) -> (D, H x W)


def _softmax_in_place(scores_KHW: Planes) -> None:
    scores_KHW -= scores_KHW.max(axis=0)
    np.exp(scores_KHW, out=scores_KHW)
    scores_KHW /= scores_KHW.sum(axis=0)


def _log_softmax_in_place(scores_KHW: Planes) -> Planes:
    """Logarithm of the softmax, without the logarithm of 0."""
    scores_KHW -= scores_KHW.max(axis=0)
    sums_HW = np.zeros(scores_KHW.shape[1:], np.float32)
    for scores_HW in scores_KHW:
        sums_HW += np.exp(scores_HW)
    scores_KHW -= np.log(sums_HW)
    return scores_KHW


def _require_fit(logits: Logits, image_HWC: Image, where: str) -> None:
    require_photograph(image_HWC, "the CRF", where)
    if logits.size_HW != image_HWC.shape[:2] or not logits.values_Khw.size:
        raise DataError(
            f"{where}: logits of {len(logits)} classes for an image of {logits.size_HW}, got "
            f"one of {image_HWC.shape[:2]}; the CRF takes the logits of the image"
        )
