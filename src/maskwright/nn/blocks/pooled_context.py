"""Pyramid pooling at the coarsest stride: in series (DAPPM) and in parallel (PAPPM)."""

import torch
from torch import Tensor, nn

from .conv import norm_relu_conv
from .pooling import global_mean
from .resize import resize_like

WINDOWS = ((5, 2), (9, 4), (17, 8))
"""Size and stride of the pooling windows; a fourth level pools the whole map."""


class SerialContext(nn.Module):
    """DAPPM, Hong et al. 2021 (arXiv:2101.06085), eq. 3: each level refines the next."""

    def __init__(self, in_channels: int, narrow: int, out_channels: int) -> None:
        super().__init__()
        self.reduced = _reductions(in_channels, narrow)
        self.refine = nn.ModuleList(norm_relu_conv(narrow, narrow) for _ in range(4))
        self.mix = norm_relu_conv(5 * narrow, out_channels, 1)
        self.shortcut = norm_relu_conv(in_channels, out_channels, 1)

    def forward(self, x_BChw: Tensor) -> Tensor:
        """(B, out, h, w)."""
        first, *coarser = _pool_levels(self.reduced, x_BChw)
        levels = [first]
        for refine, level in zip(self.refine, coarser, strict=True):
            levels.append(refine(level + levels[-1]))
        mixed: Tensor = self.mix(torch.cat(levels, 1)) + self.shortcut(x_BChw)
        return mixed


class ParallelContext(nn.Module):
    """PAPPM, Xu et al. 2022 (arXiv:2206.02066), figure 5: one grouped convolution."""

    def __init__(self, in_channels: int, narrow: int, out_channels: int) -> None:
        super().__init__()
        self.reduced = _reductions(in_channels, narrow)
        self.refine = norm_relu_conv(4 * narrow, 4 * narrow, groups=4)
        self.mix = norm_relu_conv(5 * narrow, out_channels, 1)
        self.shortcut = norm_relu_conv(in_channels, out_channels, 1)

    def forward(self, x_BChw: Tensor) -> Tensor:
        """(B, out, h, w)."""
        first, *coarser = _pool_levels(self.reduced, x_BChw)
        refined = self.refine(torch.cat([first + level for level in coarser], 1))
        mixed: Tensor = self.mix(torch.cat([first, refined], 1)) + self.shortcut(x_BChw)
        return mixed


def _reductions(in_channels: int, narrow: int) -> nn.ModuleList:
    return nn.ModuleList(norm_relu_conv(in_channels, narrow, 1) for _ in range(5))


def _pool_levels(reduced: nn.ModuleList, x_BChw: Tensor) -> list[Tensor]:
    """The map and its means over growing windows, projected, resized to the map."""
    pooled = [
        x_BChw,
        *(_average_pool(x_BChw, *window) for window in WINDOWS),
        global_mean(x_BChw),
    ]
    return [
        resize_like(reduce(level), x_BChw)
        for reduce, level in zip(reduced, pooled, strict=True)
    ]


def _average_pool(x_BChw: Tensor, size: int, stride: int) -> Tensor:
    return torch.nn.functional.avg_pool2d(x_BChw, size, stride, size // 2)
