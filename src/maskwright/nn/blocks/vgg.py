"""VGG16 for segmentation: stride 8, and fully connected layers as convolutions."""

from typing import Any

from torch import nn

STRIDED_POOLS = 3
RATE = 2
SCORES_STD = 0.01
"""Of the kernels that score, at the start of training: fc8 in the authors' train.prototxt."""


def dilate_vgg(encoder: Any) -> None:
    """Give pool4 and pool5 stride 1 and dilate conv5, which keeps its field of view.

    All pools are 3 x 3, as in the authors' networks. Names and shapes of weights are unchanged.
    """
    num_pools = 0
    for index, module in enumerate(encoder.features):
        if isinstance(module, nn.MaxPool2d):
            num_pools += 1
            stride = 2 if num_pools <= STRIDED_POOLS else 1
            encoder.features[index] = nn.MaxPool2d(3, stride, padding=1)
        elif isinstance(module, nn.Conv2d) and num_pools > STRIDED_POOLS:
            module.dilation = module.padding = (RATE, RATE)


def fully_connected_head(first: nn.Conv2d, num_classes: int, dropout: float) -> nn.Sequential:
    """The layers after VGG16's last pool as convolutions; `first` sets the field of view."""
    width = first.out_channels
    return nn.Sequential(
        first,
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Conv2d(width, width, 1),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Conv2d(width, num_classes, 1),
    )
