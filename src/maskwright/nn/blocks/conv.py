"""Convolutions with batch normalisation, in the two orders that papers use."""

from torch import nn

from .norm import Norm


def conv(
    in_channels: int,
    out_channels: int,
    kernel: int | tuple[int, int] = 3,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
) -> nn.Conv2d:
    """Without bias; padded so that stride 1 keeps the size."""
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


def zeros_first(module: nn.Module) -> None:
    """Let the convolutions inside pad their map before they see it: same numbers, more memory.

    For maps that may be smaller than a kernel: in bfloat16 on a CPU (torch 2.15) the gradient
    of taps that only ever see a convolution's own padding is memory left unset.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            part.padding_mode = "constant"  # type: ignore[assignment]


def conv_norm(
    in_channels: int, out_channels: int, kernel: int = 3, **choices: int
) -> nn.Sequential:
    """Convolution, normalisation; `choices` are those of `conv`."""
    return nn.Sequential(conv(in_channels, out_channels, kernel, **choices), Norm(out_channels))


def conv_norm_relu(
    in_channels: int, out_channels: int, kernel: int = 3, **choices: int
) -> nn.Sequential:
    """Convolution, normalisation, ReLU; `choices` are those of `conv`."""
    return conv_norm(in_channels, out_channels, kernel, **choices).append(nn.ReLU())


def norm_relu_conv(
    in_channels: int, out_channels: int, kernel: int = 3, **choices: int
) -> nn.Sequential:
    """Normalisation, ReLU, convolution; `choices` are those of `conv`."""
    return nn.Sequential(
        Norm(in_channels), nn.ReLU(), conv(in_channels, out_channels, kernel, **choices)
    )


def separable(in_channels: int, out_channels: int, *, stride: int = 1) -> nn.Sequential:
    """Depthwise 3 x 3, then 1 x 1, each normalised; rectified at the end."""
    return nn.Sequential(
        conv_norm(in_channels, in_channels, stride=stride, groups=in_channels),
        conv_norm_relu(in_channels, out_channels, 1),
    )
