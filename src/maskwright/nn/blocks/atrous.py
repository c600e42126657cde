"""The atrous pyramid of DeepLabv3 and v3+ in the library's words."""

from typing import Any, Literal

from pydantic import Field

from maskwright.nn.part_config import PartConfig

RATES = {16: (6, 12, 18), 8: (12, 24, 36)}
"""Of the papers, by output stride."""


class AtrousConfig(PartConfig):
    """Stride of the coarsest features, width of the decoder, rates and dropout of the pyramid.

    Rates left out are those of the paper for the stride: 6, 12, 18 at 16, twice these at 8.
    """

    output_stride: Literal[8, 16] = 16
    decoder_channels: int = Field(256, gt=0)
    atrous_rates: tuple[int, int, int] | None = None
    dropout: float = Field(0.1, ge=0, lt=1)

    def choices(self) -> dict[str, Any]:
        """What the library calls them."""
        return {
            "encoder_output_stride": self.output_stride,
            "decoder_channels": self.decoder_channels,
            "decoder_atrous_rates": self.atrous_rates or RATES[self.output_stride],
            "decoder_aspp_dropout": self.dropout,
        }
