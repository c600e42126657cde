"""Residual blocks of two convolutions (basic) or three (bottleneck), without the last ReLU.

He et al. 2015 (arXiv:1512.03385), figure 5. The two-resolution networks exchange features
before the last ReLU, and apply it themselves.
"""

from collections.abc import Callable

from torch import Tensor, nn

from .conv import conv_norm, conv_norm_relu


class Residual(nn.Module):
    """`body` plus the input, which `shortcut` projects where size or width differ."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, out, H / stride, W / stride), without the last ReLU."""
        output: Tensor = self.body(x_BCHW) + self.shortcut(x_BCHW)
        return output


def basic_block(in_channels: int, out_channels: int, stride: int = 1) -> Residual:
    """Two 3 x 3 convolutions."""
    body = conv_norm_relu(in_channels, out_channels, stride=stride)
    body.extend(conv_norm(out_channels, out_channels))
    return Residual(body, _shortcut(in_channels, out_channels, stride))


def bottleneck_block(in_channels: int, out_channels: int, stride: int = 1) -> Residual:
    """Convolutions 1 x 1, 3 x 3, 1 x 1; the inner ones have half the width of the output."""
    narrow = out_channels // 2
    body = conv_norm_relu(in_channels, narrow, 1)
    body.extend(conv_norm_relu(narrow, narrow, stride=stride))
    body.extend(conv_norm(narrow, out_channels, 1))
    return Residual(body, _shortcut(in_channels, out_channels, stride))


def residual_stage(
    block: Callable[[int, int, int], Residual],
    channels: tuple[int, int],
    num_blocks: int,
    stride: int = 1,
) -> nn.Sequential:
    """Blocks with a ReLU between them and none at the end; `channels` in and out."""
    in_channels, out_channels = channels
    layers = nn.Sequential(block(in_channels, out_channels, stride))
    for _ in range(num_blocks - 1):
        layers.extend([nn.ReLU(), block(out_channels, out_channels, 1)])
    return layers


def two_branch_stem(in_channels: int, channels: int) -> nn.Sequential:
    """First layers of the two-resolution networks: stride 8 and twice `channels`."""
    return nn.Sequential(
        conv_norm_relu(in_channels, channels, stride=2),
        conv_norm_relu(channels, channels, stride=2),
        residual_stage(basic_block, (channels, channels), 2),
        nn.ReLU(),
        residual_stage(basic_block, (channels, 2 * channels), 2, stride=2),
        nn.ReLU(),
    )


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return conv_norm(in_channels, out_channels, 1, stride=stride)
