"""PIDNet-S, Xu et al. 2022 (arXiv:2206.02066): details (P), context (I) and borders (D).

PIDNet-M is `channels` 64.
"""

from typing import NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import relu

from maskwright.core.labels import IGNORE
from maskwright.nn.blocks.borders import balanced_border_loss, border_map
from maskwright.nn.blocks.conv import conv_norm, pad_explicitly
from maskwright.nn.blocks.heads import pre_norm_head
from maskwright.nn.blocks.initialise import init_he
from maskwright.nn.blocks.pooled_context import ParallelContext
from maskwright.nn.blocks.residual import (
    basic_block,
    bottleneck_block,
    residual_stage,
    two_branch_stem,
)
from maskwright.nn.blocks.resize import Enlarge, resize_like
from maskwright.nn.part_config import PartConfig
from maskwright.nn.protocols import PixelLoss
from maskwright.nn.published_recipe import PublishedRecipe

ENCODERS = ("own",)

GOOD_FOR = "Real time, with sharp borders: one of three branches detects them."
REVISION = 2

RECIPE = PublishedRecipe(
    source="Xu et al. 2023, pidnet_small_cityscapes.yaml of the authors",
    loss="ohem",
    optimizer="sgd",
    lr=0.01,
    weight_decay=5e-4,
    batch_size=12,
    num_steps=120_000,
)


class Config(PartConfig):
    """Widths, and the weights of equation 5: lambda 0 to 3 and the threshold t.

    `aux_weight` is for the head on the details, `border_weight` for the loss of the border
    head, `near_border_weight` for the loss of pixels whose border probability is above
    `border_threshold`. Pixels up to `border_radius_px` from another class are border pixels.
    """

    channels: int = Field(32, gt=0)
    context_channels: int = Field(96, gt=0)
    head_channels: int = Field(128, gt=0)
    aux_weight: float = Field(0.4, ge=0)
    border_weight: float = Field(20.0, ge=0)
    near_border_weight: float = Field(1.0, ge=0)
    border_threshold: float = Field(0.8, gt=0, lt=1)
    border_radius_px: int = Field(2, gt=0)


def build(config: Config, _encoder: str, in_channels: int, num_classes: int) -> "PIDNet":
    """Build the network (`protocols.Arch`)."""
    return PIDNet(config, in_channels, num_classes)


class PIDNetOutputs(NamedTuple):
    """Logits of the three heads in training; the second and third at stride 8."""

    logits_BKHW: Tensor
    aux_BKhw: Tensor
    border_B1hw: Tensor


