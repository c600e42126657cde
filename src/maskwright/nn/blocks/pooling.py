"""Pooling that exports to ONNX for every image size.

Where a graph is exported, `mix_levels` and `max_unpool` compute the same function by operations
that engines run faster; training and the engine torch run the plain ones.
"""

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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


def mix_levels(mix: nn.Sequential, levels: nn.ModuleList, x_BChw: Tensor) -> Tensor:
    """`mix` of the map and its `pooling_levels`, resized to the map, concatenated by channel.

    `mix` is of `conv_norm_relu`, with stride 1.
    """
    pooled_BCbb = [level(x_BChw) for level in levels]
    if not torch.compiler.is_exporting():
        resized_BChw = [resize_like(level_BCbb, x_BChw) for level_BCbb in pooled_BCbb]
        mixed_BChw: Tensor = mix(torch.cat([x_BChw, *resized_BChw], 1))
        return mixed_BChw
    convolve, norm, relu = mix
    mixed_BChw = _convolve_levels(cast("nn.Conv2d", convolve), x_BChw, pooled_BCbb)
    return cast("Tensor", relu(norm(mixed_BChw)))


def _convolve_levels(
    convolve: nn.Conv2d, x_BChw: Tensor, pooled_BCbb: Sequence[Tensor]
) -> Tensor:
    """The convolution of the map and its levels, with no level at the size of the map.

    Resizing a level and the convolution are both linear. With R the weights of resizing b bins
    to n pixels, and S the shift by one tap of the kernel, which fills up with zeros, a level P
    of one channel adds the sum over the taps (s, t) of (S_s R) (w_st P) (S_t R)^T. Its taps lie
    side by side in one (k b, k b) matrix.
    """
    (k, _), (pad, _) = convolve.kernel_size, cast("tuple[int, int]", convolve.padding)
    widths = [level.shape[1] for level in (x_BChw, *pooled_BCbb)]
    weight_OCkk, *weights_OCkk = torch.split(convolve.weight, widths, 1)
    height, width = x_BChw.shape[-2:]
    bands, columns_bw = [], []
    for level_BCbb, level_OCkk in zip(pooled_BCbb, weights_OCkk, strict=True):
        bins = level_BCbb.shape[-1]
        # (O, C, k, k) -> (O k k, C, 1, 1)
        taps_NC11 = level_OCkk.permute(0, 2, 3, 1).flatten(0, 2)[..., None, None]
        # (B, O k k, b, b) -> (B, O, k, k, b, b) -> (B, O, k, b, k, b) -> (B, O, k b, k b)
        taps_BNbb = F.conv2d(level_BCbb, taps_NC11)
        taps = taps_BNbb.view(-1, len(level_OCkk), k, k, bins, bins).transpose(3, 4)
        taps = taps.flatten(4, 5).flatten(2, 3)
        bands.append(_resizing_taps(bins, height, k, pad, x_BChw).T @ taps)
        columns_bw.append(_resizing_taps(bins, width, k, pad, x_BChw))
    # (B, O, h, sum of k b) @ (sum of k b, w) -> (B, O, h, w)
    from_levels_BOhw = torch.cat(bands, -1) @ torch.cat(columns_bw)
    from_map_BOhw = F.conv2d(x_BChw, weight_OCkk, padding=pad)
    return from_map_BOhw + from_levels_BOhw


def _resizing_taps(bins: int, length: int, k: int, pad: int, like: Tensor) -> Tensor:
    """(k bins, length): the weight of each bin in each pixel that a tap of a kernel sees."""
    one_hot = torch.eye(bins, dtype=like.dtype, device=like.device)[None, ..., None]
    weight_1bn1 = F.interpolate(one_hot, (length, 1), mode="bilinear", align_corners=False)
    padded_bn = F.pad(weight_1bn1[0, ..., 0], (pad, pad))
    return torch.cat([padded_bn[:, tap : tap + length] for tap in range(k)])


def global_mean(x_BCHW: Tensor) -> Tensor:
    """Mean over height and width, (B, C, 1, 1)."""
    return x_BCHW.mean((2, 3), keepdim=True)


class MaxPlaces(NamedTuple):
    """Where the first maximum of each 2 x 2 window lies, as booleans (B, C, h, w)."""

    is_above: Tensor
    is_left_above: Tensor
    """Of the upper two values."""
    is_left_below: Tensor


def max_pool_with_indices(x_BCHW: Tensor) -> tuple[Tensor, Tensor | MaxPlaces]:
    """Maximum of each 2 x 2 window, and its index 0 ... H W - 1 in the map; H and W even.

    Engines find indices value by value, so an exported graph has `MaxPlaces`; not in float16,
    where values that were rounded to the same one would have another first maximum, while the
    pooling of engines reads them before they are rounded.
    """
    if not torch.compiler.is_exporting() or x_BCHW.dtype == torch.float16:
        return F.max_pool2d(x_BCHW, 2, return_indices=True)
    a, b, c, d = (x_BCHW[..., i::2, j::2] for i in (0, 1) for j in (0, 1))
    above, below = torch.maximum(a, b), torch.maximum(c, d)
    return torch.maximum(above, below), MaxPlaces(above >= below, a >= b, c >= d)


def max_unpool(x_BChw: Tensor, places: Tensor | MaxPlaces) -> Tensor:
    """Each value at its place in a map of twice the size, zeros elsewhere.

    Same as `nn.MaxUnpool2d`: by a scatter, in an exported graph by choosing a corner.
    """
    if isinstance(places, MaxPlaces):
        return _place_in_corners(x_BChw, places)
    batch, channels, height, width = x_BChw.shape
    empty_BCN = x_BChw.new_zeros(batch, channels, 4 * height * width)
    # (B, C, h, w) -> (B, C, h w), into (B, C, 4 h w) -> (B, C, 2 h, 2 w)
    filled_BCN = empty_BCN.scatter(2, places.flatten(2), x_BChw.flatten(2))
    return filled_BCN.view(batch, channels, 2 * height, 2 * width)


def _place_in_corners(x_BChw: Tensor, places: MaxPlaces) -> Tensor:
    above, below = _split(x_BChw, places.is_above)
    a, b = _split(above, places.is_left_above)
    c, d = _split(below, places.is_left_below)
    # (B, C, 4, h, w) -> (B, 4 C, h, w) -> (B, C, 2 h, 2 w)
    return F.pixel_shuffle(torch.stack((a, b, c, d), 2).flatten(1, 2), 2)


def _split(x: Tensor, is_first: Tensor) -> tuple[Tensor, Tensor]:
    zero = torch.zeros((), dtype=x.dtype, device=x.device)
    return torch.where(is_first, x, zero), torch.where(is_first, zero, x)
