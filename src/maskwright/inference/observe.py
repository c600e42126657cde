"""Observe a prediction: the numbers of an Observation, from a reduced image and its maps.

The image is reduced to at most `SIDE_PX` on its longest side by area, the class map to
`MAP_SIDE_PX` by its nearest pixels; confidence is that of at most `CONFIDENCE_SIDE_PX` pixels
on the longest side. So the time hardly depends on their size, and a server needs confidence
at few pixels alone.
"""

import itertools
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.image import Image
from ..core.inputspec import InputSpec
from ..core.labels import IGNORE, LabelMap
from ..core.logits import Axis, Logits, Neighbours
from ..core.observation import Observation
from .outputs import PredictedImage

SIDE_PX, MAP_SIDE_PX, CONFIDENCE_SIDE_PX = 256, 96, 48
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
    labels_hw = _reduce(labels_HW, MAP_SIDE_PX, cv2.INTER_NEAREST)
    counts_C = _count_levels(labels_hw)[: len(names)]
    valid_hw = None
    if (labels_HW == IGNORE).any():
        valid_hw = (labels_hw != IGNORE).view(np.uint8)
        confidence_hw = confidence_hw[labels_HW[choose_pixels(labels_HW.shape)] != IGNORE]
    image_hwC = _reduce(image_HWC, SIDE_PX, cv2.INTER_AREA)
    return {
        "image": _measure_image(image_hwC, valid_hw, spec),
        "classes": _measure_classes(counts_C, names),
        "confidence": _measure_confidence(confidence_hw.ravel()),
        "shapes": _measure_shapes(labels_hw, counts_C, names),
    }


