"""DeepLabv3, Chen et al. 2017 (arXiv:1706.05587): atrous pyramid with image-level features."""

from typing import Literal, cast

from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from maskwright.nn.blocks.lone_norm import bear_lone_values
from maskwright.nn.encoders import quiet_smp

RATES = {16: (6, 12, 18), 8: (12, 24, 36)}
"""Of the paper, by output stride."""

GOOD_FOR = "Large context, where thin things matter little."


class Config(BaseModel):
    """Stride of the coarsest features, width of the pyramid, its rates and its dropout.

    Rates left out are those of the paper for the stride: 6, 12, 18 at 16, twice these at 8.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    output_stride: Literal[8, 16] = 16
    decoder_channels: int = Field(256, gt=0)
    atrous_rates: tuple[int, int, int] | None = None
    dropout: float = Field(0.1, ge=0, lt=1)


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """The contract of `nn.archs`."""
    smp = quiet_smp()
    network = smp.DeepLabV3(
        encoder,
        encoder_weights=None,
        encoder_output_stride=config.output_stride,
        decoder_channels=config.decoder_channels,
        decoder_atrous_rates=config.atrous_rates or RATES[config.output_stride],
        decoder_aspp_dropout=config.dropout,
        in_channels=in_channels,
        classes=num_classes,
    )
    bear_lone_values(network)
    return cast("nn.Module", network)
