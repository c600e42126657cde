"""Places in a map as sines and cosines: DETR (arXiv:2005.12872), supplement A.4."""

import math

import torch
from torch import Tensor

TEMPERATURE = 10000.0


def sine_position(x_BChw: Tensor, width: int) -> Tensor:
    """(h w, width): rows in the first half of the channels, columns in the second."""
    height, breadth = x_BChw.shape[-2:]
    y_hc = _waves(height, width // 2, x_BChw)
    x_wc = _waves(breadth, width // 2, x_BChw)
    both_hwc = torch.cat(
        [y_hc[:, None].expand(-1, breadth, -1), x_wc[None].expand(height, -1, -1)], dim=2
    )
    return both_hwc.flatten(0, 1).to(x_BChw.dtype)


def _waves(length: int, width: int, like: Tensor) -> Tensor:
    """(length, width): sine, cosine, sine ... of wavelengths 2 pi ... 2 pi TEMPERATURE."""
    place_n = torch.arange(1, length + 1, device=like.device, dtype=torch.float32)
    scaled_n = place_n / (length + 1e-6) * (2 * math.pi)
    index_f = torch.arange(width // 2, device=like.device, dtype=torch.float32)
    angle_nf = scaled_n[:, None] / TEMPERATURE ** (2 * index_f / width)
    return torch.stack([angle_nf.sin(), angle_nf.cos()], dim=2).flatten(1)
