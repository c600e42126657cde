"""Bilinear resizing of maps, by corners that do not align."""

from torch import Tensor
from torch.nn.functional import interpolate


def to_size_of(x_BChw: Tensor, like_BCHW: Tensor) -> Tensor:
    """(B, C, H, W)."""
    return interpolate(x_BChw, like_BCHW.shape[-2:], mode="bilinear", align_corners=False)


def enlarged(x_BChw: Tensor, factor: int) -> Tensor:
    """(B, C, factor h, factor w)."""
    return interpolate(x_BChw, scale_factor=factor, mode="bilinear", align_corners=False)
