"""Heads on features within a network, for auxiliary losses."""

from torch import nn

from .conv import conv_norm_relu


def aux_head(in_channels: int, num_classes: int, *, dropout: float = 0.1) -> nn.Sequential:
    """The head that PSPNet (arXiv:1612.01105) puts on stage 4; logits at the features' size."""
    width = max(1, in_channels // 4)
    return nn.Sequential(
        conv_norm_relu(in_channels, width),
        nn.Dropout2d(dropout),
        nn.Conv2d(width, num_classes, 1),
    )
