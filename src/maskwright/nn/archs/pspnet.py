"""PSPNet, Zhao et al. 2017 (arXiv:1612.01105): features pooled over 1, 2, 3 and 6 bins."""

from typing import cast

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from maskwright.nn.blocks.pooling import RegionMean
from maskwright.nn.encoders import quiet_smp


class Config(BaseModel):
    """Width after the pyramid, and its spatial dropout."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    decoder_channels: int = 256
    dropout: float = 0.1


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """The contract of `nn.archs`; features of stride 8, as in the paper."""
    smp = quiet_smp()
    network = smp.PSPNet(
        encoder,
        encoder_weights=None,
        psp_out_channels=config.decoder_channels,
        psp_dropout=config.dropout,
        in_channels=in_channels,
        classes=num_classes,
    )
    blocks = network.decoder.psp.blocks
    for level, block in enumerate(blocks):
        blocks[level] = Level(block.pool_size, block.pool[1])
    return cast("nn.Module", network)


class Level(nn.Module):
    """One level of the pyramid: pooled, mixed, and enlarged again.

    In the library's place, whose forward takes another path while it is exported to ONNX, one
    that holds for the traced size only.
    """

    def __init__(self, bins: int, mix: nn.Module) -> None:
        super().__init__()
        self.pool = RegionMean(bins)
        self.mix = mix

    def forward(self, x_BChw: Tensor) -> Tensor:
        """(B, C / levels, h, w)."""
        pooled_BCbb = self.mix(self.pool(x_BChw))
        return torch.nn.functional.interpolate(
            pooled_BCbb, size=x_BChw.shape[-2:], mode="bilinear", align_corners=True
        )
