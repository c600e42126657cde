"""Random weights by the rule of He et al. 2015 (arXiv:1502.01852), and of scores."""

from typing import Literal

from torch import nn


def init_he(
    module: nn.Module,
    *,
    mode: Literal["fan_in", "fan_out"] = "fan_in",
    slope: float = 0.0,
    is_uniform: bool = False,
) -> None:
    """Set kernels of all convolutions to random numbers of mean 0, and biases to 0.

    Their variance is 2 / (1 + slope^2) / fan.

    Args:
        module: Its scales and shifts of normalisation stay as they are.
        mode: The fan: inputs of an output value, or outputs of an input value.
        slope: Of the activation at negative values; 1: no activation.
        is_uniform: A uniform distribution instead of a normal one.
    """
    init = nn.init.kaiming_uniform_ if is_uniform else nn.init.kaiming_normal_
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            init(layer.weight, a=slope, mode=mode)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def init_scores(conv: nn.Conv2d, std: float) -> None:
    """Set a kernel to normal random numbers of mean 0, and its biases to 0."""
    nn.init.normal_(conv.weight, std=std)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
