"""DINOv2, Oquab et al. 2023 (arXiv:2304.07193): its encoder with a linear or a DPT head."""

from torch import nn

from maskwright.nn.blocks.dino import DinoEncoder
from maskwright.nn.blocks.dino_heads import HeadConfig as Config
from maskwright.nn.blocks.dino_heads import build_first_segmenter, build_segmenter
from maskwright.nn.published_recipe import PublishedRecipe

ENCODERS = (
    "vit_small_patch14_dinov2",
    "vit_base_patch14_dinov2",
    "vit_large_patch14_dinov2",
    "vit_giant_patch14_dinov2",
    "vit_small_patch14_reg4_dinov2",
    "vit_base_patch14_reg4_dinov2",
    "vit_large_patch14_reg4_dinov2",
    "vit_giant_patch14_reg4_dinov2",
)

GOOD_FOR = "Few labelled images: its encoder's weights, learned without labels, already fit."
RECIPE = PublishedRecipe(
    source="Oquab et al. 2023, section 7.4, and the linear configuration for ADE20K",
    optimizer="adamw",
    lr=0.001,
    freezes_encoder=True,
    batch_size=16,
    num_steps=40_000,
    weight_decay=1e-4,
    warmup_ratio=1500 / 40_000,
    schedule="linear",
)
"""The numbers were not checked against a source."""

REVISION = 2


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`); one score per token, with DPT 8 x 8."""
    dino = DinoEncoder(encoder.removeprefix("tu-"), in_channels)
    return build_segmenter(dino, config, num_classes)


def _build_first(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Revision 1, whose DPT head was another."""
    dino = DinoEncoder(encoder.removeprefix("tu-"), in_channels)
    return build_first_segmenter(dino, config, num_classes)


OLDER = {1: _build_first}
