"""STDC-Seg, Fan et al. 2021 (arXiv:2104.13188): short dense blocks and a detail head."""

from typing import Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, interpolate, pad

from maskwright.core.labels import IGNORE
from maskwright.nn.blocks.borders import border_overlap_loss
from maskwright.nn.blocks.conv import conv_norm, conv_norm_relu
from maskwright.nn.blocks.heads import score_head, sum_head_losses
from maskwright.nn.blocks.initialise import init_he
from maskwright.nn.blocks.pooling import global_mean
from maskwright.nn.blocks.resize import Enlarge, resize_like
from maskwright.nn.part_config import PartConfig
from maskwright.nn.protocols import PixelLoss
from maskwright.nn.published_recipe import PublishedRecipe

ENCODERS = ("own",)
NUM_BLOCKS = {"stdc1": (2, 2, 2), "stdc2": (4, 5, 3)}
STAGE_CHANNELS = (256, 512, 1024)
CONTEXT = 128
DETAIL_SHARES = ((1, 0.6), (2, 0.3), (4, 0.1))
"""Stride of a map of details and its weight in the truth of the detail head (section 3.3)."""

GOOD_FOR = "Real time; borders by a loss in training instead of a branch."

RECIPE = PublishedRecipe(
    source="Fan et al. 2021, section 4.1, and train.py of the authors",
    optimizer="sgd",
    lr=0.01,
    batch_size=48,
    num_steps=60_000,
    weight_decay=5e-4,
    warmup_ratio=1000 / 60_000,
    loss="ohem",
)
"""The authors' heads learn ten times as fast, which no key of a recipe says."""


class Config(PartConfig):
    """Backbone (the paper has two), width of the head, and weights of the auxiliary losses.

    In training, there are two auxiliary heads at strides 8 and 16 (`aux_weight`) and a detail
    head (`detail_weight`).
    """

    backbone: Literal["stdc1", "stdc2"] = "stdc1"
    head_channels: int = Field(256, gt=0)
    aux_weight: float = Field(1.0, ge=0)
    detail_weight: float = Field(1.0, ge=0)


