"""Settings of the atrous pyramid of DeepLabv3 and v3+."""

from typing import Any, Literal

from pydantic import Field

from maskwright.nn.part_config import PartConfig

RATES = {16: (6, 12, 18), 8: (12, 24, 36)}
"""Dilation rates of the papers, by output stride."""


class AtrousConfig(PartConfig):
    """Stride of the coarsest features, width of the decoder, rates and dropout of the pyramid.

    `atrous_rates` None: those of the paper, 6, 12, 18 at stride 16 and twice these at 8.
    """

    output_stride: Literal[8, 16] = 16
    decoder_channels: int = Field(256, gt=0)
    atrous_rates: tuple[int, int, int] | None = None
    dropout: float = Field(0.1, ge=0, lt=1)

    def to_library(self) -> dict[str, Any]:
        """The same settings by the argument names of segmentation-models-pytorch."""
        return {
            "encoder_output_stride": self.output_stride,
            "decoder_channels": self.decoder_channels,
            "decoder_atrous_rates": self.atrous_rates or RATES[self.output_stride],
            "decoder_aspp_dropout": self.dropout,
        }
