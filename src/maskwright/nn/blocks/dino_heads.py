"""Heads that classify the tokens of a DINO transformer: a linear one, and DPT's."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from maskwright.nn.encoders import import_smp
from maskwright.nn.part_config import PartConfig

from .dino import TokenEncoder, pad_to_multiple
from .norm import Norm, replace_batch_norm

STAGES = 4
DPT_STRIDE = 16
"""Patch size passed to DPT: its grids are then 4, 2, 1 and 1/2 times that of the tokens."""


class HeadConfig(PartConfig):
    """The head and its input.

    `head`: "linear" normalises the last tokens and classifies each (section 7.4 of
    arXiv:2304.07193); "dpt" is the decoder of arXiv:2103.13413. `linear_layers`: how many of
    the last layers the linear head reads; 4 in the former paper's "+ms". `fusion_channels`
    and `stage_channels` are widths of the DPT head.
    """

    head: Literal["linear", "dpt"] = "linear"
    linear_layers: int = Field(1, ge=1, le=12)
    fusion_channels: int = Field(256, gt=0)
    stage_channels: tuple[int, int, int, int] = (256, 512, 1024, 1024)


def build_segmenter(encoder: TokenEncoder, config: HeadConfig, num_classes: int) -> nn.Module:
    """Encoder and head; the head scores each token, or with DPT an 8 times finer grid."""
    head = LinearHead if config.head == "linear" else DPTHead
    return DinoSegmenter(encoder, head(config, encoder, num_classes))


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
    """Batch normalisation and a linear layer on each token."""

    patches = 1
    """The grid of patches is a multiple of this number."""

    def __init__(self, config: HeadConfig, encoder: TokenEncoder, num_classes: int) -> None:
        super().__init__()
        self.stages = tuple(
            range(encoder.num_blocks - config.linear_layers, encoder.num_blocks)
        )
        width = config.linear_layers * encoder.width
        self.bn = Norm(width)
        self.conv_seg = nn.Conv2d(width, num_classes, 1)

    def forward(self, stages: list[tuple[Tensor, Tensor]]) -> Tensor:
        """(B, K, h, w), one value per token."""
        x_BChw = torch.cat([map_BChw for map_BChw, _ in stages], dim=1)
        logits_BKhw: Tensor = self.conv_seg(self.bn(x_BChw))
        return logits_BKhw


class DPTHead(nn.Module):
    """The library's DPT decoder on four stages; it halves the grid, which so must be even."""

    patches = 2
    """The grid of patches is a multiple of this number."""

    def __init__(self, config: HeadConfig, encoder: TokenEncoder, num_classes: int) -> None:
        super().__init__()
        import_smp()
        from segmentation_models_pytorch.base import initialization
        from segmentation_models_pytorch.decoders.dpt import decoder as library

        depth = encoder.num_blocks
        self.stages = tuple(depth * stage // STAGES - 1 for stage in range(1, STAGES + 1))
        self.decoder = library.DPTDecoder(
            encoder_out_channels=[encoder.width] * STAGES,
            encoder_output_strides=[DPT_STRIDE] * STAGES,
            intermediate_channels=config.stage_channels,
            fusion_channels=config.fusion_channels,
        )
        self.head = library.DPTSegmentationHead(config.fusion_channels, num_classes).head
        initialization.initialize_decoder(self.decoder)
        initialization.initialize_head(self.head)
        replace_batch_norm(self)

    def forward(self, stages: list[tuple[Tensor, Tensor]]) -> Tensor:
        """(B, K, 8 h, 8 w)."""
        maps, class_tokens = zip(*stages, strict=True)
        logits_BKhw: Tensor = self.head(self.decoder(list(maps), list(class_tokens)))
        return logits_BKhw