class PIDNet(nn.Module):
    """Figure 4: branches p and d stay at stride 8, i goes down to stride 64."""

    def __init__(self, config: Config, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.enlarge = Enlarge(8)
        self.config = config
        c = config.channels
        self.stem = two_branch_stem(in_channels, c)
        self.i3 = residual_stage(basic_block, (2 * c, 4 * c), 3, stride=2)
        self.i4 = residual_stage(basic_block, (4 * c, 8 * c), 3, stride=2)
        # without a ReLU between the two, as in the authors' code
        self.i5 = nn.Sequential(
            bottleneck_block(8 * c, 16 * c, 2), bottleneck_block(16 * c, 16 * c)
        )
        self.p3, self.p4 = (residual_stage(basic_block, (2 * c, 2 * c), 2) for _ in range(2))
        self.p5 = residual_stage(bottleneck_block, (2 * c, 4 * c), 1)
        self.d3 = residual_stage(basic_block, (2 * c, c), 1)
        self.d4 = residual_stage(bottleneck_block, (c, 2 * c), 1)
        self.d5 = residual_stage(bottleneck_block, (2 * c, 4 * c), 1)
        self.pick3, self.pick4 = (
            PixelAttentionFusion(4 * c, 2 * c),
            PixelAttentionFusion(8 * c, 2 * c),
        )
        self.difference3, self.difference4 = conv_norm(4 * c, c), conv_norm(8 * c, 2 * c)
        self.context = ParallelContext(16 * c, config.context_channels, 4 * c)
        pad_explicitly(self.i5)
        pad_explicitly(self.context)
        self.mix = BoundaryAttentionFusion(4 * c)
        self.head = pre_norm_head(4 * c, config.head_channels, num_classes)
        self.aux_head = pre_norm_head(2 * c, config.head_channels, num_classes)
        self.border_head = pre_norm_head(2 * c, c, 1)
        init_he(self, mode="fan_out")  # as the authors

    def forward(self, x_BCHW: Tensor) -> Tensor | PIDNetOutputs:
        """Logits (B, K, H, W); in training, the outputs that `loss` reads."""
        x = self.stem(x_BCHW)
        i = relu(self.i3(x))
        p3 = relu(self.pick3(self.p3(x), i))
        d = self.d3(x)
        d = d + resize_like(self.difference3(i), d)
        i = relu(self.i4(i))
        p = self.pick4(self.p4(p3), i)
        d4 = self.d4(relu(d))
        d4 = relu(d4 + resize_like(self.difference4(i), d4))
        p, d = self.p5(relu(p)), self.d5(d4)
        i = resize_like(self.context(self.i5(i)), p)
        logits_BKHW: Tensor = self.enlarge(self.head(self.mix(p, i, d)))
        if not self.training:
            return logits_BKHW
        return PIDNetOutputs(logits_BKHW, self.aux_head(p3), self.border_head(d4))

    def loss(self, outputs: PIDNetOutputs, labels_BHW: Tensor, pixel_loss: PixelLoss) -> Tensor:
        """Equation 5, with the recipe's loss instead of cross-entropy."""
        config = self.config
        like_B1HW = labels_BHW[:, None]
        border_logits_BHW = resize_like(outputs.border_B1hw, like_B1HW)[:, 0]
        near_BHW = border_logits_BHW.detach().sigmoid() > config.border_threshold
        near_labels_BHW = labels_BHW.where(near_BHW, IGNORE)
        border_loss = balanced_border_loss(
            border_logits_BHW,
            border_map(labels_BHW, config.border_radius_px),
            labels_BHW != IGNORE,
        )
        return (
            pixel_loss(outputs.logits_BKHW, labels_BHW)
            + config.aux_weight
            * pixel_loss(resize_like(outputs.aux_BKhw, like_B1HW), labels_BHW)
            + config.border_weight * border_loss
            + config.near_border_weight * pixel_loss(outputs.logits_BKHW, near_labels_BHW)
        )


class PixelAttentionFusion(nn.Module):
    """Pixel-attention-guided fusion (Pag), equations 2 and 3.

    Context replaces details in proportion to their agreement.
    """

    def __init__(self, context_channels: int, channels: int) -> None:
        super().__init__()
        self.compress = conv_norm(context_channels, channels, 1)
        self.of_details = conv_norm(channels, channels // 2, 1)
        self.of_context = conv_norm(channels, channels // 2, 1)

    def forward(self, p: Tensor, i: Tensor) -> Tensor:
        """As `p` in shape."""
        i = self.compress(i)
        agreement = self.of_details(p) * resize_like(self.of_context(i), p)
        share_B1hw: Tensor = agreement.sum(1, keepdim=True).sigmoid()
        return (1 - share_B1hw) * p + share_B1hw * resize_like(i, p)


class BoundaryAttentionFusion(nn.Module):
    """Boundary-attention fusion (Light-Bag), figure 6: details at borders, else context."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.details = conv_norm(channels, channels, 1)
        self.context = conv_norm(channels, channels, 1)

    def forward(self, p: Tensor, i: Tensor, d: Tensor) -> Tensor:
        """As each of the three inputs in shape."""
        border = torch.sigmoid(d)
        mixed: Tensor = self.details((1 - border) * i + p) + self.context(i + border * p)
        return mixed


def _build_first(config: Config, encoder: str, in_channels: int, num_classes: int) -> PIDNet:
    """Revision 1, which had a ReLU between the bottlenecks of the context branch."""
    network = build(config, encoder, in_channels, num_classes)
    network.i5.insert(1, nn.ReLU())
    return network


OLDER = {1: _build_first}
