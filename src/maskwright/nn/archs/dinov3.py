"""DINOv3, Siméoni et al. 2025 (arXiv:2508.10104): its encoder with a linear or DPT head."""

from torch import nn

from maskwright.nn.blocks.dino3 import Dino3Encoder
from maskwright.nn.blocks.dino_heads import HeadConfig as Config
from maskwright.nn.blocks.dino_heads import build_segmenter

ENCODERS = (
    "vit_small_patch16_dinov3",
    "vit_small_plus_patch16_dinov3",
    "vit_base_patch16_dinov3",
    "vit_large_patch16_dinov3",
    "vit_huge_plus_patch16_dinov3",
    "vit_7b_patch16_dinov3",
)

GOOD_FOR = (
    "As dinov2, with sharper features at high resolution; weights under Meta's own licence."
)


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`); one score per token, with DPT 8 x 8."""
    dino = Dino3Encoder(encoder.removeprefix("tu-"), in_channels)
    return build_segmenter(dino, config, num_classes)
