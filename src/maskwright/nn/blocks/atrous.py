"""The atrous pyramid of DeepLabv3 and v3+, and its settings."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from maskwright.nn.part_config import PartConfig

from .conv import conv_norm_relu
from .pooling import global_mean
from .resize import resize_like

RATES = {16: (6, 12, 18), 8: (12, 24, 36)}
"""Dilation rates of the papers, by output stride."""


class AtrousConfig(PartConfig):
    """Stride of the coarsest features, width of the decoder, rates and dropout of the pyramid.

    `atrous_rates` None: those of the paper, 6, 12, 18 at stride 16 and twice these at 8. In
    training, an auxiliary head on the last but one stage adds `aux_weight` times its loss; with
    0 it is not built.
    """

    output_stride: Literal[8, 16] = 16
    decoder_channels: int = Field(256, gt=0)
    atrous_rates: tuple[int, int, int] | None = None
    dropout: float = Field(0.1, ge=0, lt=1)
    aux_weight: float = Field(0.4, ge=0)

    @property
    def rates(self) -> tuple[int, int, int]:
        """The dilation rates of the pyramid."""
        return self.atrous_rates or RATES[self.output_stride]

    def to_library(self) -> dict[str, Any]:
        """The same settings by the argument names of segmentation-models-pytorch."""
        return {
            "encoder_output_stride": self.output_stride,
            "decoder_channels": self.decoder_channels,
            "decoder_atrous_rates": self.rates,
            "decoder_aspp_dropout": self.dropout,
        }


class AtrousPyramid(nn.Module):
    """Features at several dilation rates and of the whole map, Chen et al. 2017, figure 5.

    Args:
        in_channels: Width of the encoder's last map.
        config: Width, rates and dropout.
        atrous_conv: `(in, out, dilation=rate)` to a normalised 3 x 3 convolution with a ReLU.
    """

    def __init__(
        self,
        in_channels: int,
        config: AtrousConfig,
        atrous_conv: Callable[..., nn.Module] = conv_norm_relu,
    ) -> None:
        super().__init__()
        width = config.decoder_channels
        self.branches = nn.ModuleList(
            [
                conv_norm_relu(in_channels, width, 1),
                *(atrous_conv(in_channels, width, dilation=rate) for rate in config.rates),
            ]
        )
        self.pooled = conv_norm_relu(in_channels, width, 1)
        self.project = conv_norm_relu(5 * width, width, 1).append(nn.Dropout(config.dropout))

    def forward(self, x_BChw: Tensor) -> Tensor:
        """(B, decoder_channels, h, w)."""
        pooled_BChw = resize_like(self.pooled(global_mean(x_BChw)), x_BChw)
        levels = [branch(x_BChw) for branch in self.branches]
        projected: Tensor = self.project(torch.cat([*levels, pooled_BChw], 1))
        return projected