def build(config: Config, _encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`)."""
    return STDC(config, in_channels, num_classes)


class STDCOutputs(NamedTuple):
    """Logits of the heads in training; all but the first at stride 8 or 16."""

    logits_BKHW: Tensor
    aux_BKhw: tuple[Tensor, Tensor]
    detail_B1hw: Tensor


class STDC(nn.Module):
    """Figure 4 of the paper."""

    def __init__(self, config: Config, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.enlarge = Enlarge(8)
        self.config = config
        self.stem = nn.Sequential(
            conv_norm_relu(in_channels, 32, stride=2), conv_norm_relu(32, 64, stride=2)
        )
        widths = zip((64, *STAGE_CHANNELS), STAGE_CHANNELS, strict=False)
        depths = NUM_BLOCKS[config.backbone]
        self.stages = nn.ModuleList(
            _stage(before, after, depth)
            for (before, after), depth in zip(widths, depths, strict=True)
        )
        self.context = ContextPath()
        self.fuse = FeatureFusion(STAGE_CHANNELS[0] + CONTEXT, 256)
        self.head = score_head(256, config.head_channels, num_classes)
        self.aux_heads = nn.ModuleList(score_head(CONTEXT, 64, num_classes) for _ in range(2))
        self.detail_head = score_head(STAGE_CHANNELS[0], 64, 1)
        # as the authors: the backbone by other rules than the rest
        init_he(self, slope=1)
        for part in (self.stem, self.stages):
            init_he(part, mode="fan_out")

    def forward(self, x_BCHW: Tensor) -> Tensor | STDCOutputs:
        """Logits (B, K, H, W); in training, the outputs that `loss` reads."""
        eighth = self.stages[0](self.stem(x_BCHW))
        sixteenth = self.stages[1](eighth)
        context8, context16 = self.context(eighth, sixteenth, self.stages[2](sixteenth))
        fused = self.fuse(torch.cat([eighth, context8], 1))
        logits_BKHW: Tensor = self.enlarge(self.head(fused))
        if not self.training:
            return logits_BKHW
        aux = (self.aux_heads[0](context8), self.aux_heads[1](context16))
        return STDCOutputs(logits_BKHW, aux, self.detail_head(eighth))

    def loss(self, outputs: STDCOutputs, labels_BHW: Tensor, pixel_loss: PixelLoss) -> Tensor:
        """The recipe's loss of all logits, plus cross-entropy and Dice of the details."""
        scores = (outputs.logits_BKHW, *outputs.aux_BKhw)
        detail_BHW = resize_like(outputs.detail_B1hw, labels_BHW[:, None])[:, 0]
        detail_loss = border_overlap_loss(
            detail_BHW, detail_map(labels_BHW), labels_BHW != IGNORE
        )
        return (
            sum_head_losses(scores, labels_BHW, pixel_loss, self.config.aux_weight)
            + self.config.detail_weight * detail_loss
        )


def detail_map(labels_BHW: Tensor) -> Tensor:
    """1.0 where the weighted details of strides 1, 2 and 4 exceed a tenth, float32; eq. 6.

    A pixel is a detail of a stride where the Laplacian of the class indices is positive, as in
    the authors' code: its class has a higher index than those around it, and beyond the image
    all indices are 0. Pixels labelled IGNORE are no details, and count as equal to the pixel
    beside them.
    """
    size_HW = labels_BHW.shape[-2:]
    total_B1HW = labels_BHW.new_zeros(len(labels_BHW), 1, *size_HW, dtype=torch.float32)
    for stride, share in DETAIL_SHARES:
        total_B1HW += share * interpolate(_laplacian_details(labels_BHW, stride), size_HW)
    # the sum is 0, 0.1, 0.3 ...: 0.15 is between, whatever the rounding
    return (total_B1HW > 0.15)[:, 0].float()


def _laplacian_details(labels_BHW: Tensor, stride: int) -> Tensor:
    """1.0 at details (B, 1, H / stride, W / stride)."""
    valid_B1HW = (labels_BHW != IGNORE)[:, None].float()
    class_B1HW = labels_BHW[:, None].float() * valid_B1HW
    ring_1133 = torch.ones(1, 1, 3, 3, device=labels_BHW.device)
    ring_1133[..., 1, 1] = 0
    sum_B1hw = conv2d(pad(class_B1HW, (1, 1, 1, 1)), ring_1133, stride=stride)
    count_B1hw = conv2d(pad(valid_B1HW, (1, 1, 1, 1), value=1.0), ring_1133, stride=stride)
    centre_B1hw, known_B1hw = (x[..., ::stride, ::stride] for x in (class_B1HW, valid_B1HW))
    return ((count_B1hw * centre_B1hw > sum_B1hw) * known_B1hw).float()


class ShortDense(nn.Module):
    """Four convolutions of decreasing width, concatenated; figure 3."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        half, quarter, eighth = (out_channels // n for n in (2, 4, 8))
        self.stride = stride
        self.first = conv_norm_relu(in_channels, half, 1)
        self.shrink = conv_norm(half, half, stride=2, groups=half) if stride == 2 else None
        self.rest = nn.ModuleList(
            [
                conv_norm_relu(half, quarter),
                conv_norm_relu(quarter, eighth),
                conv_norm_relu(eighth, eighth),
            ]
        )

    def forward(self, x_BChw: Tensor) -> Tensor:
        """(B, out, h / stride, w / stride)."""
        first = self.first(x_BChw)
        x, maps = first, [first]
        if self.shrink is not None:
            x, maps = self.shrink(first), [avg_pool2d(first, 3, 2, 1)]
        for layer in self.rest:
            x = layer(x)
            maps.append(x)
        return torch.cat(maps, 1)


class ContextPath(nn.Module):
    """Context path of BiSeNet, stride 32 up to 8: each level is gated by its own mean."""

    def __init__(self) -> None:
        super().__init__()
        _, c16, c32 = STAGE_CHANNELS
        self.mean = conv_norm_relu(c32, CONTEXT, 1)
        self.refine16, self.refine32 = AttentionRefinement(c16), AttentionRefinement(c32)
        self.smooth16, self.smooth32 = (conv_norm_relu(CONTEXT, CONTEXT) for _ in range(2))

    def forward(self, eighth: Tensor, sixteenth: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """Maps of 128 channels at strides 8 and 16."""
        x = self.refine32(last) + self.mean(global_mean(last))
        context16 = self.smooth32(interpolate(x, sixteenth.shape[-2:]))
        x = self.refine16(sixteenth) + context16
        return self.smooth16(interpolate(x, eighth.shape[-2:])), context16


class AttentionRefinement(nn.Module):
    """Convolution whose channels are gated by their means (attention refinement)."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.body = conv_norm_relu(in_channels, CONTEXT)
        self.gate = conv_norm(CONTEXT, CONTEXT, 1)

    def forward(self, x_BChw: Tensor) -> Tensor:
        """(B, 128, h, w)."""
        x = self.body(x_BChw)
        refined: Tensor = x * self.gate(global_mean(x)).sigmoid()
        return refined


class FeatureFusion(nn.Module):
    """Details and context, projected and gated by their means (feature fusion)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        narrow = out_channels // 4
        self.mix = conv_norm_relu(in_channels, out_channels, 1)
        self.gate = nn.Sequential(
            nn.Conv2d(out_channels, narrow, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(narrow, out_channels, 1, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x_BChw: Tensor) -> Tensor:
        """(B, out, h, w)."""
        x = self.mix(x_BChw)
        fused: Tensor = x + x * self.gate(global_mean(x))
        return fused


def _stage(in_channels: int, out_channels: int, num_blocks: int) -> nn.Sequential:
    blocks = (ShortDense(out_channels, out_channels, 1) for _ in range(num_blocks - 1))
    return nn.Sequential(ShortDense(in_channels, out_channels, 2), *blocks)
