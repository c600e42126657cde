"""FC-DenseNet (Tiramisu), Jégou et al. 2016 (arXiv:1611.09326): dense blocks down and up.

FC-DenseNet56 is `down_layers` (4, 4, 4, 4, 4), `bottleneck_layers` 4 and `growth` 12;
FC-DenseNet67 has 5 of each and growth 16.
"""

from typing import cast

import torch
from pydantic import Field
from torch import Tensor, nn

from maskwright.nn.blocks.conv import conv, norm_relu_conv
from maskwright.nn.blocks.initialise import init_he
from maskwright.nn.part_config import PartConfig
from maskwright.nn.published_recipe import PublishedRecipe

ENCODERS = ("own",)

GOOD_FOR = "Few images and no pretrained weights; much memory."
REVISION = 2

RECIPE = PublishedRecipe(
    source="Jégou et al. 2017, section 4.1",
    optimizer="rmsprop",
    lr=0.001,
    batch_size=3,
    num_steps=92_000,
    weight_decay=1e-4,
    schedule="step",
)


class Config(PartConfig):
    """Layers of the dense blocks (decoder: the encoder's in reverse order), widths, dropout."""

    down_layers: tuple[int, int, int, int, int] = (4, 5, 7, 10, 12)
    bottleneck_layers: int = Field(15, gt=0)
    growth: int = Field(16, gt=0)
    first_channels: int = Field(48, gt=0)
    dropout: float = Field(0.2, ge=0, lt=1)


def build(config: Config, _encoder: str, in_channels: int, num_classes: int) -> "FCDenseNet":
    """Build the network (`protocols.Arch`)."""
    return FCDenseNet(config, in_channels, num_classes)


class FCDenseNet(nn.Module):
    """Tables 1 and 2 of the paper."""

    def __init__(self, config: Config, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.first = conv(in_channels, config.first_channels)
        self.down_blocks, self.shrink = nn.ModuleList(), nn.ModuleList()
        self.enlarge, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        channels, skips = config.first_channels, []
        for num_layers in config.down_layers:
            self.down_blocks.append(DenseBlock(channels, num_layers, config))
            channels += num_layers * config.growth
            skips.append(channels)
            self.shrink.append(_transition_down(channels, config.dropout))
        self.bottleneck = DenseBlock(channels, config.bottleneck_layers, config)
        new = config.bottleneck_layers * config.growth
        for num_layers, skip in zip(reversed(config.down_layers), reversed(skips), strict=True):
            self.enlarge.append(nn.ConvTranspose2d(new, new, 3, 2))
            self.up_blocks.append(DenseBlock(new + skip, num_layers, config))
            channels, new = new + skip, num_layers * config.growth
        self.classify = nn.Conv2d(channels + new, num_classes, 1)
        init_he(self, is_uniform=True)  # "HeUniform", as the authors

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Logits (B, K, H, W)."""
        x, skips = self.first(x_BCHW), []
        for block, shrink in zip(self.down_blocks, self.shrink, strict=True):
            x = torch.cat([x, block(x)], 1)
            skips.append(x)
            x = shrink(x)
        new = self.bottleneck(x)
        for enlarge, block in zip(self.enlarge, self.up_blocks, strict=True):
            skip = skips.pop()
            # 2 h + 1 rows and columns: the authors cut off the last
            enlarged = enlarge(new)[..., : skip.shape[-2], : skip.shape[-1]]
            x = torch.cat([enlarged, skip], 1)
            new = block(x)
        logits_BKHW: Tensor = self.classify(torch.cat([x, new], 1))
        return logits_BKHW


class DenseBlock(nn.Module):
    """Layers that each read the input and the output of all layers before."""

    def __init__(self, channels: int, num_layers: int, config: Config) -> None:
        super().__init__()
        growth = config.growth
        self.layers = nn.ModuleList(
            DenseLayer(channels + i * growth, growth, config.dropout) for i in range(num_layers)
        )

    def forward(self, x_BChw: Tensor) -> Tensor:
        """(B, layers x growth, h, w): the outputs of the layers without the input."""
        maps = [x_BChw]
        for layer in self.layers:
            maps.append(layer(*maps))
        return torch.cat(maps[1:], 1)


class DenseLayer(nn.Module):
    """Normalisation, ReLU, 3 x 3 convolution and dropout on the concatenated maps."""

    def __init__(self, channels: int, growth: int, dropout: float) -> None:
        super().__init__()
        self.body = norm_relu_conv(channels, growth).append(nn.Dropout(dropout))

    def forward(self, *maps_BChw: Tensor) -> Tensor:
        """(B, growth, h, w)."""
        output: Tensor = self.body(torch.cat(maps_BChw, 1))
        return output


def _transition_down(channels: int, dropout: float) -> nn.Sequential:
    return norm_relu_conv(channels, channels, 1).extend([nn.Dropout(dropout), nn.MaxPool2d(2)])


def _build_first(
    config: Config, encoder: str, in_channels: int, num_classes: int
) -> FCDenseNet:
    """Revision 1, whose transposed convolutions lay one pixel further up and left."""
    network = build(config, encoder, in_channels, num_classes)
    for layer in network.enlarge:
        enlarge = cast("nn.ConvTranspose2d", layer)
        enlarge.padding, enlarge.output_padding = (1, 1), (1, 1)
    return network


OLDER = {1: _build_first}
