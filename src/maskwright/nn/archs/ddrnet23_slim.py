"""DDRNet-23-slim, Hong et al. 2021 (arXiv:2101.06085): two resolutions, fused twice.

Table 1 of the paper; DDRNet-23 is `channels` 64 and `head_channels` 128.
"""

from itertools import pairwise

from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import relu

from maskwright.nn.blocks.conv import conv_norm, pad_explicitly
from maskwright.nn.blocks.heads import DeeplySupervised, pre_norm_head
from maskwright.nn.blocks.initialise import init_he
from maskwright.nn.blocks.pooled_context import SerialContext
from maskwright.nn.blocks.residual import (
    basic_block,
    bottleneck_block,
    residual_stage,
    two_branch_stem,
)
from maskwright.nn.blocks.resize import Enlarge, resize_like
from maskwright.nn.part_config import PartConfig
from maskwright.nn.published_recipe import PublishedRecipe

ENCODERS = ("own",)

GOOD_FOR = "Real time at high resolution; more accurate than most at its speed."

RECIPE = PublishedRecipe(
    source="Hong et al. 2021, and the configuration of mmsegmentation",
    optimizer="sgd",
    lr=0.01,
    batch_size=12,
    num_steps=120_000,
    weight_decay=5e-4,
    loss="ohem",
)


class Config(PartConfig):
    """Widths at stride 4, of the pooled context and of the head.

    In training, an auxiliary head on the high resolution after the first fusion adds
    `aux_weight` times its loss; with 0 it is not built.
    """

    channels: int = Field(32, gt=0)
    context_channels: int = Field(128, gt=0)
    head_channels: int = Field(64, gt=0)
    aux_weight: float = Field(0.4, ge=0)


def build(config: Config, _encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`)."""
    return DDRNet(config, in_channels, num_classes)


class DDRNet(DeeplySupervised):
    """Two branches: `low` goes down to stride 64, `high` stays at stride 8."""

    def __init__(self, config: Config, in_channels: int, num_classes: int) -> None:
        super().__init__(config.aux_weight)
        self.enlarge = Enlarge(8)
        c = config.channels
        self.stem = two_branch_stem(in_channels, c)
        self.fusion3 = BilateralFusion(2 * c, 4 * c, high=2 * c)
        self.fusion4 = BilateralFusion(4 * c, 8 * c, high=2 * c)
        self.high5 = residual_stage(bottleneck_block, (2 * c, 4 * c), 1)
        self.low5 = residual_stage(bottleneck_block, (8 * c, 16 * c), 1, stride=2)
        self.context = SerialContext(16 * c, config.context_channels, 4 * c)
        pad_explicitly(self.low5)
        pad_explicitly(self.context)
        self.head = pre_norm_head(4 * c, config.head_channels, num_classes)
        if self.aux_weight:
            self.aux_head = pre_norm_head(2 * c, config.head_channels, num_classes)
        init_he(self, mode="fan_out")  # as the authors

    def forward(self, x_BCHW: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Logits (B, K, H, W); in training, also those of the auxiliary head, at stride 8."""
        x = self.stem(x_BCHW)
        low, high3 = self.fusion3(x, x)
        low, high = self.fusion4(relu(low), relu(high3))
        high = self.high5(relu(high))
        high = high + resize_like(self.context(self.low5(relu(low))), high)
        logits_BKHW: Tensor = self.enlarge(self.head(high))
        if not (self.training and self.aux_weight):
            return logits_BKHW
        return logits_BKHW, self.aux_head(high3)


class BilateralFusion(nn.Module):
    """A stage of both resolutions, then each is added to the other; figure 3."""

    def __init__(self, in_channels: int, low: int, *, high: int) -> None:
        super().__init__()
        self.low = residual_stage(basic_block, (in_channels, low), 2, stride=2)
        self.high = residual_stage(basic_block, (high, high), 2)
        self.compress = conv_norm(low, high, 1)
        self.shrink = nn.Sequential()
        widths = (high, *range(2 * high, low + 1, 2 * high))
        for before, after in pairwise(widths):
            self.shrink.append(conv_norm(before, after, stride=2))
            if after != low:
                self.shrink.append(nn.ReLU())

    def forward(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        """Both maps without the last ReLU; `low` at half its size."""
        low, high = self.low(low), self.high(high)
        return (
            low + self.shrink(relu(high)),
            high + resize_like(self.compress(relu(low)), high),
        )
