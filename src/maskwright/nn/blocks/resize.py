"""Bilinear resizing of maps, without aligned corners."""

from torch import Tensor
from torch.nn.functional import interpolate


def resize_like(x_BChw: Tensor, like_BCHW: Tensor) -> Tensor:
    """Resize to the height and width of `like_BCHW`: (B, C, h, w) -> (B, C, H, W)."""
    return interpolate(x_BChw, like_BCHW.shape[-2:], mode="bilinear", align_corners=False)


def upsample(x_BChw: Tensor, factor: int) -> Tensor:
    """(B, C, h, w) -> (B, C, factor h, factor w)."""
    return interpolate(x_BChw, scale_factor=factor, mode="bilinear", align_corners=False)
