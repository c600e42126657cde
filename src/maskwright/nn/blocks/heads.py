"""Small heads from features to scores, at the features' size.

How their layers are nested names them in files of weights, so it stays.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from ..protocols import PixelLoss
from .conv import conv_norm_relu, norm_relu_conv
from .norm import Norm
from .resize import to_size_of


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


class DeeplySupervised(nn.Module):
    """A network whose forward gives, in training, logits of several heads, the main first."""

    def __init__(self, aux_weight: float) -> None:
        super().__init__()
        self.aux_weight = aux_weight

    def loss(
        self, outputs: Sequence[Tensor], labels_BHW: Tensor, pixel_loss: PixelLoss
    ) -> Tensor:
        """The recipe's loss, plus `aux_weight` times that of each auxiliary head."""
        return summed_loss(outputs, labels_BHW, pixel_loss, self.aux_weight)


def summed_loss(
    outputs: Sequence[Tensor], labels_BHW: Tensor, pixel_loss: PixelLoss, aux_weight: float
) -> Tensor:
    """Loss of the first output, plus `aux_weight` times that of each other.

    Logits of another size than the truth are enlarged to it.
    """
    main, *auxiliary = (
        pixel_loss(to_size_of(logits_BKhw, labels_BHW[:, None]), labels_BHW)
        for logits_BKhw in outputs
    )
    return main + aux_weight * sum(auxiliary) if auxiliary else main
