"""Exact distance of each pixel from the border of a region, for losses weighted by it.

A custom operator, so that `torch.compile` keeps one graph around it. It has no gradient:
distances are to sets of pixels, not to probabilities.
"""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def border_distance(inside_BKHW: Tensor, valid_BKHW: Tensor) -> Tensor:
    """Distance in pixels (float32) to the nearest valid pixel on the other side of the border.

    0 where not valid, and everywhere if the region is empty or fills the valid pixels: it has
    no border.
    """
    # (B, K, H, W) -> (B K, H, W)
    inside = (inside_BKHW & valid_BKHW).flatten(0, 1)
    outside = (~inside_BKHW & valid_BKHW).flatten(0, 1)
    distance: Tensor = (
        distance_transform(outside) * inside + distance_transform(inside) * outside
    )
    return distance.view(inside_BKHW.shape)


@torch.library.custom_op("maskwright::distance_transform", mutates_args=())
def distance_transform(target_NHW: Tensor) -> Tensor:
    """Euclidean distance (float32) to the nearest True pixel; 0 in images without one."""
    distances = [_opencv_distance(target_HW) for target_HW in target_NHW.cpu().numpy()]
    return torch.from_numpy(np.stack(distances)).to(target_NHW.device)


@distance_transform.register_fake
def _(target_NHW: Tensor) -> Tensor:
    return torch.empty_like(target_NHW, dtype=torch.float32)


def _opencv_distance(target_HW: NDArray[np.bool_]) -> NDArray[np.float32]:
    """OpenCV's distance transform, made deterministic.

    The last bits of OpenCV's distances differ from call to call. Squared distances are whole
    numbers: rounding the squares removes the difference, up to 1,500 px, where one bit of
    float32 is half a unit of the square.
    """
    if not target_HW.any():
        return np.zeros(target_HW.shape, np.float32)
    far_HW = (~target_HW).astype(np.uint8)
    distance_HW = cv2.distanceTransform(far_HW, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    exact_HW = np.sqrt(np.rint(np.square(distance_HW, dtype=np.float64)))
    return exact_HW.astype(np.float32)


@distance_transform.register_kernel("cuda")
def distance_transform_cuda(target_NHW: Tensor) -> Tensor:
    """`distance_transform` on a GPU, in torch alone: no copy to the CPU.

    Exact, in two passes (Felzenszwalb and Huttenlocher 2012, eq. 3): along columns by running
    extrema, then along rows by the minimum over all pairs of columns, one row at a time.
    """
    height, width = target_NHW.shape[1:]
    far = height + width
    y_H1 = torch.arange(height, device=target_NHW.device)[:, None]
    above = y_H1.where(target_NHW, -far).cummax(1).values
    below = y_H1.where(target_NHW, height + far).flip(1).cummin(1).values.flip(1)
    column_NHW = torch.minimum(y_H1 - above, below - y_H1).float() ** 2
    x_W = torch.arange(width, device=target_NHW.device)
    pairs_WW = ((x_W[:, None] - x_W) ** 2).float()
    rows = [(row_NW[:, None] + pairs_WW).amin(-1) for row_NW in column_NHW.unbind(1)]
    has_target_N11 = target_NHW.any(2).any(1)[:, None, None]
    return torch.stack(rows, dim=1).sqrt() * has_target_N11
