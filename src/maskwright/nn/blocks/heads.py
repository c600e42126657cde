"""Small heads from features to scores, at the features' size.

How their layers are nested names them in files of weights, so it stays.
"""

from torch import nn

from .conv import Norm, conv_norm_relu, norm_relu_conv


def score_head(in_channels: int, middle: int, num_classes: int) -> nn.Sequential:
    """Convolution, normalisation, ReLU, and 1 x 1 to the scores."""
    return conv_norm_relu(in_channels, middle).append(nn.Conv2d(middle, num_classes, 1))


def pre_normed_head(in_channels: int, middle: int, num_classes: int) -> nn.Sequential:
    """Normalisation, ReLU, convolution, twice; the last one is 1 x 1 to the scores."""
    return norm_relu_conv(in_channels, middle).extend(
        [Norm(middle), nn.ReLU(), nn.Conv2d(middle, num_classes, 1)]
    )


def dropout_head(
    in_channels: int, middle: int, num_classes: int, dropout: nn.Module
) -> nn.Sequential:
    """`score_head` with `dropout` before the scores."""
    return nn.Sequential(
        conv_norm_relu(in_channels, middle), dropout, nn.Conv2d(middle, num_classes, 1)
    )


def aux_head(in_channels: int, num_classes: int, *, dropout: float = 0.1) -> nn.Sequential:
    """The head that PSPNet (arXiv:1612.01105) puts on stage 4."""
    middle = max(1, in_channels // 4)
    return dropout_head(in_channels, middle, num_classes, nn.Dropout2d(dropout))
