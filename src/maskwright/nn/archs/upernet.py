"""UPerNet, Xiao et al. 2018 (arXiv:1807.10221): a pyramid of features over pooled context.

Dropout and the auxiliary head are mmsegmentation's, by which the network is published with
Swin and ConvNeXt.
"""

from itertools import pairwise
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from maskwright.nn.blocks.conv import conv_norm_relu
from maskwright.nn.blocks.heads import DeeplySupervised, dropout_head
from maskwright.nn.blocks.initialise import init_he
from maskwright.nn.blocks.library import build_library_network
from maskwright.nn.blocks.norm import MapLayerNorm, replace_batch_norm
from maskwright.nn.blocks.pooling import (
    BINS,
    AdaptiveMeanPool,
    mix_levels,
    pooling_levels,
)
from maskwright.nn.blocks.pyramid import pyramid_encoder, pyramid_maps, pyramid_widths
from maskwright.nn.blocks.resize import Enlarge, resize_like
from maskwright.nn.encoders import import_smp
from maskwright.nn.part_config import PartConfig
from maskwright.nn.published_recipe import PublishedRecipe

STRIDE = 4
AUX_CHANNELS = 256
GOOD_FOR = "Scenes of many classes; the usual decoder of large transformer encoders."

RECIPE = PublishedRecipe(
    source="Liu et al. 2021 (Swin), appendix A2.3",
    optimizer="adamw",
    lr=6e-5,
    batch_size=16,
    num_steps=160_000,
    weight_decay=0.01,
    warmup_ratio=1500 / 160_000,
    schedule="linear",
)
"""With a transformer as its encoder; Xiao et al. 2018 trained ResNets by SGD."""


class Config(PartConfig):
    """Width of the pyramid and of the features fused from it, dropout, auxiliary loss.

    In training, an auxiliary head on the map of stride 16 adds `aux_weight` times its loss;
    with 0 it is not built.
    """

    decoder_channels: int = Field(512, gt=0)
    dropout: float = Field(0.1, ge=0, lt=1)
    aux_weight: float = Field(0.4, ge=0)


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`); logits at stride 4, upsampled bilinearly."""
    network = pyramid_encoder(encoder, in_channels)
    replace_batch_norm(network)
    return UPerNet(config, network, num_classes)


def _build_first(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    network: Any = build_library_network(
        import_smp().UPerNet,
        encoder,
        in_channels,
        num_classes,
        decoder_channels=config.decoder_channels,
    )
    for block in network.decoder.psp.blocks:
        block[0] = AdaptiveMeanPool(block[0].output_size)
    module: nn.Module = network
    return module


REVISION = 2
"""2: no LayerNorm on maps of a ResNet; resizing without aligned corners; auxiliary head."""

OLDER = {1: _build_first}


class UPerNet(DeeplySupervised):
    """Encoder, pooled context, top-down pyramid and head; in training an auxiliary head."""

    def __init__(self, config: Config, encoder: Any, num_classes: int) -> None:
        super().__init__(config.aux_weight)
        self.enlarge = Enlarge(STRIDE)
        self.encoder: nn.Module = encoder
        *finer, before, last = widths = pyramid_widths(encoder)
        width = config.decoder_channels
        # maps of stride 4 on from a patch embedding, as of ConvNeXt: the reference norms each
        is_patch_encoder = encoder.out_channels[1] == 0
        self.norms = nn.ModuleList(
            MapLayerNorm(n) if is_patch_encoder else nn.Identity() for n in widths
        )
        self.levels = pooling_levels(last, width)
        self.context = conv_norm_relu(last + len(BINS) * width, width)
        self.lateral = nn.ModuleList(conv_norm_relu(n, width, 1) for n in (*finer, before))
        self.smooth = nn.ModuleList(conv_norm_relu(width, width) for _ in self.lateral)
        fused, dropout = len(widths) * width, nn.Dropout2d(config.dropout)
        self.head = dropout_head(fused, width, num_classes, dropout)
        for part in (self.levels, self.context, self.lateral, self.smooth, self.head):
            init_he(part)
        init_he(self.head[-1], slope=1)
        self.aux_head = None
        if config.aux_weight:
            dropout = nn.Dropout2d(config.dropout)
            self.aux_head = dropout_head(before, AUX_CHANNELS, num_classes, dropout)

    def forward(self, x_BCHW: Tensor) -> Any:
        """Logits; in training, also those of the auxiliary head, smaller."""
        maps = pyramid_maps(self.encoder(x_BCHW))
        *finer, last = (norm(x) for norm, x in zip(self.norms, maps, strict=True))
        levels = [lateral(x) for lateral, x in zip(self.lateral, finer, strict=True)]
        levels.append(mix_levels(self.context, self.levels, last))
        for low, high in pairwise(reversed(range(len(levels)))):
            levels[high] = levels[high] + resize_like(levels[low], levels[high])
        smoothed = [smooth(x) for smooth, x in zip(self.smooth, levels[:-1], strict=True)]
        finest, *coarser = [*smoothed, levels[-1]]
        fused = torch.cat([finest, *(resize_like(level, finest) for level in coarser)], 1)
        logits_BKHW: Tensor = self.enlarge(self.head(fused))
        if self.aux_head is None or not self.training:
            return logits_BKHW
        return [logits_BKHW, self.aux_head(finer[-1])]
