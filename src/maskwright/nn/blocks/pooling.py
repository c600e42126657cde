"""Pooling that exports to ONNX for every image size."""

import torch
from torch import Tensor, nn

from .conv import conv_norm_relu
from .resize import resize_like

BINS = (1, 2, 3, 6)
"""Bins per side of the levels of PSPNet's pyramid."""


class AdaptiveMeanPool(nn.Module):
    """`AdaptiveAvgPool2d(bins)` as two matrix products: the same means, for every size.

    torch's layer exports to ONNX without an error, but the graph has the pooling windows of the
    one size that was traced.
    """

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.bins = bins

    def forward(self, x_BChw: Tensor) -> Tensor:
        """(B, C, bins, bins); bin i covers floor(i n / bins) to ceil((i + 1) n / bins) - 1."""
        rows_bh, columns_bw = (self._bin_weights(n, x_BChw) for n in x_BChw.shape[-2:])
        # (b, h) @ (B, C, h, w) @ (w, b) -> (B, C, b, b)
        return rows_bh @ x_BChw @ columns_bw.T

    def _bin_weights(self, length: int, like: Tensor) -> Tensor:
        """(bins, length): 1 / (size of the bin) inside the bin, else 0."""
        bin_b1 = torch.arange(self.bins, device=like.device)[:, None]
        index_1n = torch.arange(length, device=like.device)[None]
        first_b1 = bin_b1 * length // self.bins
        end_b1 = ((bin_b1 + 1) * length + self.bins - 1) // self.bins
        inside_bn = ((index_1n >= first_b1) & (index_1n < end_b1)).to(like.dtype)
        return inside_bn / inside_bn.sum(1, keepdim=True)


def pooling_levels(in_channels: int, out_channels: int) -> nn.ModuleList:
    """PSPNet's pyramid (arXiv:1612.01105): means over bins, projected to `out_channels`."""
    return nn.ModuleList(
        nn.Sequential(AdaptiveMeanPool(bins), conv_norm_relu(in_channels, out_channels, 1))
        for bins in BINS
    )


def concat_levels(levels: nn.ModuleList, x_BChw: Tensor) -> Tensor:
    """The map and its `pooling_levels`, resized to the map, concatenated by channel."""
    return torch.cat([x_BChw, *(resize_like(level(x_BChw), x_BChw) for level in levels)], 1)


def global_mean(x_BCHW: Tensor) -> Tensor:
    """Mean over height and width, (B, C, 1, 1)."""
    return x_BCHW.mean((2, 3), keepdim=True)


def max_pool_with_indices(x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
    """Maximum of each 2 x 2 window, and its index 0 ... H W - 1 in the map; H and W even."""
    pooled_BChw, index_BChw = torch.nn.functional.max_pool2d(x_BCHW, 2, return_indices=True)
    return pooled_BChw, index_BChw


def max_unpool(x_BChw: Tensor, index_BChw: Tensor) -> Tensor:
    """Each value at its index in a map of twice the size, zeros elsewhere.

    Same as `nn.MaxUnpool2d`, by a scatter that exports to ONNX.
    """
    batch, channels, height, width = x_BChw.shape
    empty_BCN = x_BChw.new_zeros(batch, channels, 4 * height * width)
    # (B, C, h, w) -> (B, C, h w), into (B, C, 4 h w) -> (B, C, 2 h, 2 w)
    filled_BCN = empty_BCN.scatter(2, index_BChw.flatten(2), x_BChw.flatten(2))
    return filled_BCN.view(batch, channels, 2 * height, 2 * width)
