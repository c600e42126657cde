"""Pooling that exports to ONNX for every size."""

import torch
from torch import Tensor, nn

from .conv import conv_norm_relu
from .resize import to_size_of

BINS = (1, 2, 3, 6)
"""Of PSPNet's pyramid, a side."""


class RegionMean(nn.Module):
    """`AdaptiveAvgPool2d(bins)` as two matrix products: the same numbers, but exportable.

    The library's layer exports to ONNX without an error and then holds the pooling windows of
    the one size that was traced.
    """

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.bins = bins

    def forward(self, x_BChw: Tensor) -> Tensor:
        """(B, C, bins, bins); bin i covers floor(i n / bins) to ceil((i + 1) n / bins) - 1."""
        height, width = x_BChw.shape[-2:]
        rows_bh, columns_bw = self._weights(height, x_BChw), self._weights(width, x_BChw)
        return rows_bh @ x_BChw @ columns_bw.T

    def _weights(self, length: int, like: Tensor) -> Tensor:
        bin_b1 = torch.arange(self.bins, device=like.device)[:, None]
        place_1n = torch.arange(length, device=like.device)[None]
        first_b1 = bin_b1 * length // self.bins
        end_b1 = ((bin_b1 + 1) * length + self.bins - 1) // self.bins
        inside_bn = ((place_1n >= first_b1) & (place_1n < end_b1)).to(like.dtype)
        return inside_bn / inside_bn.sum(1, keepdim=True)


def bin_levels(in_channels: int, out_channels: int) -> nn.ModuleList:
    """PSPNet's pyramid (arXiv:1612.01105): means over bins, each narrowed to `out_channels`."""
    return nn.ModuleList(
        nn.Sequential(RegionMean(bins), conv_norm_relu(in_channels, out_channels, 1))
        for bins in BINS
    )


def beside_levels(levels: nn.ModuleList, x_BChw: Tensor) -> Tensor:
    """The map and, at its size, each of `bin_levels` of it: channels one after the other."""
    return torch.cat([x_BChw, *(to_size_of(level(x_BChw), x_BChw) for level in levels)], 1)


def global_mean(x_BCHW: Tensor) -> Tensor:
    """(B, C, 1, 1)."""
    return x_BCHW.mean((2, 3), keepdim=True)


def pooled_with_places(x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
    """Maximum of each 2 x 2 window, and its place 0 ... H W - 1 in the map; H and W even."""
    pooled_BChw, place_BChw = torch.nn.functional.max_pool2d(x_BCHW, 2, return_indices=True)
    return pooled_BChw, place_BChw


def unpooled(x_BChw: Tensor, place_BChw: Tensor) -> Tensor:
    """Each value at its stored place in a map of twice the size, zeros elsewhere.

    `nn.MaxUnpool2d` by a scatter, which exports to ONNX.
    """
    batch, channels, height, width = x_BChw.shape
    empty_BCN = x_BChw.new_zeros(batch, channels, 4 * height * width)
    filled_BCN = empty_BCN.scatter(2, place_BChw.flatten(2), x_BChw.flatten(2))
    return filled_BCN.view(batch, channels, 2 * height, 2 * width)
