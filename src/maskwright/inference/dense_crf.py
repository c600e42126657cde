"""Fully connected CRF, Krähenbühl and Koltun 2011: scores that follow the edges of the image.

Every pair of pixels is drawn to one class, the more the nearer they lie and the more alike
their colours are (eq. 3, Potts model); the shares that follow are found by mean field
(algorithm 1). It differs from the letter of the paper as the authors' own code does, for which
the published weights are: each Gaussian is divided by its sum over the image, so that a message
is `w` times a weighted mean of shares, and a pixel is among its own neighbours.

The Gaussian of place and colour goes through a permutohedral lattice (`core/kernels`), that of
place alone is summed as it is, to 5 widths.

Memory grows with pixels times classes and with the vertices of the lattice: 8 bytes a pixel and
class, 200 a pixel and 80 a vertex, and 20 MB. Photographs have about one vertex a pixel at the
default widths, noise has 6, which is the most there can be.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.errors import ConfigError, DataError, UnknownNameError
from ..core.kernels.kernel import kernel
from ..core.kernels.lattice import build_lattice
from .resolution import planes

NAME = "crf"
_PLANES_AT_ONCE = 8
_REACH = 5
"""Widths of the Gaussian of place beyond which a neighbour counts for nothing."""

Planes = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseCRF:
    """Weights and widths in the names of the paper's eq. 3.

    `w1`, `theta_alpha` (px) and `theta_beta` (grey levels of 255) are of the Gaussian of place
    and colour, `w2` and `theta_gamma` (px) of that of place alone. The defaults are those
    released with DeepLab v2 (Chen et al. 2016) for its ResNet-101 on Pascal VOC, images of at
    most 500 px a side, where they were searched on validation images: do so on yours.

    Raises ConfigError for a negative weight, a width not above 0, or no iteration.
    """

    w1: float = 4.0
    theta_alpha: float = 67.0
    theta_beta: float = 3.0
    w2: float = 3.0
    theta_gamma: float = 1.0
    iterations: int = 10

    def __post_init__(self) -> None:
        for key, value in asdict(self).items():
            least = 0.0 if key.startswith("w") else math.ulp(0.0)
            if not (math.isfinite(value) and value >= least):
                raise ConfigError(
                    f"{key} of the CRF is {value}; use a number "
                    f"{'of at least' if key.startswith('w') else 'above'} 0"
                )
        if self.iterations % 1:
            raise ConfigError(f"iterations of the CRF is {self.iterations}; use a whole number")

    @classmethod
    def parse(cls, text: str) -> Self:
        """As on the command line: `crf`, or with values `crf:theta_alpha=30,theta_beta=5`.

        Raises:
            ConfigError: Another name, an unknown key, or no number.
        """
        name, _, settings = text.partition(":")
        if name != NAME:
            raise UnknownNameError("refinement", name, (NAME,))
        kinds = {key: type(value) for key, value in asdict(cls()).items()}
        chosen: dict[str, Any] = {}
        for setting in filter(None, settings.split(",")):
            key, _, value = setting.partition("=")
            if key not in kinds:
                raise UnknownNameError(f"setting of {NAME}", key, kinds)
            try:
                chosen[key] = kinds[key](value)
            except ValueError as error:
                raise ConfigError(
                    f"{setting!r} in {text!r}: {key} wants a number, say {key}="
                    f"{getattr(cls(), key)}"
                ) from error
        return cls(**chosen)

    def to_json(self) -> dict[str, Any]:
        """`name` and every value, for reports."""
        return {"name": NAME, **asdict(self)}

    def __str__(self) -> str:
        """What `parse` reads again."""
        values = ",".join(f"{key}={value:g}" for key, value in asdict(self).items())
        return f"{NAME}:{values}"


def refined(
    logits_Khw: NDArray[np.float32],
    image_HWC: NDArray[np.uint8] | NDArray[np.uint16],
    crf: DenseCRF,
    *,
    temperature: float = 1.0,
    where: str,
) -> NDArray[np.float32]:
    """Logarithms of each class's marginal at the image's own size, (K, H, W).

    Args:
        logits_Khw: At the network's resolution; enlarged bilinearly, then divided by
            `temperature`, they are the paper's unary potentials with the sign turned.
        image_HWC: Grey or RGB, as `data.pixels.images.read_image` gives it.
        crf: Weights and widths.
        temperature: Of the model's card.
        where: File name or key, for the error message.

    Raises:
        DataError: The image is neither grey nor RGB, or there is no plane of scores.
        ConfigError: The widths are too small for the image.
    """
    _require_fit(logits_Khw, image_HWC, where)
    size_HW = image_HWC.shape[:2]
    scores_KHW = np.empty((len(logits_Khw), *size_HW), np.float32)
    for scores_HW, plane_HW in zip(scores_KHW, planes(logits_Khw, size_HW), strict=True):
        np.multiply(plane_HW, np.float32(1 / temperature), out=scores_HW)
    messages = _Messages(image_HWC, crf)
    shares_KHW = scores_KHW.copy()
    for _ in range(crf.iterations):
        _to_shares(shares_KHW)
        for start in range(0, len(shares_KHW), _PLANES_AT_ONCE):
            part = slice(start, start + _PLANES_AT_ONCE)
            messages.take_place_of(shares_KHW[part])
            shares_KHW[part] += scores_KHW[part]
    return _to_log_shares(shares_KHW)


class _Messages:
    """What all pixels tell each one, for one image."""

    def __init__(
        self, image_HWC: NDArray[np.uint8] | NDArray[np.uint16], crf: DenseCRF
    ) -> None:
        self._theta_gamma = crf.theta_gamma
        self._lattice = build_lattice(_features(image_HWC, crf))
        sums_1HW = np.ones((1, *image_HWC.shape[:2]), np.float32)
        kernel().blur(sums_1HW.reshape(1, -1), self._lattice)
        self._w1_HW = np.float32(crf.w1) / sums_1HW[0]
        sums_HW = self._near(np.ones(image_HWC.shape[:2], np.float32))
        self._w2_HW = np.float32(crf.w2) / sums_HW

    def take_place_of(self, shares_PHW: Planes) -> None:
        """Turn shares of some classes into the sum of both messages, in place."""
        near_PHW = np.empty_like(shares_PHW)
        for near_HW, shares_HW in zip(near_PHW, shares_PHW, strict=True):
            np.multiply(self._near(shares_HW), self._w2_HW, out=near_HW)
        kernel().blur(shares_PHW.reshape(len(shares_PHW), -1), self._lattice)
        shares_PHW *= self._w1_HW
        shares_PHW += near_PHW

    def _near(self, plane_HW: Planes) -> Planes:
        """Sums under the Gaussian of place, up to a factor; beyond the border is nothing."""
        reach_px = min(math.ceil(_REACH * self._theta_gamma), max(plane_HW.shape))
        side_px = 2 * reach_px + 1
        blurred = cv2.GaussianBlur(
            plane_HW,
            (side_px, side_px),
            sigmaX=self._theta_gamma,
            borderType=cv2.BORDER_CONSTANT,
        )
        return np.asarray(blurred, np.float32)


def _features(image_HWC: NDArray[np.uint8] | NDArray[np.uint16], crf: DenseCRF) -> Planes:
    """Colours, rows and columns of all pixels in widths of their Gaussian, (C + 2, H x W).

    In this order vertices of near pixels get near numbers, and stay in the cache.
    """
    height, width, channels = image_HWC.shape
    features_DHW = np.empty((channels + 2, height, width), np.float32)
    unit = 255 / np.iinfo(image_HWC.dtype).max / crf.theta_beta
    np.multiply(image_HWC.transpose(2, 0, 1), np.float32(unit), out=features_DHW[:-2])
    features_DHW[-2] = np.arange(height)[:, None] / crf.theta_alpha
    features_DHW[-1] = np.arange(width) / crf.theta_alpha
    return features_DHW.reshape(channels + 2, -1)


def _to_shares(scores_KHW: Planes) -> None:
    """Softmax over the classes, in place."""
    scores_KHW -= scores_KHW.max(axis=0)
    np.exp(scores_KHW, out=scores_KHW)
    scores_KHW /= scores_KHW.sum(axis=0)


def _to_log_shares(scores_KHW: Planes) -> Planes:
    """Its logarithm, in place; never the logarithm of 0."""
    scores_KHW -= scores_KHW.max(axis=0)
    sums_HW = np.zeros(scores_KHW.shape[1:], np.float32)
    for scores_HW in scores_KHW:
        sums_HW += np.exp(scores_HW)
    scores_KHW -= np.log(sums_HW)
    return scores_KHW


def _require_fit(
    logits_Khw: NDArray[np.float32], image_HWC: NDArray[np.integer], where: str
) -> None:
    if image_HWC.ndim != 3 or image_HWC.shape[2] not in {1, 3}:
        raise DataError(
            f"{where}: image is {image_HWC.shape}, the CRF takes (H, W, 1) grey or (H, W, 3) "
            f"RGB; predict such images without it"
        )
    if logits_Khw.ndim != 3 or not logits_Khw.size or not image_HWC.size:
        raise DataError(
            f"{where}: scores are {logits_Khw.shape} for an image of {image_HWC.shape}, "
            f"the CRF takes (K, h, w), a plane of scores a class"
        )
