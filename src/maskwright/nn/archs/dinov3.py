"""DINOv3, Siméoni et al. 2025 (arXiv:2508.10104): its encoder with a linear or DPT head."""

from pydantic import Field
from torch import nn

from maskwright.nn.blocks.dino3 import Dino3Encoder
from maskwright.nn.blocks.dino_heads import (
    HeadConfig,
    build_first_segmenter,
    build_segmenter,
)
from maskwright.nn.published_recipe import PublishedRecipe

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
RECIPE = PublishedRecipe(
    source="Siméoni et al. 2025, config-ade20k-linear-training.yaml of the authors",
    optimizer="adamw",
    lr=0.001,
    freezes_encoder=True,
    batch_size=16,
    num_steps=40_000,
    weight_decay=0.001,
    warmup_ratio=1500 / 40_000,
    schedule="cosine",
)

REVISION = 2


class Config(HeadConfig):
    """As of dinov2, with dropout in the linear head, as in the authors' code."""

    dropout: float = Field(0.1, ge=0, lt=1)


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`); one score per token, with DPT 8 x 8."""
    dino = Dino3Encoder(encoder.removeprefix("tu-"), in_channels)
    return build_segmenter(dino, config, num_classes)


def _build_first(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Revision 1, whose DPT head was another."""
    dino = Dino3Encoder(encoder.removeprefix("tu-"), in_channels)
    return build_first_segmenter(dino, config, num_classes)


OLDER = {1: _build_first}
