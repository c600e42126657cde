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
from ..core.observation import ENCODER, NUM_LEVELS, Levels, Observation
from .outputs import PredictedImage

SIDE_PX, MAP_SIDE_PX, CONFIDENCE_SIDE_PX = 256, 96, 48
BINS = 16
RGB = ("red", "green", "blue")
_LEVELS = 256
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_QUANTILE_NAMES = {f"quantile {share:.0%}": share for share in QUANTILES}


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
            features_D=prediction.features_D,
        ),
    )


def measure_families(
    image_HWC: Image,
    labels_HW: LabelMap,
    confidence_hw: NDArray[np.float32],
    spec: InputSpec,
    names: tuple[str, ...],
    *,
    features_D: NDArray[np.float32] | None = None,
) -> dict[str, Mapping[str, float]]:
    """The numbers of an Observation, by family.

    `image_HWC` has the channels of the model, `confidence_hw` is that of the pixels of
    `choose_pixels`, and `names` are the classes. `features_D` are the means of the encoder's
    features; without them there is no such family.
    """
    labels_hw = _reduce(labels_HW, MAP_SIDE_PX, cv2.INTER_NEAREST)
    counts_C = _count_levels(labels_hw)[: len(names)]
    valid_hw = None
    if (labels_HW == IGNORE).any():
        valid_hw = (labels_hw != IGNORE).view(np.uint8)
        confidence_hw = confidence_hw[labels_HW[choose_pixels(labels_HW.shape)] != IGNORE]
    image_hwC = _reduce(image_HWC, SIDE_PX, cv2.INTER_AREA)
    families: dict[str, Mapping[str, float]] = {
        "image": _measure_image(image_hwC, valid_hw, spec),
        "classes": _measure_classes(counts_C, names),
        "confidence": _summarize(confidence_hw.ravel()),
        "shapes": _measure_shapes(labels_hw, counts_C, names),
    }
    if features_D is not None:
        families[ENCODER] = _list_features(features_D)
    return families


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
    found_Khw = _mix(found_Khw, around_w, axis=2)
    found_Khw /= np.float32(temperature)
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
    found, between = np.take(values, first, axis), np.take(values, second, axis)
    between -= found
    between *= np.expand_dims(weight, tuple(range(1, values.ndim - axis)))
    found += between
    return found


def select_shares(shares_Khw: NDArray[np.float32], labels_HW: LabelMap) -> NDArray[np.float32]:
    """Those of the pixels of `choose_pixels` that hold data, (K, P), for `measure_expected`.

    Every second row and column is enough: what is measured is summed over many images.
    """
    rows, columns = choose_pixels(labels_HW.shape)
    is_valid_P = (labels_HW[rows[::2], columns[:, ::2]] != IGNORE).ravel()
    shares_KP = shares_Khw[:, ::2, ::2].reshape(len(shares_Khw), -1)
    return shares_KP if is_valid_P.all() else shares_KP[:, is_valid_P]


def measure_expected(
    shares_KP: NDArray[np.float32], names: tuple[str, ...]
) -> dict[str, float]:
    """The family `expected` from the shares of classes of some pixels."""
    num = max(1, shares_KP.shape[1])
    best_P = shares_KP.argmax(axis=0)
    found = (
        np.bincount(best_P, shares_KP.max(axis=0), len(names)),
        shares_KP.sum(axis=1),
        np.bincount(best_P, minlength=len(names)),
    )
    shares = np.round(np.concatenate(found) / num, 6).tolist()
    return dict(zip(_name_expected(names), shares, strict=True))


@lru_cache(maxsize=64)
def _name_expected(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{kind} {name}" for kind in ("hit", "truth", "predicted") for name in names)


def measure_entropy(shares_KP: NDArray[np.float32]) -> dict[str, float]:
    """The family `entropy` from the shares of classes of some pixels; 0 without any.

    In shares of log K, which is the entropy of K classes that are all as likely.
    """
    logs_KP = np.log(np.maximum(shares_KP, np.finfo(np.float32).tiny))
    entropy_P = -np.einsum("kp,kp->p", shares_KP, logs_KP) / np.float32(math.log(len(logs_KP)))
    return _summarize(np.clip(entropy_P, 0, 1))


def measure_levels(image_HWC: Image, labels_HW: LabelMap, spec: InputSpec) -> Levels:
    """The histogram of each channel, of the pixels with data, in the range of `spec`.

    Photographs are from 0 to their largest value, other kinds from -3 to 3 standard deviations
    of the input; what lies outside is in the first or the last level.
    """
    image_hwC = _reduce(image_HWC, MAP_SIDE_PX, cv2.INTER_NEAREST)
    is_valid_hw = _reduce(labels_HW, MAP_SIDE_PX, cv2.INTER_NEAREST) != IGNORE
    num_channels = image_hwC.shape[2]
    low_C, high_C = np.zeros(num_channels), np.full(num_channels, float(spec.max_value))
    if spec.kind != "photograph":
        mean_C, std_C = (np.array(each[:num_channels]) for each in (spec.mean, spec.std))
        low_C, high_C = mean_C - 3 * std_C, mean_C + 3 * std_C
    found = {}
    for index, name in enumerate(_name_channels(spec, num_channels)):
        ends = float(low_C[index]), float(high_C[index])
        if image_hwC.dtype == np.uint8:  # counted by value, then by level
            mask_hw = is_valid_hw.view(np.uint8)
            counts = cv2.calcHist([image_hwC], [index], mask_hw, [_LEVELS], [0, _LEVELS])
            counts = np.bincount(_find_levels_of_bytes(ends), counts.ravel(), NUM_LEVELS)
        else:
            levels_P = _find_levels(image_hwC[..., index][is_valid_hw], ends)
            counts = np.bincount(levels_P, minlength=NUM_LEVELS)
        found[name] = np.round(counts / max(1, counts.sum()), 4).tolist()
    return found


@lru_cache(maxsize=64)
def _find_levels_of_bytes(ends: tuple[float, float]) -> NDArray[np.int64]:
    return _find_levels(np.arange(_LEVELS), ends)


def _find_levels(values: NDArray[Any], ends: tuple[float, float]) -> NDArray[np.int64]:
    """The level of each value among `NUM_LEVELS` equal parts between the ends."""
    levels = (values.astype(np.float32) - ends[0]) * (NUM_LEVELS / (ends[1] - ends[0]))
    return np.asarray(np.clip(levels, 0, NUM_LEVELS - 1), np.int64)


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


def _list_features(features_D: NDArray[np.float32]) -> dict[str, float]:
    """The means of the encoder's features with six digits, which is what float32 has."""
    return {f"feature {n}": float(f"{v:.6g}") for n, v in enumerate(features_D.tolist(), 1)}


def _summarize(values_N: NDArray[np.float32]) -> dict[str, float]:
    """Mean and quantiles; 0 where no pixel holds data."""
    if not len(values_N):
        values_N = np.zeros(1, np.float32)
    sorted_N = np.sort(values_N)
    found = {"mean": float(values_N.mean())}
    for name, share in _QUANTILE_NAMES.items():
        index, between = divmod(share * (len(values_N) - 1), 1.0)
        low, high = (float(sorted_N[k]) for k in (int(index), math.ceil(index + between)))
        found[name] = low + between * (high - low)
    return found


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
