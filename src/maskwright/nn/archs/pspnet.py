"""PSPNet, Zhao et al. 2017 (arXiv:1612.01105): features pooled over 1, 2, 3 and 6 bins."""

from collections.abc import Callable
from typing import Any, Literal, cast

from pydantic import Field
from torch import Tensor, nn

from maskwright.nn.blocks.dilation import build_encoder
from maskwright.nn.blocks.heads import DeeplySupervised, aux_head, dropout_head
from maskwright.nn.blocks.library import library_encoder
from maskwright.nn.blocks.norm import replace_batch_norm
from maskwright.nn.blocks.pooling import BINS, mix_levels, pooling_levels
from maskwright.nn.blocks.resize import Enlarge
from maskwright.nn.part_config import PartConfig
from maskwright.nn.published_recipe import PublishedRecipe

STRIDE = 8

GOOD_FOR = "Scenes with large regions; thin objects are lost at stride 8."

RECIPE = PublishedRecipe(
    source="Zhao et al. 2017, section 5.1",
    optimizer="sgd",
    lr=0.01,
    batch_size=16,
    num_steps=150_000,
    weight_decay=1e-4,
)
"""The number of steps was not checked against a source.

In the authors' later code, hszhao/semseg, the heads learn ten times as fast.
"""


class Config(PartConfig):
    """Stages of the encoder, width after the pyramid, its dropout, and the auxiliary loss.

    With `encoder_depth` 5 the last stages are dilated and keep stride 8, as in the paper; with
    3 the encoder ends at stride 8, which is light and needs no dilation. In training, an
    auxiliary head on the last but one stage adds `aux_weight` times its loss; with 0 it is not
    built.
    """

    encoder_depth: Literal[3, 5] = 5
    decoder_channels: int = Field(512, gt=0)
    dropout: float = Field(0.1, ge=0, lt=1)
    aux_weight: float = Field(0.4, ge=0)


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`); logits at stride 8, upsampled bilinearly."""
    return _build_on(build_encoder, config, (encoder, in_channels), num_classes)


def _build_older(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    return _build_on(library_encoder, config, (encoder, in_channels), num_classes)


def _build_on(
    get_encoder: Callable[..., Any], config: Config, encoder: tuple[str, int], num_classes: int
) -> nn.Module:
    stride = STRIDE if config.encoder_depth > 3 else 32
    made = get_encoder(*encoder, depth=config.encoder_depth, output_stride=stride)
    replace_batch_norm(made)
    return PSPNet(config, made, num_classes)


REVISION = 2
"""2: the encoder is dilated so that pretrained features keep their values."""

OLDER = {1: _build_older}


class PSPNet(DeeplySupervised):
    """Encoder, pyramid pooling and head; in training an auxiliary head."""

    def __init__(self, config: Config, encoder: Any, num_classes: int) -> None:
        super().__init__(config.aux_weight)
        self.enlarge = Enlarge(STRIDE)
        self.encoder: nn.Module = encoder
        *_, before, last = encoder.out_channels
        width = max(1, last // len(BINS))
        self.levels = pooling_levels(last, width)
        self.head = dropout_head(
            last + width * len(BINS),
            config.decoder_channels,
            num_classes,
            nn.Dropout2d(config.dropout),
        )
        self.aux_head = aux_head(before, num_classes) if config.aux_weight else None

    def forward(self, x_BCHW: Tensor) -> Any:
        """Logits; in training, also those of the auxiliary head, smaller."""
        *_, before, last = self.encoder(x_BCHW)
        mix, drop, classify = self.head
        mixed = mix_levels(cast("nn.Sequential", mix), self.levels, last)
        logits_BKHW: Tensor = self.enlarge(classify(drop(mixed)))
        if self.aux_head is None or not self.training:
            return logits_BKHW
        return [logits_BKHW, self.aux_head(before)]
