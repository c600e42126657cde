"""Convolutions with batch normalisation, before or after."""

from typing import Literal

from torch import nn

from .norm import Norm

PadMode = Literal["constant", "replicate"]


def conv(
    in_channels: int,
    out_channels: int,
    kernel: int | tuple[int, int] = 3,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
) -> nn.Conv2d:
    """Convolution without bias, padded so that stride 1 keeps the size."""
    kernel_HW = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding_HW = (dilation * (kernel_HW[0] - 1) // 2, dilation * (kernel_HW[1] - 1) // 2)
    return nn.Conv2d(
        in_channels,
        out_channels,
        kernel_HW,
        stride,
        padding_HW,
        dilation=dilation,
        groups=groups,
        bias=False,
    )


def pad_explicitly(module: nn.Module, mode: PadMode = "constant") -> None:
    """Make the convolutions of `module` pad their input in a separate step.

    `mode` is "constant", by zeros, or "replicate", by the values at the border. With zeros:
    same numbers, more memory; for maps that may be smaller than a kernel. In bfloat16 on a CPU
    (torch 2.15), the gradient of kernel weights that only see the built-in padding is
    uninitialised memory.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            part.padding_mode = mode  # type: ignore[assignment]


def conv_norm(
    in_channels: int, out_channels: int, kernel: int = 3, **options: int
) -> nn.Sequential:
    """Convolution and normalisation; `options` as in `conv`."""
    return nn.Sequential(conv(in_channels, out_channels, kernel, **options), Norm(out_channels))


def conv_norm_relu(
    in_channels: int, out_channels: int, kernel: int = 3, **options: int
) -> nn.Sequential:
    """Convolution, normalisation and ReLU; `options` as in `conv`."""
    return conv_norm(in_channels, out_channels, kernel, **options).append(nn.ReLU())


def norm_relu_conv(
    in_channels: int, out_channels: int, kernel: int = 3, **options: int
) -> nn.Sequential:
    """Normalisation, ReLU and convolution; `options` as in `conv`."""
    return nn.Sequential(
        Norm(in_channels), nn.ReLU(), conv(in_channels, out_channels, kernel, **options)
    )


def separable_conv(in_channels: int, out_channels: int, *, stride: int = 1) -> nn.Sequential:
    """Depthwise 3 x 3, then 1 x 1, each normalised; ReLU at the end."""
    return nn.Sequential(
        conv_norm(in_channels, in_channels, stride=stride, groups=in_channels),
        conv_norm_relu(in_channels, out_channels, 1),
    )
