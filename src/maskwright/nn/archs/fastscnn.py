"""Fast-SCNN, Poudel et al. 2019 (arXiv:1902.04502): two branches with shared first layers."""

import torch
from pydantic import Field
from torch import Tensor, nn

from maskwright.nn.blocks.conv import conv_norm, conv_norm_relu, separable_conv
from maskwright.nn.blocks.heads import DeeplySupervised, score_head
from maskwright.nn.blocks.pooling import BINS, mix_levels, pooling_levels
from maskwright.nn.blocks.resize import Enlarge, resize_like
from maskwright.nn.part_config import PartConfig
from maskwright.nn.published_recipe import PublishedRecipe

ENCODERS = ("own",)
STAGES = ((64, 2), (96, 2), (128, 1))
"""Width and stride of the three stages of bottlenecks."""

GOOD_FOR = "Real time on small machines, at high resolution."

RECIPE = PublishedRecipe(
    source="Poudel et al. 2019, section 4.1",
    optimizer="sgd",
    lr=0.045,
    batch_size=12,
    num_steps=248_000,
    weight_decay=4e-5,
)
"""The numbers were checked against a reimplementation, not against the paper."""


class Config(PartConfig):
    """Repeats and expansion of the bottlenecks, dropout before the logits, auxiliary losses.

    In training, two auxiliary heads (after the shared first layers and after the global
    features) add `aux_weight` times their loss each; with 0 they are not built.
    """

    num_blocks: int = Field(3, gt=0)
    expansion: int = Field(6, gt=0)
    dropout: float = Field(0.1, ge=0, lt=1)
    aux_weight: float = Field(0.4, ge=0)


def build(config: Config, _encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`)."""
    return FastSCNN(config, in_channels, num_classes)


class FastSCNN(DeeplySupervised):
    """Table 1 of the paper."""

    def __init__(self, config: Config, in_channels: int, num_classes: int) -> None:
        super().__init__(config.aux_weight)
        self.enlarge = Enlarge(8)
        self.learn_to_shrink = nn.Sequential(
            conv_norm_relu(in_channels, 32, stride=2),
            separable_conv(32, 48, stride=2),
            separable_conv(48, 64, stride=2),
        )
        self.global_features = nn.Sequential(*_stages(config), PyramidPooling(128))
        self.fuse_low = nn.Sequential(
            conv_norm_relu(128, 128, dilation=4, groups=128), conv_norm(128, 128, 1)
        )
        self.fuse_high = conv_norm(64, 128, 1)
        self.head = nn.Sequential(
            separable_conv(128, 128),
            separable_conv(128, 128),
            nn.Dropout(config.dropout),
            nn.Conv2d(128, num_classes, 1),
        )
        if self.aux_weight:
            self.aux_heads = nn.ModuleList(score_head(c, 32, num_classes) for c in (64, 128))

    def forward(self, x_BCHW: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Logits (B, K, H, W); in training, also those of the auxiliary heads, smaller."""
        high = self.learn_to_shrink(x_BCHW)
        low = self.global_features(high)
        fused = torch.relu(self.fuse_high(high) + self.fuse_low(resize_like(low, high)))
        logits_BKHW: Tensor = self.enlarge(self.head(fused))
        if not (self.training and self.aux_weight):
            return logits_BKHW
        return logits_BKHW, self.aux_heads[0](high), self.aux_heads[1](low)


class InvertedResidual(nn.Module):
    """Inverted residual of MobileNetV2: 1 x 1 wide, depthwise 3 x 3, 1 x 1 narrow."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        wide = in_channels * expansion
        self.residual = stride == 1 and in_channels == out_channels
        self.body = nn.Sequential(
            conv_norm_relu(in_channels, wide, 1),
            conv_norm_relu(wide, wide, stride=stride, groups=wide),
            conv_norm(wide, out_channels, 1),
        )

    def forward(self, x_BChw: Tensor) -> Tensor:
        """(B, C, h / stride, w / stride)."""
        output: Tensor = self.body(x_BChw)
        return x_BChw + output if self.residual else output


class PyramidPooling(nn.Module):
    """Pyramid pooling over 1, 2, 3 and 6 bins per side, projected to the width of the map."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.levels = pooling_levels(channels, channels // len(BINS))
        self.mix = conv_norm_relu(2 * channels, channels, 1)

    def forward(self, x_BChw: Tensor) -> Tensor:
        """(B, C, h, w)."""
        return mix_levels(self.mix, self.levels, x_BChw)


def _stages(config: Config) -> list[nn.Module]:
    blocks: list[nn.Module] = []
    channels = 64
    for width, stride in STAGES:
        for i in range(config.num_blocks):
            blocks.append(
                InvertedResidual(channels, width, stride if i == 0 else 1, config.expansion)
            )
            channels = width
    return blocks
