"""Pyramids of averages at the coarsest stride, in series (DAPPM) and in parallel (PAPPM)."""

import torch
from torch import Tensor, nn

from .conv import norm_relu_conv
from .pooling import global_mean
from .resize import to_size_of

WINDOWS = ((5, 2), (9, 4), (17, 8))
"""Size and stride of the windows; the fourth is the whole map."""


class SerialContext(nn.Module):
    """DAPPM, Hong et al. 2021 (arXiv:2101.06085), equation 3: level refines level."""

    def __init__(self, in_channels: int, narrow: int, out_channels: int) -> None:
        super().__init__()
        self.reduced = _reductions(in_channels, narrow)
        self.refine = nn.ModuleList(norm_relu_conv(narrow, narrow) for _ in range(4))
        self.mix = norm_relu_conv(5 * narrow, out_channels, 1)
        self.shortcut = norm_relu_conv(in_channels, out_channels, 1)

    def forward(self, x_BChw: Tensor) -> Tensor:
        """(B, out, h, w)."""
        first, *coarser = _levels(self.reduced, x_BChw)
        levels = [first]
        for refine, level in zip(self.refine, coarser, strict=True):
            levels.append(refine(level + levels[-1]))
        mixed: Tensor = self.mix(torch.cat(levels, 1)) + self.shortcut(x_BChw)
        return mixed


class ParallelContext(nn.Module):
    """PAPPM, Xu et al. 2022 (arXiv:2206.02066), figure 5: all levels at once."""

    def __init__(self, in_channels: int, narrow: int, out_channels: int) -> None:
        super().__init__()
        self.reduced = _reductions(in_channels, narrow)
        self.refine = norm_relu_conv(4 * narrow, 4 * narrow, groups=4)
        self.mix = norm_relu_conv(5 * narrow, out_channels, 1)
        self.shortcut = norm_relu_conv(in_channels, out_channels, 1)

    def forward(self, x_BChw: Tensor) -> Tensor:
        """(B, out, h, w)."""
        first, *coarser = _levels(self.reduced, x_BChw)
        refined = self.refine(torch.cat([first + level for level in coarser], 1))
        mixed: Tensor = self.mix(torch.cat([first, refined], 1)) + self.shortcut(x_BChw)
        return mixed


def _reductions(in_channels: int, narrow: int) -> nn.ModuleList:
    return nn.ModuleList(norm_relu_conv(in_channels, narrow, 1) for _ in range(5))


def _levels(reduced: nn.ModuleList, x_BChw: Tensor) -> list[Tensor]:
    """The map and its averages over growing windows, reduced, all at the size of the map."""
    pooled = [x_BChw, *(_averages(x_BChw, *window) for window in WINDOWS), global_mean(x_BChw)]
    return [
        to_size_of(reduce(level), x_BChw) for reduce, level in zip(reduced, pooled, strict=True)
    ]


def _averages(x_BChw: Tensor, size: int, stride: int) -> Tensor:
    return torch.nn.functional.avg_pool2d(x_BChw, size, stride, size // 2)
