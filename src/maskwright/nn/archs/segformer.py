"""SegFormer's all-MLP decoder, Xie et al. 2021 (arXiv:2105.15203), on any encoder.

With the encoders mit_b0 ... mit_b5 it is the paper's network.
"""

from typing import cast

from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from maskwright.nn.encoders import quiet_smp


class Config(BaseModel):
    """Width of the unified features: 256 in the paper for B0 and B1, 768 above."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    decoder_channels: int = Field(256, gt=0)


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """The contract of `nn.archs`."""
    smp = quiet_smp()
    network = smp.Segformer(
        encoder,
        encoder_weights=None,
        decoder_segmentation_channels=config.decoder_channels,
        in_channels=in_channels,
        classes=num_classes,
    )
    return cast("nn.Module", network)
