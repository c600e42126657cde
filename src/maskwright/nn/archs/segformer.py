"""SegFormer's all-MLP decoder, Xie et al. 2021 (arXiv:2105.15203), on any encoder.

With the encoders mit_b0 ... mit_b5 it is the paper's network SegFormer-B0 ... B5.
"""

from pydantic import Field
from torch import nn

from maskwright.nn.blocks.library import build_library_network
from maskwright.nn.encoders import import_smp
from maskwright.nn.part_config import PartConfig

WIDE = ("mit_b2", "mit_b3", "mit_b4", "mit_b5")

GOOD_FOR = "Scenes of many scales, at few parameters."


class Config(PartConfig):
    """Width of the unified features; None: 768 for mit_b2 to mit_b5, else 256."""

    decoder_channels: int | None = Field(None, gt=0)


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`); logits at stride 4, upsampled bilinearly."""
    return build_library_network(
        import_smp().Segformer,
        encoder,
        in_channels,
        num_classes,
        decoder_segmentation_channels=config.decoder_channels
        or (768 if encoder in WIDE else 256),
    )
