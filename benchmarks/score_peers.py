"""What benchmarks/scores.py runs maskwright against, and the maps that all of them count.

Every peer is written as its project writes it, on maps of C = 19 classes.
"""

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from segmentation_models_pytorch.metrics import get_stats
from sklearn.metrics import confusion_matrix
from torchmetrics.functional.classification import multiclass_confusion_matrix

from maskwright.core import IGNORE
from maskwright.data.synth.streets import draw_street

SIZE_HW = (1024, 2048)
C = 19

ROUNDING_PX = 1e-3
"""Roots of whole numbers below 500 px differ by more; OpenCV rounds to float32."""

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]


# ---- maps ----


@lru_cache(maxsize=1)
def street_pairs() -> tuple[Pair, ...]:
    """Drawn streets, and predictions with bent outlines and wrong patches, 93 % right."""
    return tuple(_street_pair(number) for number in range(4))


def _street_pair(number: int) -> Pair:
    rng = np.random.default_rng(number)
    labels_HW = draw_street(SIZE_HW, seed=0, number=number)[1]
    labels_HW = np.where(labels_HW == IGNORE, cv2.erode(labels_HW, np.ones((3, 3))), labels_HW)
    split_HW = (_smooth(rng, 12) > 0.6) & (labels_HW < C - 10)
    truth_HW = np.where(split_HW, labels_HW + 10, labels_HW).astype(np.uint8)  # 10 classes: 19
    y, x = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]].astype(np.float32)
    bent = x + 2.5 * _smooth(rng, 40), y + 2.5 * _smooth(rng, 40)
    predicted_HW = cv2.remap(
        truth_HW, *bent, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
    )
    wrong_HW = _smooth(rng, 16) > 1.7
    predicted_HW = np.where(wrong_HW, (predicted_HW + 1) % C, predicted_HW).astype(np.uint8)
    truth_HW[-90:, 300:1700] = truth_HW[:, :5] = truth_HW[:, -5:] = IGNORE
    return truth_HW, predicted_HW


def _smooth(rng: np.random.Generator, num_cells: int) -> NDArray[np.float32]:
    """Waves of about unit height, so many down and twice as many across."""
    small = rng.normal(0, 1, (num_cells, 2 * num_cells)).astype(np.float32)
    return cv2.resize(small, SIZE_HW[::-1], interpolation=cv2.INTER_CUBIC)


def without_ignore(pair: Pair) -> Pair:
    """The prediction in both maps where truth is IGNORE, which no peer of boundaries knows."""
    return np.where(pair[0] == IGNORE, pair[1], pair[0]), pair[1]


_TENSORS: dict[tuple[int, torch.dtype], tuple[torch.Tensor, ...]] = {}


def tensors(pair: Pair, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    """Both maps as tensors, made once: the peers do not pay for it."""
    key = id(pair[0]), dtype
    if key not in _TENSORS:
        _TENSORS[key] = tuple(torch.from_numpy(labels_HW).to(dtype) for labels_HW in pair)
    return _TENSORS[key]


def forget_tensors() -> None:
    """Maps of another section may come to lie where those of the last lay."""
    _TENSORS.clear()


# ---- a pair of maps -> counts ----


def by_torchmetrics(
    pair: Pair, *, ignore_index: int | None, dtype: torch.dtype
) -> NDArray[np.int64]:
    """The functional form, which keeps no state, without checks."""
    truth, predicted = tensors(pair, dtype)
    return multiclass_confusion_matrix(
        predicted, truth, C, ignore_index=ignore_index, validate_args=False
    ).numpy()


def by_bincount(pair: Pair) -> NDArray[np.int64]:
    """What most code bases write."""
    truth, predicted = pair
    valid = truth != IGNORE
    keys = C * truth[valid].astype(np.int64) + predicted[valid]
    return np.bincount(keys, minlength=C * C).reshape(C, C)


def by_histogram(pair: Pair) -> NDArray[np.int64]:
    """Exact up to 2^24 pixels of a kind."""
    ranges = [0, C, 0, C]
    return cv2.calcHist(list(pair), [0, 1], None, [C, C], ranges).astype(np.int64)


def by_sklearn(pair: Pair) -> NDArray[np.int64]:
    """scikit-learn has no index to ignore."""
    valid = pair[0] != IGNORE
    return confusion_matrix(pair[0][valid], pair[1][valid], labels=range(C))


def by_smp(pair: Pair) -> NDArray[np.int64]:
    """True positives, false positives and false negatives of each class."""
    truth, predicted = tensors(pair, torch.int64)
    stats = get_stats(
        predicted[None], truth[None], mode="multiclass", num_classes=C, ignore_index=IGNORE
    )
    return torch.stack(stats)[:3, 0].numpy()


def by_histc(pair: Pair) -> NDArray[np.int64]:
    """The three histograms that mean IoU needs, as mmsegmentation's IoUMetric takes them."""
    truth, predicted = tensors(pair, torch.int64)
    valid = truth != IGNORE
    truth, predicted = truth[valid], predicted[valid]
    hit = predicted[predicted == truth]
    areas = [torch.histc(x.float(), bins=C, min=0, max=C - 1) for x in (hit, predicted, truth)]
    return torch.stack(areas).numpy().astype(np.int64)


def near_by_distance(
    pair: Pair, *, reach_px: int, far: Callable[[NDArray[np.bool_]], NDArray[np.floating]]
) -> NDArray[np.int64]:
    """Distance of every pixel to the outline of each class of the other map."""
    counts_4C = np.zeros((4, C), np.int64)
    for index in range(C):
        outlines = [outline(labels_HW == index) for labels_HW in pair]
        for side, (mine, other) in enumerate((outlines, outlines[::-1])):
            near = (mine & (far(other) < reach_px + ROUNDING_PX)).sum() if other.any() else 0
            counts_4C[2 * side : 2 * side + 2, index] = mine.sum(), near
    return counts_4C


def scipy_px(outline_HW: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Exact Euclidean distance."""
    return ndimage.distance_transform_edt(~outline_HW)


def opencv_px(outline_HW: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Exact Euclidean distance but for rounding to float32."""
    away = (~outline_HW).view(np.uint8)
    return cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)


def outline(inside_HW: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where a pixel and its right, lower and lower right neighbours do not agree (DAVIS)."""
    padded = np.pad(inside_HW, ((0, 1), (0, 1)), mode="edge")
    here, right, below, corner = (
        padded[:-1, :-1],
        padded[:-1, 1:],
        padded[1:, :-1],
        padded[1:, 1:],
    )
    return (here ^ right) | (here ^ below) | (here ^ corner)


def bands_by_erosion(pair: Pair, depth_px: int) -> NDArray[np.int64]:
    """`mask_to_boundary` and `boundary_iou` of Cheng et al. 2021, class by class."""
    counts_2C = np.zeros((2, C), np.int64)
    for index in range(C):
        truth, predicted = (band_of((m == index).astype(np.uint8), depth_px) for m in pair)
        counts_2C[:, index] = ((truth * predicted) > 0).sum(), ((truth + predicted) > 0).sum()
    return counts_2C


def band_of(mask_HW: NDArray[np.uint8], depth_px: int) -> NDArray[np.uint8]:
    """The mask less its erosion, with the border of the image as background."""
    ring = cv2.copyMakeBorder(mask_HW, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    eroded = cv2.erode(ring, np.ones((3, 3), np.uint8), iterations=depth_px)
    return mask_HW - eroded[1:-1, 1:-1]
