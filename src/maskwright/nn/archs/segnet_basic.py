"""SegNet-Basic, Badrinarayanan et al. 2015 (arXiv:1511.00561): four stages of 7 x 7.

Section 3.1: no biases, and no ReLU in the decoder. The paper's local contrast normalisation of
the input is omitted: the InputSpec normalises it.
"""

from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from maskwright.nn.blocks.conv import conv_norm, conv_norm_relu
from maskwright.nn.blocks.initialise import init_he
from maskwright.nn.blocks.pooling import max_pool_with_indices, max_unpool
from maskwright.nn.part_config import PartConfig
from maskwright.nn.published_recipe import PublishedRecipe

ENCODERS = ("own",)

GOOD_FOR = "A small known baseline without pretrained weights."

RECIPE = PublishedRecipe(
    source="Badrinarayanan et al. 2017, section 3.3, and the authors' solver",
    lr=0.1,
    optimizer="sgd",
    schedule="step",
    weight_decay=5e-4,
    batch_size=12,
    num_steps=10_000,
)


class Config(PartConfig):
    """Width, number and kernel size of the stages."""

    channels: int = Field(64, gt=0)
    num_stages: int = Field(4, gt=0, le=5)
    kernel: Literal[3, 5, 7, 9] = 7


def build(config: Config, _encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`)."""
    return SegNetBasic(config, in_channels, num_classes)


class SegNetBasic(nn.Module):
    """As many stages in the decoder as in the encoder, of one convolution each."""

    def __init__(self, config: Config, in_channels: int, num_classes: int) -> None:
        super().__init__()
        width, kernel = config.channels, config.kernel
        widths = (in_channels, *[width] * (config.num_stages - 1))
        self.down = nn.ModuleList(conv_norm_relu(n, width, kernel) for n in widths)
        self.up = nn.ModuleList(conv_norm(width, width, kernel) for _ in widths)
        self.classify = nn.Conv2d(width, num_classes, 1)
        init_he(self)  # as the authors

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Logits (B, K, H, W)."""
        maxima = []
        for stage in self.down:
            x_BCHW, places = max_pool_with_indices(stage(x_BCHW))
            maxima.append(places)
        for stage, places in zip(self.up, reversed(maxima), strict=True):
            x_BCHW = stage(max_unpool(x_BCHW, places))
        logits_BKHW: Tensor = self.classify(x_BCHW)
        return logits_BKHW
