"""Heads that classify the tokens of a DINO transformer: a linear one, and DPT's."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from maskwright.nn.part_config import PartConfig

from .dino import TokenEncoder, pad_to_multiple
from .dpt import (
    NUM_STAGES,
    DPTDecoder,
    StageWidths,
    dpt_scores,
    restore_first_revision,
    stage_widths,
)
from .initialise import init_scores
from .norm import Norm

FIRST_WIDTHS = (256, 512, 1024, 1024)
"""`stage_channels` of revision 1, whatever the encoder."""


class HeadConfig(PartConfig):
    """The head and its input.

    `head`: "linear" normalises the last tokens and classifies each (section 7.4 of
    arXiv:2304.07193); "dpt" is the decoder of arXiv:2103.13413. `linear_layers`: how many of
    the last layers the linear head reads; 4 in the former paper's "+ms". `dropout`: share of
    the linear head's channels that are dropped in training; 0 in DINOv2's code, 0.1 in
    DINOv3's. `fusion_channels` and `stage_channels` are widths of the DPT head; None: 1/8, 1/4,
    1/2 and 1 times the encoder's, as in DINOv2's code.
    """

    head: Literal["linear", "dpt"] = "linear"
    linear_layers: int = Field(1, ge=1, le=12)
    dropout: float = Field(0.0, ge=0, lt=1)
    fusion_channels: int = Field(256, gt=0)
    stage_channels: StageWidths | None = None


def build_segmenter(
    encoder: TokenEncoder, config: HeadConfig, num_classes: int
) -> "DinoSegmenter":
    """Encoder and head; the head scores each token, or with DPT an 8 times finer grid."""
    head = LinearHead if config.head == "linear" else DPTHead
    return DinoSegmenter(encoder, head(config, encoder, num_classes))


def build_first_segmenter(
    encoder: TokenEncoder, config: HeadConfig, num_classes: int
) -> "DinoSegmenter":
    """Revision 1: the DPT head had the widths of a large encoder for all."""
    widths = config.stage_channels or FIRST_WIDTHS
    config = config.model_copy(update={"stage_channels": widths})
    network = build_segmenter(encoder, config, num_classes)
    if isinstance(network.head, DPTHead):
        restore_first_revision(network.head.decoder)
    return network


class DinoSegmenter(nn.Module):
    """Encoder and head; pads the image to whole patches and crops the logits."""

    def __init__(self, encoder: TokenEncoder, head: "LinearHead | DPTHead") -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, K, H, W)."""
        height, width = x_BCHW.shape[-2:]
        padded_BCHW = pad_to_multiple(x_BCHW, self.head.patches * self.encoder.patch_px)
        logits_BKhw = self.head(self.encoder(padded_BCHW, self.head.stages))
        logits_BKHW = nn.functional.interpolate(
            logits_BKhw, padded_BCHW.shape[-2:], mode="bilinear", align_corners=False
        )
        return logits_BKHW[:, :, :height, :width]


class LinearHead(nn.Module):
    """Batch normalisation and a linear layer on each token, initialised as by the authors."""

    patches = 1
    """The grid of patches is a multiple of this number."""

    def __init__(self, config: HeadConfig, encoder: TokenEncoder, num_classes: int) -> None:
        super().__init__()
        self.stages = tuple(
            range(encoder.num_blocks - config.linear_layers, encoder.num_blocks)
        )
        width = config.linear_layers * encoder.width
        self.dropout = nn.Dropout2d(config.dropout)
        self.bn = Norm(width)
        self.conv_seg = nn.Conv2d(width, num_classes, 1)
        init_scores(self.conv_seg, 0.01)

    def forward(self, stages: list[tuple[Tensor, Tensor]]) -> Tensor:
        """(B, K, h, w), one value per token."""
        x_BChw = torch.cat([map_BChw for map_BChw, _ in stages], dim=1)
        logits_BKhw: Tensor = self.conv_seg(self.bn(self.dropout(x_BChw)))
        return logits_BKhw


class DPTHead(nn.Module):
    """DPT's decoder on four stages; it halves the grid, which so must be even."""

    patches = 2
    """The grid of patches is a multiple of this number."""

    def __init__(self, config: HeadConfig, encoder: TokenEncoder, num_classes: int) -> None:
        super().__init__()
        depth = encoder.num_blocks
        self.stages = tuple(
            depth * stage // NUM_STAGES - 1 for stage in range(1, NUM_STAGES + 1)
        )
        widths = config.stage_channels or stage_widths(encoder.width)
        self.decoder = DPTDecoder(encoder.width, widths, config.fusion_channels)
        self.head = dpt_scores(config.fusion_channels, num_classes)

    def forward(self, stages: list[tuple[Tensor, Tensor]]) -> Tensor:
        """(B, K, 8 h, 8 w)."""
        logits_BKhw: Tensor = self.head(self.decoder(stages)[-1])
        return logits_BKhw
