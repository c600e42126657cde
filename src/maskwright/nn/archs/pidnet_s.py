"""PIDNet-S, Xu et al. 2022 (arXiv:2206.02066): details (P), context (I) and borders (D).

PIDNet-M is `channels` 64.
"""

from typing import NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import relu

from maskwright.core.labels import IGNORE
from maskwright.nn.blocks.borders import balanced_border_loss, borders
from maskwright.nn.blocks.conv import conv_norm, zeros_first
from maskwright.nn.blocks.heads import pre_normed_head
from maskwright.nn.blocks.pooled_context import ParallelContext
from maskwright.nn.blocks.residual import basic, bottleneck, stage, stem
from maskwright.nn.blocks.resize import enlarged, to_size_of
from maskwright.nn.part_config import PartConfig
from maskwright.nn.protocols import PixelLoss

ENCODERS = ("own",)

GOOD_FOR = "Real time, with sharp borders: one branch of three looks for them."


class Config(PartConfig):
    """Widths, and the weights of equation 5: lambda 0 to 3 and the threshold t.

    `aux_weight` is of the head on the details, `border_weight` of the borders' own loss,
    `near_border_weight` of the loss where the border is surer than `border_threshold`.
    `border_radius_px` is how far from another class a pixel is border.
    """

    channels: int = Field(32, gt=0)
    context_channels: int = Field(96, gt=0)
    head_channels: int = Field(128, gt=0)
    aux_weight: float = Field(0.4, ge=0)
    border_weight: float = Field(20.0, ge=0)
    near_border_weight: float = Field(1.0, ge=0)
    border_threshold: float = Field(0.8, gt=0, lt=1)
    border_radius_px: int = Field(2, gt=0)


def build(config: Config, _encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """See `protocols.Arch`."""
    return PIDNet(config, in_channels, num_classes)


class Outputs(NamedTuple):
    """What the heads say in training, the two others at stride 8."""

    logits_BKHW: Tensor
    aux_BKhw: Tensor
    border_B1hw: Tensor


class PIDNet(nn.Module):
    """Figure 4 of the paper; p and d stay at stride 8, i falls to stride 64."""

    def __init__(self, config: Config, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.config = config
        c = config.channels
        self.stem = stem(in_channels, c)
        self.i3 = stage(basic, (2 * c, 4 * c), 3, stride=2)
        self.i4 = stage(basic, (4 * c, 8 * c), 3, stride=2)
        self.i5 = stage(bottleneck, (8 * c, 16 * c), 2, stride=2)
        self.p3, self.p4 = (stage(basic, (2 * c, 2 * c), 2) for _ in range(2))
        self.p5 = stage(bottleneck, (2 * c, 4 * c), 1)
        self.d3 = stage(basic, (2 * c, c), 1)
        self.d4 = stage(bottleneck, (c, 2 * c), 1)
        self.d5 = stage(bottleneck, (2 * c, 4 * c), 1)
        self.pick3, self.pick4 = Pick(4 * c, 2 * c), Pick(8 * c, 2 * c)
        self.difference3, self.difference4 = conv_norm(4 * c, c), conv_norm(8 * c, 2 * c)
        self.context = ParallelContext(16 * c, config.context_channels, 4 * c)
        zeros_first(self.i5)
        zeros_first(self.context)
        self.mix = Mix(4 * c)
        self.head = pre_normed_head(4 * c, config.head_channels, num_classes)
        self.aux_head = pre_normed_head(2 * c, config.head_channels, num_classes)
        self.border_head = pre_normed_head(2 * c, c, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor | Outputs:
        """Logits of shape (B, K, H, W); in training what `loss` reads."""
        x = self.stem(x_BCHW)
        i = relu(self.i3(x))
        p3 = self.pick3(self.p3(x), i)
        d = self.d3(x)
        d = d + to_size_of(self.difference3(i), d)
        i = relu(self.i4(i))
        p = self.pick4(self.p4(relu(p3)), i)
        d4 = self.d4(relu(d))
        d4 = d4 + to_size_of(self.difference4(i), d4)
        p, d = self.p5(relu(p)), self.d5(relu(d4))
        i = to_size_of(self.context(self.i5(i)), p)
        logits_BKHW = enlarged(self.head(self.mix(p, i, d)), 8)
        if not self.training:
            return logits_BKHW
        return Outputs(logits_BKHW, self.aux_head(p3), self.border_head(d4))

    def loss(self, outputs: Outputs, labels_BHW: Tensor, pixel_loss: PixelLoss) -> Tensor:
        """Equation 5, with the recipe's loss for the cross-entropy of the paper."""
        config = self.config
        like_B1HW = labels_BHW[:, None]
        border_logits_BHW = to_size_of(outputs.border_B1hw, like_B1HW)[:, 0]
        near_BHW = border_logits_BHW.detach().sigmoid() > config.border_threshold
        near_labels_BHW = labels_BHW.where(near_BHW, IGNORE)
        border_loss = balanced_border_loss(
            border_logits_BHW,
            borders(labels_BHW, config.border_radius_px),
            labels_BHW != IGNORE,
        )
        return (
            pixel_loss(outputs.logits_BKHW, labels_BHW)
            + config.aux_weight
            * pixel_loss(to_size_of(outputs.aux_BKhw, like_B1HW), labels_BHW)
            + config.border_weight * border_loss
            + config.near_border_weight * pixel_loss(outputs.logits_BKHW, near_labels_BHW)
        )


class Pick(nn.Module):
    """Details take of the context where the two agree; Pag, equations 2 and 3."""

    def __init__(self, context_channels: int, channels: int) -> None:
        super().__init__()
        self.compress = conv_norm(context_channels, channels, 1)
        self.of_details = conv_norm(channels, channels // 2, 1)
        self.of_context = conv_norm(channels, channels // 2, 1)

    def forward(self, p: Tensor, i: Tensor) -> Tensor:
        """Like `p`."""
        i = self.compress(i)
        agreement = self.of_details(p) * to_size_of(self.of_context(i), p)
        share_B1hw: Tensor = agreement.sum(1, keepdim=True).sigmoid()
        return (1 - share_B1hw) * p + share_B1hw * to_size_of(i, p)


class Mix(nn.Module):
    """Details count where there is a border, context elsewhere; Light-Bag, figure 6."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.details = conv_norm(channels, channels, 1)
        self.context = conv_norm(channels, channels, 1)

    def forward(self, p: Tensor, i: Tensor, d: Tensor) -> Tensor:
        """Like each of the three."""
        border = torch.sigmoid(d)
        mixed: Tensor = self.details((1 - border) * i + p) + self.context(i + border * p)
        return mixed
