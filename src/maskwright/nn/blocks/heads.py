"""Heads from features to logits, and the loss of networks with several heads.

The nesting of the layers is part of the state-dict keys: it must not change.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from ..protocols import PixelLoss
from .conv import conv_norm_relu, norm_relu_conv
from .norm import Norm
from .resize import resize_like


def score_head(in_channels: int, middle: int, num_classes: int) -> nn.Sequential:
    """Convolution, normalisation, ReLU, and 1 x 1 convolution to K logits."""
    return conv_norm_relu(in_channels, middle).append(nn.Conv2d(middle, num_classes, 1))


def pre_norm_head(in_channels: int, middle: int, num_classes: int) -> nn.Sequential:
    """Twice normalisation, ReLU and convolution, the second 1 x 1 to K logits."""
    return norm_relu_conv(in_channels, middle).extend(
        [Norm(middle), nn.ReLU(), nn.Conv2d(middle, num_classes, 1)]
    )


def dropout_head(
    in_channels: int, middle: int, num_classes: int, dropout: nn.Module
) -> nn.Sequential:
    """`score_head` with `dropout` before the last convolution."""
    return nn.Sequential(
        conv_norm_relu(in_channels, middle), dropout, nn.Conv2d(middle, num_classes, 1)
    )


def aux_head(in_channels: int, num_classes: int, *, dropout: float = 0.1) -> nn.Sequential:
    """The auxiliary head of PSPNet (arXiv:1612.01105) on stage 4."""
    middle = max(1, in_channels // 4)
    return dropout_head(in_channels, middle, num_classes, nn.Dropout2d(dropout))


def fcn_head(in_channels: int, num_classes: int, *, dropout: float = 0.1) -> nn.Sequential:
    """The head and the auxiliary head of torchvision's FCN; single values are dropped."""
    middle = max(1, in_channels // 4)
    return dropout_head(in_channels, middle, num_classes, nn.Dropout(dropout))


class DeeplySupervised(nn.Module):
    """In training, the forward returns the logits of several heads, the main head first."""

    def __init__(self, aux_weight: float) -> None:
        super().__init__()
        self.aux_weight = aux_weight

    def loss(
        self, outputs: Sequence[Tensor], labels_BHW: Tensor, pixel_loss: PixelLoss
    ) -> Tensor:
        """The recipe's loss, plus `aux_weight` times that of each auxiliary head."""
        return sum_head_losses(outputs, labels_BHW, pixel_loss, self.aux_weight)


def sum_head_losses(
    outputs: Sequence[Tensor], labels_BHW: Tensor, pixel_loss: PixelLoss, aux_weight: float
) -> Tensor:
    """Loss of the first logits, plus `aux_weight` times the loss of each of the others.

    Logits of another size than the labels are resized to it.
    """
    main, *auxiliary = (
        pixel_loss(resize_like(logits_BKhw, labels_BHW[:, None]), labels_BHW)
        for logits_BKhw in outputs
    )
    return main + aux_weight * sum(auxiliary) if auxiliary else main
