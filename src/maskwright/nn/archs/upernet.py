"""UPerNet, Xiao et al. 2018 (arXiv:1807.10221): a pyramid of features over pooled context."""

from typing import Any, cast

from pydantic import Field
from torch import nn

from maskwright.nn.blocks.library import build_library_network
from maskwright.nn.blocks.pooling import AdaptiveMeanPool
from maskwright.nn.encoders import import_smp
from maskwright.nn.part_config import PartConfig

GOOD_FOR = "Scenes of many classes; the usual decoder of large transformer encoders."


class Config(PartConfig):
    """Width of the pyramid and of the features fused from it."""

    decoder_channels: int = Field(512, gt=0)


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`); logits at stride 4, upsampled bilinearly."""
    network: Any = build_library_network(
        import_smp().UPerNet,
        encoder,
        in_channels,
        num_classes,
        decoder_channels=config.decoder_channels,
    )
    for block in network.decoder.psp.blocks:
        block[0] = AdaptiveMeanPool(block[0].output_size)
    return cast("nn.Module", network)
