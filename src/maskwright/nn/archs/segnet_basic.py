"""SegNet-Basic, Badrinarayanan et al. 2015 (arXiv:1511.00561): four stages of 7 x 7.

Section 3.1: no biases, and no rectification in the decoder. The paper's local contrast
normalisation of the input is left out: the InputSpec normalises it.
"""

from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from maskwright.nn.blocks.conv import conv_norm, conv_norm_relu
from maskwright.nn.blocks.pooling import pooled_with_places, unpooled
from maskwright.nn.part_config import PartConfig

ENCODERS = ("own",)

GOOD_FOR = "A small known baseline without pretrained weights."


class Config(PartConfig):
    """Width of all stages, their number, and the size of their kernels."""

    channels: int = Field(64, gt=0)
    num_stages: int = Field(4, gt=0, le=5)
    kernel: Literal[3, 5, 7, 9] = 7


def build(config: Config, _encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """See `protocols.Arch`."""
    return SegNetBasic(config, in_channels, num_classes)


class SegNetBasic(nn.Module):
    """As many stages of one convolution down as up."""

    def __init__(self, config: Config, in_channels: int, num_classes: int) -> None:
        super().__init__()
        width, kernel = config.channels, config.kernel
        widths = (in_channels, *[width] * (config.num_stages - 1))
        self.down = nn.ModuleList(conv_norm_relu(given, width, kernel) for given in widths)
        self.up = nn.ModuleList(conv_norm(width, width, kernel) for _ in widths)
        self.classify = nn.Conv2d(width, num_classes, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Logits of shape (B, K, H, W)."""
        places = []
        for stage in self.down:
            x_BCHW, place = pooled_with_places(stage(x_BCHW))
            places.append(place)
        for stage, place in zip(self.up, reversed(places), strict=True):
            x_BCHW = stage(unpooled(x_BCHW, place))
        logits_BKHW: Tensor = self.classify(x_BCHW)
        return logits_BKHW
