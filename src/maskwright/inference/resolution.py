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

_STRIP_PX = 1 << 20


def to_network(image_HWC: Image, spec: InputSpec) -> NDArray[np.float32]:
    """Resize as `spec` says and normalise: network input, C x h x w float32."""
    scaling = spec.measure_scaling(image_HWC)
    size_hw = spec.network_size(image_HWC.shape[:2])
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


def decide(
    logits_Khw: NDArray[np.float32], size_HW: tuple[int, int], *, temperature: float = 1.0
) -> Decision:
    """Choose the class of the largest logit; its softmax share at `temperature` is confidence.

    Args:
        logits_Khw: At any resolution.
        size_HW: Of the image, and of the decision.
        temperature: Logits are divided by it before the softmax.

    Works class by class, and in strips of rows where the logits have the size of the image, so
    that beyond the logits only the decision and a few planes of a strip are held. Shares are
    NaN where a logit is NaN or infinite.
    """
    labels_HW = np.zeros(size_HW, np.uint8)
    best_HW = np.full(size_HW, -np.inf, np.float32)
    total_HW = np.zeros(size_HW, np.float32)
    scale = np.float32(1 / temperature)
    is_resized = logits_Khw.shape[1:] != size_HW
    for rows in [slice(None)] if is_resized else _strips(size_HW):
        strip_Khw = logits_Khw if is_resized else logits_Khw[:, rows]
        labels_hW, best_hW, total_hW = labels_HW[rows], best_HW[rows], total_HW[rows]
        for index, plane_hW in enumerate(planes(strip_Khw, labels_hW.shape)):
            labels_hW[plane_hW > best_hW] = index
            np.maximum(best_hW, plane_hW, out=best_hW)
        with np.errstate(invalid="ignore"):
            for plane_hW in planes(strip_Khw, labels_hW.shape):
                total_hW += np.exp((plane_hW - best_hW) * scale)
    with np.errstate(invalid="ignore"):
        return Decision(
            labels_HW=labels_HW,
            confidence_HW=np.reciprocal(total_HW, out=total_HW),
            best_HW=best_HW,
            temperature=temperature,
            logits_Khw=logits_Khw,
        )


def _strips(size_HW: tuple[int, int]) -> Iterator[slice]:
    """Rows of an image, some at a time: at most `_STRIP_PX` pixels, or one row."""
    height, width = size_HW
    step = max(1, _STRIP_PX // max(1, width))
    yield from (slice(top, top + step) for top in range(0, height, step))


def planes(
    logits_Khw: NDArray[np.float32], size_HW: tuple[int, int]
) -> Iterator[NDArray[np.float32]]:
    """Yield the logits of each class at `size_HW`, one plane in memory at a time."""
    for plane_hw in logits_Khw:
        if plane_hw.shape == size_HW:
            yield plane_hw
        else:
            resized = cv2.resize(plane_hw, size_HW[::-1], interpolation=cv2.INTER_LINEAR)
            yield np.asarray(resized, np.float32).reshape(size_HW)
