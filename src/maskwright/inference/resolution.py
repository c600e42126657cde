"""From the image's resolution to the network's, and from logits to a decision per image pixel.

Images shrink by area and grow bilinearly. Logits are resized bilinearly (pixel centres at half
integers, as in torch with align_corners=False) before classes are decided. Label maps are never
resized. Where two classes have the same logit, the lower index is predicted.
"""

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.decision import Decision
from ..core.image import Image
from ..core.inputspec import InputSpec
from ..core.intensity import Scaling
from ..core.kernels.kernel import kernel
from ..core.logits import Axis, Logits

_STRIP_LOGITS = 1 << 22
"""Logits of all classes at the size of the image that are held at once: 16 MB."""


def to_network(image_HWC: Image, spec: InputSpec) -> NDArray[np.float32]:
    """Resize as `spec` says and normalise: network input, C x h x w float32."""
    size_hw = spec.network_size(image_HWC.shape[:2])
    return resize_input(image_HWC, spec, size_hw, spec.measure_scaling(image_HWC))


def resize_input(
    image_HWC: Image, spec: InputSpec, size_hw: tuple[int, int], scaling: Scaling
) -> NDArray[np.float32]:
    """Resize an image, or a window of one, to `size_hw` and normalise: C x h x w float32."""
    if size_hw == image_HWC.shape[:2]:
        return scaling.normalize(image_HWC)
    shrinks = np.prod(size_hw) < np.prod(image_HWC.shape[:2])
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    planes = [
        cv2.resize(image_HWC[..., c], size_hw[::-1], interpolation=method)
        for c in range(spec.channels)  # OpenCV resizes at most four at once
    ]
    resized_hwC: NDArray[Any] = np.stack(planes, axis=-1)
    return scaling.normalize(resized_hwC.reshape(*size_hw, spec.channels))


def decide(logits: Logits, *, temperature: float = 1.0) -> Decision:
    """Choose the class of the largest logit; its softmax share at `temperature` is confidence.

    Args:
        logits: Of an image.
        temperature: Logits are divided by it before the softmax.

    Works in strips of rows, so that beyond the logits only the decision and the planes of a
    strip are held. Shares are NaN where a logit is NaN or infinite.
    """
    best_HW = np.full(logits.size_HW, -np.inf, np.float32)
    total_HW = np.zeros(logits.size_HW, np.float32)
    scale = np.float32(1 / temperature)
    with np.errstate(invalid="ignore"):  # differences of logits that are infinite
        labels_HW = kernel().upsample_argmax(logits)
        for rows in _list_strips(logits):
            planes_KsW = list(planes(logits.crop_rows(rows.start, rows.stop)))
            best_sW, total_sW = best_HW[rows], total_HW[rows]
            for plane_sW in planes_KsW:
                np.maximum(best_sW, plane_sW, out=best_sW)
            for plane_sW in planes_KsW:
                total_sW += np.exp((plane_sW - best_sW) * scale)
        return Decision(
            labels_HW=labels_HW,
            confidence_HW=np.reciprocal(total_HW, out=total_HW),
            best_HW=best_HW,
            temperature=temperature,
            logits=logits,
        )


def list_shares(decision: Decision) -> Iterator[NDArray[np.float32]]:
    """Yield the shares of all classes that follow the refiners, (n, W, K), some rows at a time.

    They are 0 where the decision leaves pixels out.
    """
    for rows in _list_strips(decision.logits):
        part = decision.crop_rows(rows.start, rows.stop)
        shares = [part.evidence(k, plane_sW) for k, plane_sW in enumerate(planes(part.logits))]
        yield np.stack(shares, axis=-1)


def _list_strips(logits: Logits) -> Iterator[slice]:
    """Rows of an image, some at a time: at most `_STRIP_LOGITS` logits, or one row."""
    height, width = logits.size_HW
    step = max(1, _STRIP_LOGITS // max(1, width * len(logits)))
    yield from (slice(top, min(top + step, height)) for top in range(0, height, step))


def planes(logits: Logits) -> Iterator[NDArray[np.float32]]:
    """Yield the logits of each class at the size of the image, one plane in memory at a time.

    Rows are interpolated first and then columns, as in `core.kernels`.
    """
    if logits.is_full_size:
        yield from logits.values_Khw
        return
    height, width = logits.size_HW
    above_H, below_H, weight_H = logits.rows.find_neighbours(height, logits.values_Khw.shape[1])
    for plane_hw in logits.values_Khw:
        above_Hw = plane_hw[above_H]
        rows_Hw = above_Hw + weight_H[:, None] * (plane_hw[below_H] - above_Hw)
        if not logits.columns.is_identity:
            rows_Hw = _enlarge_rows(rows_Hw, logits.columns, width)
        yield rows_Hw[:, :width]


def _enlarge_rows(
    rows_Hw: NDArray[np.float32], columns: Axis, width: int
) -> NDArray[np.float32]:
    """Interpolate along the rows, at `width` pixels; OpenCV does it from the first pixel on."""
    skipped = columns.first - columns.origin / columns.step
    if skipped.is_integer():
        ratio = 1 / columns.step
        resized = cv2.resize(rows_Hw, None, fx=ratio, fy=1, interpolation=cv2.INTER_LINEAR)
        wide_HW = np.asarray(resized, np.float32).reshape(len(rows_Hw), -1)
        return wide_HW[:, int(skipped) :]
    left_W, right_W, weight_W = columns.find_neighbours(width, rows_Hw.shape[1])
    left_HW, right_HW = rows_Hw.take(left_W, axis=1), rows_Hw.take(right_W, axis=1)
    return left_HW + weight_W * (right_HW - left_HW)
