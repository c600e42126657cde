"""Facts: measured properties of a dataset that a plan needs.

Class pixels are counted in every mask; sizes come from every header; colours and objects
from an even sample of `_SAMPLE` images, enough for a plan and the same each time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.labels import LabelMap
from ..core.progress import Progress, silent
from .dataset import Dataset
from .opening.stratify import count_pixels

_SAMPLE = 100


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Facts:
    """Measured properties; per-class tuples follow the LabelSpec.

    `class_share_C` sums to 1 over the pixels that are not IGNORE. Half of the pixels of a
    class lie in connected regions of at least `object_area_px_C` (a median over pixels: over
    regions it would be the size of specks); None for a class that the sample lacks. `mean`
    and `std` are per channel, of values divided by `max_value`. `counts_NC` holds the pixels
    of each class in each image of the dataset.
    """

    num_images: dict[str, int]
    channels: int
    max_value: int
    median_size_HW: tuple[int, int]
    class_share_C: tuple[float, ...]
    object_area_px_C: tuple[float | None, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    counts_NC: NDArray[np.int64]


def measure_facts(dataset: Dataset, progress: Progress = silent) -> Facts:
    """Read all masks, all headers and a sample of the images.

    Raises:
        DataError: Nothing is labelled, images differ in channels or bits, or a file is bad.
    """
    counts_NC = _count_classes(dataset, progress)
    pixels_C = counts_NC.sum(axis=0)
    if not pixels_C.any():
        raise DataError(f"{dataset.source}: no labelled pixel in {len(dataset)} images")
    sizes_N2 = np.array([dataset.size_HW(index) for index in range(len(dataset))])
    sample = range(0, len(dataset), -(-len(dataset) // _SAMPLE))
    channels, max_value, mean, std = _measure_colors(dataset, sample, progress)
    return Facts(
        num_images=dataset.splits,
        channels=channels,
        max_value=max_value,
        median_size_HW=_round_size(np.median(sizes_N2, axis=0)),
        class_share_C=tuple((pixels_C / pixels_C.sum()).tolist()),
        object_area_px_C=_measure_objects(dataset, sample, progress),
        mean=mean,
        std=std,
        counts_NC=counts_NC,
    )


def _count_classes(dataset: Dataset, progress: Progress) -> NDArray[np.int64]:
    """N x C pixels of each class in each image; zeros where an image has no labels."""
    num_classes = len(dataset.spec)
    counts_NC = np.zeros((len(dataset), num_classes), np.int64)
    for index in progress(range(len(dataset)), total=len(dataset), what="counting classes"):
        if dataset.has_labels(index):
            counts_NC[index] = count_pixels(dataset.labels(index), num_classes)
    return counts_NC


def _measure_colors(
    dataset: Dataset, sample: range, progress: Progress
) -> tuple[int, int, tuple[float, ...], tuple[float, ...]]:
    """Channels, largest possible value, and mean and std per channel in [0, 1]."""
    kinds: dict[tuple[int, int], str] = {}
    moments = []
    for index in progress(sample, total=len(sample), what="measuring colours"):
        image_HWC = dataset.image(index)
        kind = image_HWC.shape[2], int(np.iinfo(image_HWC.dtype).max)
        kinds.setdefault(kind, dataset.describe(index))
        _require_one_kind(kinds)
        moments.append(_compute_moments(image_HWC / np.float32(kind[1])))
    ((channels, max_value),) = kinds
    mean_C, square_C = np.mean(moments, axis=0)
    std_C = np.sqrt(np.maximum(square_C - mean_C**2, 1e-6))
    return channels, max_value, tuple(mean_C.tolist()), tuple(std_C.tolist())


def _compute_moments(x_HWC: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Mean of the values and of their squares per channel, (2, C)."""
    x_PC = x_HWC.reshape(-1, x_HWC.shape[2]).astype(np.float64)
    return np.stack([x_PC.mean(axis=0), np.square(x_PC).mean(axis=0)])


def _require_one_kind(kinds: dict[tuple[int, int], str]) -> None:
    if len(kinds) < 2:
        return
    (first, one), (second, other) = kinds.items()
    raise DataError(
        f"{other} has {second[0]} channels up to {second[1]}, {one} has {first[0]} up to "
        f"{first[1]}; a network needs one kind of image: convert them"
    )


def _measure_objects(
    dataset: Dataset, sample: range, progress: Progress
) -> tuple[float | None, ...]:
    areas: list[list[int]] = [[] for _ in dataset.spec]
    labelled = [index for index in sample if dataset.has_labels(index)]
    for index in progress(labelled, total=len(labelled), what="measuring objects"):
        for class_index, regions_px in _measure_regions(
            dataset.labels(index), range(len(dataset.spec))
        ):
            areas[class_index] += regions_px
    return tuple(_compute_typical_area(a) if a else None for a in areas)


def _compute_typical_area(areas: list[int]) -> float:
    ordered = np.sort(areas)
    below = np.cumsum(ordered)
    return float(ordered[np.searchsorted(below, below[-1] / 2)])


def _measure_regions(
    labels_HW: LabelMap, classes: Iterable[int]
) -> list[tuple[int, list[int]]]:
    """Areas in pixels of the 8-connected regions of each class that occurs."""
    areas = []
    for index in classes:
        inside_HW = (labels_HW == index).view(np.uint8)
        if inside_HW.any():
            _, _, stats, _ = cv2.connectedComponentsWithStats(inside_HW, connectivity=8)
            areas.append((index, stats[1:, cv2.CC_STAT_AREA].tolist()))
    return areas


def _round_size(size: NDArray[Any]) -> tuple[int, int]:
    height, width = np.rint(size).astype(int).tolist()
    return height, width
