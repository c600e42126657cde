"""PSPNet, Zhao et al. 2017 (arXiv:1612.01105): features pooled over 1, 2, 3 and 6 bins."""

from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from maskwright.nn.blocks.aux_head import aux_head
from maskwright.nn.blocks.conv import conv_norm_relu
from maskwright.nn.blocks.deep_supervision import PixelLoss, summed_loss
from maskwright.nn.blocks.lone_norm import bear_lone_values
from maskwright.nn.blocks.pooling import RegionMean
from maskwright.nn.blocks.resize import enlarged, to_size_of
from maskwright.nn.encoders import quiet_smp

STRIDE = 8
BINS = (1, 2, 3, 6)

GOOD_FOR = "Scenes with large regions; thin things get lost at stride 8."


class Config(BaseModel):
    """Stages of the encoder, width after the pyramid, its dropout, and the auxiliary loss.

    With `encoder_depth` 5 the last stages are dilated and keep stride 8, as in the paper; 3
    ends the encoder there, which is light, and works for encoders that cannot be dilated.
    `aux_weight` is that of a head on the last stage but one, in training; 0 leaves it away.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    encoder_depth: Literal[3, 5] = 5
    decoder_channels: int = Field(512, gt=0)
    dropout: float = Field(0.1, ge=0, lt=1)
    aux_weight: float = Field(0.4, ge=0)


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """The contract of `nn.archs`; logits at stride 8, enlarged bilinearly."""
    network = quiet_smp().encoders.get_encoder(
        encoder,
        in_channels=in_channels,
        depth=config.encoder_depth,
        output_stride=STRIDE if config.encoder_depth > 3 else 32,
    )
    bear_lone_values(network)
    return PSPNet(config, network, num_classes)


class PSPNet(nn.Module):
    """Encoder, pyramid, scores; and scores of the last stage but one, to train by."""

    def __init__(self, config: Config, encoder: Any, num_classes: int) -> None:
        super().__init__()
        self.encoder: nn.Module = encoder
        *_, before, last = encoder.out_channels
        width = max(1, last // len(BINS))
        self.levels = nn.ModuleList(
            nn.Sequential(RegionMean(bins), conv_norm_relu(last, width, 1)) for bins in BINS
        )
        self.head = nn.Sequential(
            conv_norm_relu(last + width * len(BINS), config.decoder_channels),
            nn.Dropout2d(config.dropout),
            nn.Conv2d(config.decoder_channels, num_classes, 1),
        )
        self.aux_weight = config.aux_weight
        self.aux_head = aux_head(before, num_classes) if config.aux_weight else None

    def forward(self, x_BCHW: Tensor) -> Any:
        """Logits; in training, also those of the auxiliary head at their own size."""
        *_, before, last = self.encoder(x_BCHW)
        pooled = [to_size_of(level(last), last) for level in self.levels]
        logits_BKHW = enlarged(self.head(torch.cat([last, *pooled], 1)), STRIDE)
        if self.aux_head is None or not self.training:
            return logits_BKHW
        return [logits_BKHW, self.aux_head(before)]

    def loss(self, outputs: list[Tensor], labels_BHW: Tensor, pixel_loss: PixelLoss) -> Tensor:
        """The recipe's loss, plus `aux_weight` times that of the auxiliary head."""
        return summed_loss(outputs, labels_BHW, pixel_loss, self.aux_weight)