def choose_pixels(size_HW: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """An index of the pixels whose confidence is measured: rows (h, 1) and columns (1, w)."""
    sides = zip(size_HW, _shrink(size_HW, CONFIDENCE_SIDE_PX), strict=True)
    rows, columns = (((np.arange(n) + 0.5) * side / n).astype(np.int64) for side, n in sides)
    return rows[:, None], columns[None]


def sample_shares(logits: Logits, temperature: float) -> NDArray[np.float32]:
    """The share of each class at the pixels of `choose_pixels`, (K, h, w), without refiners."""
    size_hw = logits.values_Khw.shape[1:]
    around_h, around_w = _find_sampled(logits.rows, logits.columns, logits.size_HW, size_hw)
    found_Khw = _mix(logits.values_Khw, around_h, axis=1)
    found_Khw = _mix(found_Khw, around_w, axis=2) / np.float32(temperature)
    found_Khw -= found_Khw.max(axis=0)
    np.exp(found_Khw, out=found_Khw)
    found_Khw /= found_Khw.sum(axis=0)
    return found_Khw


@lru_cache(maxsize=64)
def _find_sampled(
    rows: Axis, columns: Axis, size_HW: tuple[int, int], size_hw: tuple[int, ...]
) -> tuple[Neighbours, Neighbours]:
    """The neighbours of the rows and of the columns of `choose_pixels` among the logits."""
    chosen_h, chosen_w = (each.ravel() for each in choose_pixels(size_HW))
    return (
        rows.find_neighbours(size_HW[0], size_hw[0]).select(chosen_h),
        columns.find_neighbours(size_HW[1], size_hw[1]).select(chosen_w),
    )


def _mix(values: NDArray[np.float32], around: Neighbours, *, axis: int) -> NDArray[np.float32]:
    """The values between two neighbours along an axis."""
    first, second, weight = around
    found = np.take(values, first, axis)
    weight = np.expand_dims(weight, tuple(range(1, values.ndim - axis)))
    return np.asarray(found + weight * (np.take(values, second, axis) - found))


def measure_expected(
    shares_Khw: NDArray[np.float32], labels_HW: LabelMap, names: tuple[str, ...]
) -> dict[str, float]:
    """The family `expected` from the shares of classes at the pixels of `choose_pixels`.

    Every second row and column is enough: it is summed over many images.
    """
    rows, columns = choose_pixels(labels_HW.shape)
    is_valid_P = (labels_HW[rows[::2], columns[:, ::2]] != IGNORE).ravel()
    shares_KP = shares_Khw[:, ::2, ::2].reshape(len(names), -1)
    if not is_valid_P.all():
        shares_KP = shares_KP[:, is_valid_P]
    num = max(1, shares_KP.shape[1])
    best_P = shares_KP.argmax(axis=0)
    found = {
        "hit": np.bincount(best_P, shares_KP.max(axis=0), len(names)),
        "truth": shares_KP.sum(axis=1),
        "predicted": np.bincount(best_P, minlength=len(names)),
    }
    return {
        f"{kind} {name}": value
        for kind, values_K in found.items()
        for name, value in zip(names, np.round(values_K / num, 6).tolist(), strict=True)
    }


def _shrink(size_HW: tuple[int, ...], side_px: int) -> tuple[int, int]:
    ratio = min(1.0, side_px / max(size_HW))
    return max(1, round(ratio * size_HW[0])), max(1, round(ratio * size_HW[1]))


def _reduce(pixels: NDArray[Any], side_px: int, interpolation: int) -> NDArray[Any]:
    height, width = _shrink(pixels.shape[:2], side_px)
    found = cv2.resize(
        np.ascontiguousarray(pixels), (width, height), interpolation=interpolation
    )
    return np.asarray(found).reshape(height, width, *pixels.shape[2:])


def _measure_image(
    image_hwC: NDArray[Any], valid_hw: NDArray[np.uint8] | None, spec: InputSpec
) -> dict[str, float]:
    """Means and spreads of channels, sharpness, and the histogram of the mean of channels.

    Photographs are in shares of their range, other kinds in standard deviations of the input.
    `valid_hw` is 1 where there is data, at the size of the reduced class map, on which all but
    the sharpness is measured; None is everywhere.
    """
    num_channels = image_hwC.shape[2]
    low, high, offset_C, unit_C = 0.0, 1.0, np.zeros(num_channels), np.ones(num_channels)
    unit_C *= spec.max_value
    if spec.kind != "photograph":
        low, high = -3.0, 3.0
        offset_C, unit_C = (np.array(each[:num_channels]) for each in (spec.mean, spec.std))
    if valid_hw is not None and not valid_hw.any():
        valid_hw = None
        image_hwC = np.broadcast_to(np.float32(offset_C), (1, 1, num_channels)).copy()
    coarse_hwC = _reduce(image_hwC, MAP_SIDE_PX, cv2.INTER_NEAREST)
    mean, spread = cv2.meanStdDev(coarse_hwC, mask=valid_hw)
    mean_C, spread_C = (mean.ravel() - offset_C) / unit_C, spread.ravel() / unit_C
    weights_1C = (1 / (num_channels * unit_C))[None].astype(np.float32)
    grey_hw = cv2.transform(image_hwC.astype(np.float32), weights_1C)
    names = _name_channels(spec, num_channels)
    coarse_hw = _reduce(grey_hw, MAP_SIDE_PX, cv2.INTER_NEAREST)
    shares = _measure_levels(coarse_hw - (offset_C / unit_C).mean(), valid_hw, low, high)
    return {
        **{f"mean {name}": mean for name, mean in zip(names, mean_C.tolist(), strict=True)},
        **{f"spread {name}": std for name, std in zip(names, spread_C.tolist(), strict=True)},
        "log sharpness": _measure_sharpness(grey_hw, valid_hw),
        **dict(zip(_name_levels(low, high), shares, strict=True)),
    }


def _measure_sharpness(grey_hw: Any, valid_hw: NDArray[np.uint8] | None) -> float:
    """The logarithm (base 10) of the mean square of the Laplacian."""
    mask, num = None, grey_hw.size
    if valid_hw is not None:
        height, width = grey_hw.shape
        mask = cv2.resize(valid_hw, (width, height), interpolation=cv2.INTER_NEAREST)
        num = cv2.countNonZero(mask)
    energy = cv2.norm(cv2.Laplacian(grey_hw, cv2.CV_32F), cv2.NORM_L2SQR, mask)
    return math.log10(energy / num + 1e-8)


def _measure_levels(
    grey_hw: NDArray[np.float32], valid_hw: NDArray[np.uint8] | None, low: float, high: float
) -> list[float]:
    """The share of pixels in each of `BINS` equal levels."""
    levels_hw = (grey_hw - np.float32(low)) * np.float32(BINS / (high - low))
    levels_hw = np.clip(levels_hw, 0, BINS - 1, out=levels_hw).astype(np.uint8)
    counts = _count_levels(levels_hw, valid_hw)[:BINS]
    return [float(share) for share in counts / counts.sum()]


def _count_levels(
    values_hw: NDArray[Any], valid_hw: NDArray[np.uint8] | None = None
) -> NDArray[np.float32]:
    """The number of pixels of each value of 8 bits, (256,)."""
    return np.ravel(cv2.calcHist([values_hw], [0], valid_hw, [_LEVELS], [0, _LEVELS]))


def _name_channels(spec: InputSpec, number: int) -> tuple[str, ...]:
    if len(spec.bands) == number:
        return spec.bands
    if number == len(RGB) and spec.kind == "photograph":
        return RGB
    return tuple(f"channel {index}" for index in range(1, number + 1))


@lru_cache
def _name_levels(low: float, high: float) -> tuple[str, ...]:
    ends = np.linspace(low, high, BINS + 1).tolist()
    return tuple(f"pixels from {a:.2f} to {b:.2f}" for a, b in itertools.pairwise(ends))


def _measure_classes(counts_C: NDArray[np.float32], names: tuple[str, ...]) -> dict[str, float]:
    """The share of each class of the pixels that hold data."""
    shares_C = counts_C / max(1.0, float(counts_C.sum()))
    return dict(zip(names, shares_C.tolist(), strict=True))


def _measure_confidence(confidence_N: NDArray[np.float32]) -> dict[str, float]:
    """Mean and quantiles; 0 where no pixel holds data."""
    if not len(confidence_N):
        confidence_N = np.zeros(1, np.float32)
    places = np.array(QUANTILES) * (len(confidence_N) - 1)
    quantiles = np.interp(places, np.arange(len(confidence_N)), np.sort(confidence_N)).tolist()
    named = {f"quantile {q:.0%}": v for q, v in zip(QUANTILES, quantiles, strict=True)}
    return {"mean": float(confidence_N.mean()), **named}


def _measure_shapes(
    labels_hw: LabelMap, counts_C: NDArray[np.float32], names: tuple[str, ...]
) -> dict[str, float]:
    """The share of pixels at a border of classes, and log(1 + regions) of each class."""
    across = np.count_nonzero(labels_hw[:, 1:] != labels_hw[:, :-1])
    along = np.count_nonzero(labels_hw[1:] != labels_hw[:-1])
    found = {"border": float((across + along) / max(1, labels_hw.size))}
    for index, (name, count) in enumerate(zip(names, counts_C.tolist(), strict=True)):
        num = 1
        if count:
            mask_hw = (labels_hw == index).view(np.uint8)
            num, _ = cv2.connectedComponents(mask_hw, connectivity=8)
        found[f"regions {name}"] = math.log(num)
    return found
