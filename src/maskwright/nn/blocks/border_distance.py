"""How far each pixel is from the border of a region, exactly, for losses that weigh by it.

An operator of its own, so that `torch.compile` keeps one graph around it. It carries no
gradient: distances are to sets of pixels, not to probabilities.
"""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def border_distance(inside_BKHW: Tensor, valid_BKHW: Tensor) -> Tensor:
    """Pixels (float32) from each pixel to the nearest valid one on the other side.

    0 where not valid, and where there is no other side: a region that is empty or fills the
    valid pixels has no border.
    """
    inside = (inside_BKHW & valid_BKHW).flatten(0, 1)
    outside = (~inside_BKHW & valid_BKHW).flatten(0, 1)
    distance: Tensor = distance_to(outside) * inside + distance_to(inside) * outside
    return distance.view(inside_BKHW.shape)


@torch.library.custom_op("maskwright::distance_to", mutates_args=())
def distance_to(target_NHW: Tensor) -> Tensor:
    """Euclidean distance (float32) to the nearest True pixel; 0 in images without one."""
    found = [_distance_to(target_HW) for target_HW in target_NHW.cpu().numpy()]
    return torch.from_numpy(np.stack(found)).to(target_NHW.device)


@distance_to.register_fake
def _(target_NHW: Tensor) -> Tensor:
    return torch.empty_like(target_NHW, dtype=torch.float32)


def _distance_to(target_HW: NDArray[np.bool_]) -> NDArray[np.float32]:
    """By OpenCV, whose last bits differ from call to call: squares are whole numbers again.

    That holds up to 1,500 px, where a bit of float32 is worth half a square.
    """
    if not target_HW.any():
        return np.zeros(target_HW.shape, np.float32)
    far_HW = (~target_HW).astype(np.uint8)
    distance_HW = cv2.distanceTransform(far_HW, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    exact_HW = np.sqrt(np.rint(np.square(distance_HW, dtype=np.float64)))
    return exact_HW.astype(np.float32)


@distance_to.register_kernel("cuda")
def swept_distance_to(target_NHW: Tensor) -> Tensor:
    """`distance_to` in torch alone, for a GPU: nothing waits for the processor.

    Along columns by running extrema, then along rows by trying every pair of columns, a row at
    a time: exact, after Felzenszwalb and Huttenlocher 2012, eq. 3.
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
    found = target_NHW.any(2).any(1)[:, None, None]
    return torch.stack(rows, dim=1).sqrt() * found
