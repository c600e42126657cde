"""Observe a prediction: the numbers of an Observation, from a reduced image and its maps.

The image and the class map are reduced to at most `SIDE_PX` on their longest side, the image by
area, the map by its nearest pixels; confidence is that of at most `CONFIDENCE_SIDE_PX` pixels
on the longest side. So the time hardly depends on their size, and a server needs confidence
at few pixels alone.
"""

import itertools
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.image import Image
from ..core.inputspec import InputSpec
from ..core.labels import IGNORE, LabelMap
from ..core.logits import Logits
from ..core.observation import Observation
from .outputs import PredictedImage

SIDE_PX, CONFIDENCE_SIDE_PX = 256, 64
BINS = 16
RGB = ("red", "green", "blue")
_LEVELS = 256
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def observe(item: PredictedImage, spec: InputSpec) -> Observation:
    """Measure one predicted image; `spec` is the input of the model."""
    prediction = item.prediction
    source, _, _ = item.key.rpartition("/")
    return Observation(
        key=item.key,
        model=prediction.model_id,
        source=source,
        families=measure_families(
            prediction.image_HWC,
            prediction.labels_HW,
            prediction.confidence_HW[choose_pixels(prediction.labels_HW.shape)],
            spec,
            prediction.labels.names,
        ),
    )


def measure_families(
    image_HWC: Image,
    labels_HW: LabelMap,
    confidence_hw: NDArray[np.float32],
    spec: InputSpec,
    names: tuple[str, ...],
) -> dict[str, Mapping[str, float]]:
    """The numbers of an Observation, by family.

    `image_HWC` has the channels of the model, `confidence_hw` is that of the pixels of
    `choose_pixels`, and `names` are the classes.
    """
    height, width = _shrink(labels_HW.shape, SIDE_PX)
    labels_hw = _reduce(labels_HW, (width, height), cv2.INTER_NEAREST)
    image_hwC = _reduce(image_HWC, (width, height), cv2.INTER_AREA).reshape(height, width, -1)
    is_valid_hw = labels_HW[choose_pixels(labels_HW.shape)] != IGNORE
    return {
        "image": _measure_image(_scale(image_hwC, spec), labels_hw != IGNORE, spec),
        "classes": _measure_classes(labels_hw, names),
        "confidence": _measure_confidence(confidence_hw[is_valid_hw]),
        "shapes": _measure_shapes(labels_hw, names),
    }


def choose_pixels(size_HW: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """An index of the pixels whose confidence is measured: rows (h, 1) and columns (1, w)."""
    sides = zip(size_HW, _shrink(size_HW, CONFIDENCE_SIDE_PX), strict=True)
    rows, columns = (((np.arange(n) + 0.5) * side / n).astype(np.int64) for side, n in sides)
    return rows[:, None], columns[None]


def sample_confidence(logits: Logits, temperature: float) -> NDArray[np.float32]:
    """The confidence of a prediction without refiners at the pixels of `choose_pixels`."""
    rows, columns = choose_pixels(logits.size_HW)
    height, width = logits.values_Khw.shape[1:]
    around_H = logits.rows.find_neighbours(logits.size_HW[0], height)
    around_W = logits.columns.find_neighbours(logits.size_HW[1], width)
    top, bottom, down = (each_H[rows] for each_H in around_H)
    left, right, across = (each_W[columns] for each_W in around_W)
    values_Khw = logits.values_Khw
    above_Khw = values_Khw[:, top, left] * (1 - across) + values_Khw[:, top, right] * across
    below_Khw = (
        values_Khw[:, bottom, left] * (1 - across) + values_Khw[:, bottom, right] * across
    )
    found_Khw = (above_Khw * (1 - down) + below_Khw * down) / np.float32(temperature)
    return np.asarray(1 / np.exp(found_Khw - found_Khw.max(axis=0)).sum(axis=0))


def _shrink(size_HW: tuple[int, ...], side_px: int) -> tuple[int, int]:
    ratio = min(1.0, side_px / max(size_HW))
    return max(1, round(ratio * size_HW[0])), max(1, round(ratio * size_HW[1]))


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
    if not valid_hw.any():
        values_hwC, valid_hw = np.zeros_like(values_hwC[:1, :1]), np.ones((1, 1), np.bool_)
    mask_hw = valid_hw.view(np.uint8)
    planes = [np.ascontiguousarray(plane_hw) for plane_hw in np.moveaxis(values_hwC, 2, 0)]
    moments = [_measure_moments(plane_hw, mask_hw) for plane_hw in planes]
    grey_hw = np.asarray(sum(planes[1:], planes[0]) / np.float32(len(planes)))
    _, detail = _measure_moments(cv2.Laplacian(grey_hw, cv2.CV_32F), mask_hw)
    inside_hw = np.clip(grey_hw, low, np.nextafter(np.float32(high), np.float32(low)))
    counts = cv2.calcHist([inside_hw], [0], mask_hw, [BINS], [low, high]).ravel()
    names = _name_channels(spec, len(planes))
    return {
        **{f"mean {name}": mean for name, (mean, _) in zip(names, moments, strict=True)},
        **{f"spread {name}": spread for name, (_, spread) in zip(names, moments, strict=True)},
        "log sharpness": float(np.log10(detail**2 + 1e-8)),
        **dict(zip(_name_levels(low, high), (counts / counts.sum()).tolist(), strict=True)),
    }


def _measure_moments(plane_hw: Any, mask_hw: NDArray[np.uint8]) -> tuple[float, float]:
    """Mean and standard deviation inside of a mask."""
    mean, spread = cv2.meanStdDev(plane_hw, mask=mask_hw)
    return float(mean.item()), float(spread.item())


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
    present = set(np.unique(labels_hw).tolist())
    for index, name in enumerate(names):
        num = 1
        if index in present:
            mask_hw = (labels_hw == index).view(np.uint8)
            num, _ = cv2.connectedComponents(mask_hw, connectivity=8)
        found[f"regions {name}"] = float(np.log1p(num - 1))
    return found
