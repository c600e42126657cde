"""Feature pyramid with a semantic head, Kirillov et al. 2019 (arXiv:1901.02446), figure 3.

The pyramid is that of Lin et al. 2017 (arXiv:1612.03144), figure 3.
"""

from typing import Any

from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import interpolate

from maskwright.nn.blocks.conv import conv
from maskwright.nn.blocks.initialise import init_he
from maskwright.nn.blocks.library import build_library_network
from maskwright.nn.blocks.norm import replace_batch_norm
from maskwright.nn.blocks.pyramid import (
    NUM_STRIDES,
    pyramid_encoder,
    pyramid_maps,
    pyramid_widths,
)
from maskwright.nn.blocks.resize import Enlarge
from maskwright.nn.encoders import import_smp
from maskwright.nn.part_config import PartConfig
from maskwright.nn.published_recipe import PublishedRecipe

STRIDE = 4
GROUPS = 32
GOOD_FOR = "Thin and small objects in limited time; the default of the plan."

RECIPE = PublishedRecipe(
    source="Kirillov et al. 2019, section 4.1",
    optimizer="sgd",
    lr=0.01,
    batch_size=32,
    num_steps=65_000,
    weight_decay=1e-4,
    schedule="step",
)


class Config(PartConfig):
    """Widths of the pyramid and of the head that sums its levels, and spatial dropout.

    `decoder_channels` is a multiple of 32: the head is normalised in 32 groups. The paper has
    no dropout.
    """

    pyramid_channels: int = Field(256, gt=0)
    decoder_channels: int = Field(128, gt=0, multiple_of=GROUPS)
    dropout: float = Field(0.1, ge=0, lt=1)


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`); logits at stride 4, upsampled bilinearly."""
    network = pyramid_encoder(encoder, in_channels)
    replace_batch_norm(network)
    return FeaturePyramid(config, network, num_classes)


def _build_first(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    return build_library_network(
        import_smp().FPN,
        encoder,
        in_channels,
        num_classes,
        decoder_pyramid_channels=config.pyramid_channels,
        decoder_segmentation_channels=config.decoder_channels,
        decoder_dropout=config.dropout,
    )


REVISION = 2
"""2: the pyramid's 3 x 3 convolutions; maps are resized without aligned corners."""

OLDER = {1: _build_first}


class FeaturePyramid(nn.Module):
    """Encoder, top-down pyramid, and one branch of the head for each of its levels."""

    def __init__(self, config: Config, encoder: nn.Module, num_classes: int) -> None:
        super().__init__()
        self.enlarge = Enlarge(STRIDE)
        self.encoder = encoder
        width, head_width = config.pyramid_channels, config.decoder_channels
        self.lateral = nn.ModuleList(nn.Conv2d(n, width, 1) for n in pyramid_widths(encoder))
        self.smooth = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=1) for _ in range(NUM_STRIDES)
        )
        self.branches = nn.ModuleList(
            _branch(width, head_width, doublings) for doublings in range(NUM_STRIDES)
        )
        self.dropout = nn.Dropout2d(config.dropout)
        self.head = nn.Conv2d(head_width, num_classes, 1)
        init_he(self.branches)
        for linear in (*self.lateral, *self.smooth, self.head):
            init_he(linear, slope=1)

    def forward(self, x_BCHW: Tensor) -> Any:
        """(B, K, H, W)."""
        maps = pyramid_maps(self.encoder(x_BCHW))
        levels = [lateral(x) for lateral, x in zip(self.lateral, maps, strict=True)]
        for finer in reversed(range(NUM_STRIDES - 1)):
            levels[finer] = levels[finer] + interpolate(levels[finer + 1], scale_factor=2.0)
        summed, *others = (
            branch(smooth(level))
            for branch, smooth, level in zip(self.branches, self.smooth, levels, strict=True)
        )
        for other in others:
            summed = summed + other
        logits: Tensor = self.enlarge(self.head(self.dropout(summed)))
        return logits


def _branch(in_channels: int, out_channels: int, doublings: int) -> nn.Sequential:
    """From a level of the pyramid to stride 4: a convolution before each upsampling."""
    branch = nn.Sequential()
    for index in range(max(1, doublings)):
        branch.extend(
            [
                conv(out_channels if index else in_channels, out_channels),
                nn.GroupNorm(GROUPS, out_channels),
                nn.ReLU(),
            ]
        )
        if doublings:
            branch.append(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False))
    return branch
