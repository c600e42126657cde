"""Feature pyramid with a semantic head, Kirillov et al. 2019 (arXiv:1901.02446), figure 3."""

from pydantic import Field
from torch import nn

from maskwright.nn.blocks.library import build_library_network
from maskwright.nn.encoders import import_smp
from maskwright.nn.part_config import PartConfig

GOOD_FOR = "Thin and small objects in limited time; the default of the plan."


class Config(PartConfig):
    """Widths of the pyramid and of the head that sums its levels, and spatial dropout.

    `decoder_channels` is a multiple of 32: the head is normalised in 32 groups.
    """

    pyramid_channels: int = Field(256, gt=0)
    decoder_channels: int = Field(128, gt=0, multiple_of=32)
    dropout: float = Field(0.1, ge=0, lt=1)


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`); logits at stride 4, upsampled bilinearly."""
    return build_library_network(
        import_smp().FPN,
        encoder,
        in_channels,
        num_classes,
        decoder_pyramid_channels=config.pyramid_channels,
        decoder_segmentation_channels=config.decoder_channels,
        decoder_dropout=config.dropout,
    )
