"""DeepLabv3+, Chen et al. 2018 (arXiv:1802.02611): atrous pyramid and a stride-4 skip."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from maskwright.nn.blocks.conv import with_own_norms
from maskwright.nn.encoders import quiet_smp


class Config(BaseModel):
    """Stride of the coarsest features, width of the decoder, and rates of the pyramid."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    output_stride: Literal[8, 16] = 16
    decoder_channels: int = Field(256, gt=0)
    atrous_rates: tuple[int, int, int] = (12, 24, 36)


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """The contract of `nn.archs`."""
    smp = quiet_smp()
    network = smp.DeepLabV3Plus(
        encoder,
        encoder_weights=None,
        encoder_output_stride=config.output_stride,
        decoder_channels=config.decoder_channels,
        decoder_atrous_rates=config.atrous_rates,
        in_channels=in_channels,
        classes=num_classes,
    )
    return with_own_norms(network)  # the pyramid normalises a single value in a batch of 1
