"""Observe a prediction: the numbers of an Observation, from a reduced image and its maps.

The image and its maps are reduced to at most `SIDE_PX` on their longest side, the image by
area, the maps by their nearest pixels, so that the time hardly depends on their size.
"""

import itertools
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.inputspec import InputSpec
from ..core.labels import IGNORE, LabelMap
from ..core.observation import Observation
from .outputs import PredictedImage

SIDE_PX = 256
BINS = 16
RGB = ("red", "green", "blue")
_LEVELS = 256
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def observe(item: PredictedImage, spec: InputSpec) -> Observation:
    """Measure one predicted image; `spec` is the input of the model."""
    prediction = item.prediction
    height, width = prediction.labels_HW.shape
    ratio = min(1.0, SIDE_PX / max(height, width))
    size = (max(1, round(ratio * width)), max(1, round(ratio * height)))
    labels_hw = _reduce(prediction.labels_HW, size, cv2.INTER_NEAREST)
    confidence_hw = _reduce(prediction.confidence_HW, size, cv2.INTER_NEAREST)
    image_hwC = _reduce(item.image_HWC, size, cv2.INTER_AREA).reshape(size[1], size[0], -1)
    valid_hw, names = labels_hw != IGNORE, prediction.labels.names
    source, _, _ = item.key.rpartition("/")
    return Observation(
        key=item.key,
        model=prediction.model_id,
        source=source,
        families={
            "image": _measure_image(_scale(image_hwC, spec), valid_hw, spec),
            "classes": _measure_classes(labels_hw, names),
            "confidence": _measure_confidence(confidence_hw[valid_hw]),
            "shapes": _measure_shapes(labels_hw, names),
        },
    )


def _reduce(pixels: NDArray[Any], size_wh: tuple[int, int], interpolation: int) -> NDArray[Any]:
    return np.asarray(
        cv2.resize(np.ascontiguousarray(pixels), size_wh, interpolation=interpolation)
    )


def _scale(image_hwC: NDArray[Any], spec: InputSpec) -> NDArray[np.float32]:
    """Photographs in shares of their range, other kinds in standard deviations of the input."""
    values_hwC = image_hwC.astype(np.float32)
    if spec.kind == "photograph":
        return values_hwC / np.float32(spec.max_value)
    channels = values_hwC.shape[2]
    mean_C, std_C = (np.array(x[:channels], np.float32) for x in (spec.mean, spec.std))
    return (values_hwC - mean_C) / std_C


def _measure_image(
    values_hwC: NDArray[np.float32], valid_hw: NDArray[np.bool_], spec: InputSpec
) -> dict[str, float]:
    """Means and spreads of channels, sharpness, and the histogram of the mean of channels."""
    low, high = (0.0, 1.0) if spec.kind == "photograph" else (-3.0, 3.0)
    inside_NC = values_hwC[valid_hw]
    if not len(inside_NC):
        inside_NC = np.zeros((1, values_hwC.shape[2]), np.float32)
    means_C, spreads_C = inside_NC.mean(0).tolist(), inside_NC.std(0).tolist()
    grey_hw = np.ascontiguousarray(values_hwC.mean(2))
    detail_N = np.asarray(cv2.Laplacian(grey_hw, cv2.CV_32F))[valid_hw]
    sharpness = float(detail_N.var()) if len(detail_N) else 0.0
    counts, _ = np.histogram(np.clip(inside_NC.mean(1), low, high), BINS, (low, high))
    names = _name_channels(spec, len(means_C))
    return {
        **{f"mean {name}": value for name, value in zip(names, means_C, strict=True)},
        **{f"spread {name}": value for name, value in zip(names, spreads_C, strict=True)},
        "log sharpness": float(np.log10(sharpness + 1e-8)),
        **dict(zip(_name_levels(low, high), (counts / len(inside_NC)).tolist(), strict=True)),
    }


def _name_channels(spec: InputSpec, number: int) -> tuple[str, ...]:
    if len(spec.bands) == number:
        return spec.bands
    if number == len(RGB) and spec.kind == "photograph":
        return RGB
    return tuple(f"channel {index}" for index in range(1, number + 1))


def _name_levels(low: float, high: float) -> list[str]:
    ends = np.linspace(low, high, BINS + 1).tolist()
    return [f"pixels from {a:.2f} to {b:.2f}" for a, b in itertools.pairwise(ends)]


def _measure_classes(labels_hw: LabelMap, names: tuple[str, ...]) -> dict[str, float]:
    """The share of each class of the pixels that hold data."""
    counts_C = np.bincount(labels_hw.ravel(), minlength=_LEVELS)[: len(names)]
    shares_C = counts_C / max(1, counts_C.sum())
    return dict(zip(names, shares_C.tolist(), strict=True))


def _measure_confidence(confidence_N: NDArray[np.float32]) -> dict[str, float]:
    """Mean and quantiles; 0 where no pixel holds data."""
    if not len(confidence_N):
        confidence_N = np.zeros(1, np.float32)
    quantiles = np.quantile(confidence_N, QUANTILES).tolist()
    named = {f"quantile {q:.0%}": v for q, v in zip(QUANTILES, quantiles, strict=True)}
    return {"mean": float(confidence_N.mean()), **named}


def _measure_shapes(labels_hw: LabelMap, names: tuple[str, ...]) -> dict[str, float]:
    """The share of pixels at a border of classes, and log(1 + regions) of each class."""
    across = labels_hw[:, 1:] != labels_hw[:, :-1]
    along = labels_hw[1:] != labels_hw[:-1]
    found = {"border": float((across.sum() + along.sum()) / max(1, labels_hw.size))}
    for index, name in enumerate(names):
        num, _ = cv2.connectedComponents((labels_hw == index).view(np.uint8), connectivity=8)
        found[f"regions {name}"] = float(np.log1p(num - 1))
    return found
