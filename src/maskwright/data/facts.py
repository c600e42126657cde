"""Facts: measured properties of a dataset that a plan needs.

Class pixels are counted in every mask; sizes come from every header; colours and objects
from an even sample of `_SAMPLE` images, enough for a plan and the same each time.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.image import ValidMap
from ..core.inputspec import CONVERTIBLE, convert_channels
from ..core.labels import LabelMap
from ..core.progress import Progress, silent
from ..pages.text import format_count
from .dataset import Dataset
from .georef.patient import Plane
from .opening.stratify import count_pixels
from .pixels.imagefile import ImageKind
from .values import ValueSample, ValueTally

_SAMPLE = 100


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Facts:
    """Measured properties; per-class tuples follow the LabelSpec.

    `class_share_C` sums to 1 over the pixels that are not IGNORE. Half of the pixels of a
    class lie in connected regions of at least `object_area_px_C` (a median over pixels: over
    regions it would be the size of specks); None for a class that the sample lacks. `planes`
    are those of the volumes whose slices the images are, none for other images. `mean` and
    `std` are per channel, of values divided by `max_value`, 255 or 65535. `values` is a sample
    of pixels in their own unit. `counts_NC` holds the pixels of each class in each image of the
    dataset. `bands` names the channels, where they are known.
    """

    num_images: dict[str, int]
    channels: int
    max_value: int
    median_size_HW: tuple[int, int]
    class_share_C: tuple[float, ...]
    object_area_px_C: tuple[float | None, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    values: ValueSample
    counts_NC: NDArray[np.int64]
    planes: tuple[Plane, ...] = ()
    bands: tuple[str, ...] = ()


def measure_facts(
    dataset: Dataset, progress: Progress = silent, *, channels: int | None = None
) -> Facts:
    """Read all masks, all headers and a sample of the images.

    With `channels`, colours are measured on images that are converted to so many.

    Raises:
        DataError: Nothing is labelled, images differ in channels or bits, or a file is bad.
    """
    kind = require_one_kind((dataset,), channels=channels, progress=progress).kind
    counts_NC = _count_classes(dataset, progress)
    pixels_C = counts_NC.sum(axis=0)
    if not pixels_C.any():
        raise DataError(
            f"{dataset.source}: no labelled pixel in {format_count(len(dataset), 'image')}"
        )
    sizes_N2 = np.array([dataset.size_HW(index) for index in range(len(dataset))])
    sample = range(0, len(dataset), -(-len(dataset) // _SAMPLE))
    mean, std, values = _measure_colors(dataset, sample, kind, progress)
    return Facts(
        num_images=dataset.splits,
        channels=kind.channels,
        max_value=kind.max_value,
        median_size_HW=_round_size(np.median(sizes_N2, axis=0)),
        class_share_C=tuple((pixels_C / pixels_C.sum()).tolist()),
        object_area_px_C=_measure_objects(dataset, sample, progress),
        mean=mean,
        std=std,
        values=values,
        counts_NC=counts_NC,
        planes=_list_planes(dataset, sample),
        bands=dataset.bands,
    )


def _list_planes(dataset: Dataset, sample: range) -> tuple[Plane, ...]:
    """The planes of the volumes of a sample, sorted."""
    files = (dataset.image_file(index) for index in sample)
    frames = (None if file is None else file.patient_frame for file in files)
    return tuple(sorted({frame.plane for frame in frames if frame is not None}))


@dataclass(frozen=True, slots=True)
class ConvertedKind:
    """The kind that all images have, and how many are converted to it, by their own kind."""

    kind: ImageKind
    converted: Mapping[ImageKind, int]

    def __str__(self) -> str:
        counted = ", ".join(
            f"{count} of {kind.channels} {'channel' if kind.channels == 1 else 'channels'}"
            for kind, count in self.converted.items()
        )
        return f"images are converted to {self.kind.channels} channels: {counted}"


def require_one_kind(
    datasets: Sequence[Dataset], *, channels: int | None = None, progress: Progress = silent
) -> ConvertedKind:
    """Require images of one kind, or of kinds that are converted, by every header.

    Raises:
        DataError: Kinds without a common one, see `find_shared_kind`; the message names a file
            of the rarer one and both counts.
    """
    total = sum(map(len, datasets))
    indices = ((dataset, index) for dataset in datasets for index in range(len(dataset)))
    counts: Counter[ImageKind] = Counter()
    first: dict[ImageKind, str] = {}
    for dataset, index in progress(indices, total=total, what="checking the kinds of images"):
        kind = dataset.image_kind(index)
        counts[kind] += 1
        first.setdefault(kind, dataset.describe(index))
    common = find_shared_kind(counts, channels=channels)
    if common is None:
        raise _explain_kinds(counts, first)
    converted = {k: n for k, n in counts.items() if k.channels != common.channels}
    return ConvertedKind(common, converted)


def find_shared_kind(
    counts: Mapping[ImageKind, int], *, channels: int | None = None
) -> ImageKind | None:
    """The kind that images have or are converted to; None where a network cannot take all.

    `counts` are images by kind. Numbers of 16 bits and floats are of one kind, in the unit of
    each. Grey and RGB images of one type become images of `channels`, 1 or 3; without
    `channels`, kinds that differ become RGB.
    """
    most = max(counts, key=lambda kind: counts[kind])
    if _differ_in_wide_type(counts):
        return ImageKind(most.channels, "float32")
    if channels is None and len(counts) > 1:
        channels = 3
    if channels in CONVERTIBLE and _are_convertible(counts):
        return ImageKind(channels, most.dtype)
    return most if len(counts) == 1 else None


def _differ_in_wide_type(kinds: Iterable[ImageKind]) -> bool:
    """Whether kinds have one number of channels and are of 16 bits as well as of floats."""
    kinds = tuple(kinds)
    types = {kind.dtype for kind in kinds}
    return len({kind.channels for kind in kinds}) == 1 and types == {"uint16", "float32"}


def _are_convertible(kinds: Iterable[ImageKind]) -> bool:
    """Whether all kinds are grey or RGB of one type."""
    kinds = tuple(kinds)
    return len({k.dtype for k in kinds}) == 1 and all(k.channels in CONVERTIBLE for k in kinds)


def _explain_kinds(counts: Counter[ImageKind], first: Mapping[ImageKind, str]) -> DataError:
    (most, number), *_, (rare, count) = counts.most_common()
    more = f" ({count} such images)" if count > 1 else ""
    switch = ""
    if _are_convertible(counts):
        switch = " or set input.channels=3, which converts grey"
    others = "1 other has" if number == 1 else f"{number} others have"
    return DataError(
        f"{first[rare]}: image has {rare}{more}, {others} {most}, as "
        f"{first[most]} has; a network needs one kind of image: convert the image{switch}"
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
    dataset: Dataset, sample: range, kind: ImageKind, progress: Progress
) -> tuple[tuple[float, ...], tuple[float, ...], ValueSample]:
    """Mean and std per channel in [0, 1], and values, of images as the network takes them."""
    moments, tally = [], ValueTally(dataset.spec)
    for index in progress(sample, total=len(sample), what="measuring colours"):
        file = dataset.image_file(index)
        given_HWC, valid_HW = dataset.data(index)
        image_HWC = convert_channels(given_HWC, kind.channels)
        shares_HWC = image_HWC / np.float32(kind.max_value)
        if valid_HW is None or valid_HW.any():
            moments.append(_compute_moments(shares_HWC, valid_HW))
        tally.add(
            image_HWC,
            valid_HW,
            dataset.labels(index) if dataset.has_labels(index) else None,
            modality=None if file is None else file.modality,
            is_georeferenced=file is not None and file.placement is not None,
        )
    if not moments:
        raise DataError(f"{dataset.source}: no pixel of {len(sample)} images holds data")
    mean_C, square_C = np.mean(moments, axis=0)
    std_C = np.sqrt(np.maximum(square_C - mean_C**2, 1e-6))
    return tuple(mean_C.tolist()), tuple(std_C.tolist()), tally.finish()


def _compute_moments(
    x_HWC: NDArray[np.floating[Any]], valid_HW: ValidMap | None
) -> NDArray[np.float64]:
    """Mean of the values and of their squares per channel, (2, C), where there are data."""
    x_PC = x_HWC.reshape(-1, x_HWC.shape[2]) if valid_HW is None else x_HWC[valid_HW]
    x_PC = x_PC.astype(np.float64)
    return np.stack([x_PC.mean(axis=0), np.square(x_PC).mean(axis=0)])


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
