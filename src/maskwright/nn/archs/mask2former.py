"""Mask2Former, Cheng et al. 2022 (arXiv:2112.01527): queries that attend within their masks.

Trained for classes by its own set loss, which takes the place of the recipe's pixel loss.
"""

from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.nn.blocks.attention import Attention, perceptron, sine_position, xavier
from maskwright.nn.blocks.deformable import DeformableLayer
from maskwright.nn.blocks.norm import replace_batch_norm
from maskwright.nn.blocks.pyramid import pyramid_encoder, pyramid_maps, pyramid_widths
from maskwright.nn.blocks.resize import to_size_of
from maskwright.nn.blocks.set_loss import (
    PointLossConfig,
    Queries,
    QueryNetwork,
    SetLoss,
    class_logits,
)

GOOD_FOR = "The most accurate masks, where there is a GPU and time to train."

NUM_LEVELS = 3
"""Of strides 32, 16 and 8, which decoder layers attend to in turn; stride 4 makes the masks."""
NUM_GROUPS = 32
NUM_HEADS = 8


class Config(PointLossConfig):
    """Sizes of the two decoders, and the weights and points of the set loss.

    `decoder_channels` is a multiple of 32.
    """

    num_queries: int = Field(100, gt=0)
    pixel_layers: int = Field(6, gt=0)
    query_layers: int = Field(9, gt=0)
    decoder_channels: int = Field(256, gt=0, multiple_of=32)


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """See `protocols.Arch`; masks of stride 4."""
    network = Mask2Former(config, pyramid_encoder(encoder, in_channels), num_classes)
    replace_batch_norm(network)
    return network


class Mask2Former(QueryNetwork):
    """Encoder, pixel decoder, query decoder."""

    def __init__(self, config: Config, encoder: nn.Module, num_classes: int) -> None:
        super().__init__(SetLoss.of(config))
        self.encoder = encoder
        widths = pyramid_widths(encoder)
        self.pixel_decoder = PixelDecoder(config, widths)
        self.query_decoder = QueryDecoder(config, num_classes)

    def forward(self, x_BCHW: Tensor) -> Any:
        """Logits of the classes; in training the queries of all layers, the last first."""
        levels, masks_BChw = self.pixel_decoder(pyramid_maps(self.encoder(x_BCHW)))
        layers = self.query_decoder(levels, masks_BChw)
        return layers[::-1] if self.training else class_logits(layers[-1], 4)


class PixelDecoder(nn.Module):
    """Deformable attention over strides 32, 16 and 8, and from there one step to stride 4."""

    def __init__(self, config: Config, widths: list[int]) -> None:
        super().__init__()
        width = config.decoder_channels
        self.level_embed = nn.Parameter(torch.randn(NUM_LEVELS, width))
        self.input_projections = nn.ModuleList(
            _projected(channels, width, bias=True) for channels in widths[:0:-1]
        )
        self.layers = nn.ModuleList(
            DeformableLayer(width, NUM_HEADS, NUM_LEVELS, inner=4 * width)
            for _ in range(config.pixel_layers)
        )
        self.adapter = _projected(widths[0], width, bias=False)
        self.layer = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.GroupNorm(NUM_GROUPS, width),
            nn.ReLU(),
        )
        self.mask_projection = nn.Conv2d(width, width, 1)

    def forward(self, features: list[Tensor]) -> tuple[list[Tensor], Tensor]:
        """Maps (B, C, h, w) of strides 32, 16 and 8, and one of stride 4 for the masks."""
        finest, *coarser = features
        maps = [p(x) for p, x in zip(self.input_projections, coarser[::-1], strict=True)]
        sizes = [(x_BChw.shape[2], x_BChw.shape[3]) for x_BChw in maps]
        x_BNC = torch.cat([x_BChw.flatten(2).transpose(1, 2) for x_BChw in maps], dim=1)
        embedded = zip(maps, self.level_embed, strict=True)
        position_NC = torch.cat([sine_position(x, len(e)).to(e) + e for x, e in embedded])
        for layer in self.layers:
            x_BNC = layer(x_BNC, position_NC, sizes)
        levels, start = [], 0
        for height, width in sizes:
            level_BnC = x_BNC[:, start : start + height * width]
            levels.append(torch.unflatten(level_BnC.transpose(1, 2), 2, (height, width)))
            start += height * width
        adapted_BChw = self.adapter(finest)
        finest_BChw = self.layer(adapted_BChw + to_size_of(levels[-1], adapted_BChw))
        return levels, self.mask_projection(finest_BChw)


class QueryDecoder(nn.Module):
    """Queries read one level after the other, each within the mask that it predicts."""

    def __init__(self, config: Config, num_classes: int) -> None:
        super().__init__()
        width = config.decoder_channels
        self.queries_embedder = nn.Embedding(config.num_queries, width)
        self.queries_features = nn.Embedding(config.num_queries, width)
        self.level_embed = nn.Embedding(NUM_LEVELS, width)
        self.layers = nn.ModuleList(
            QueryLayer(width, inner=8 * width) for _ in range(config.query_layers)
        )
        self.layernorm = nn.LayerNorm(width)
        self.class_predictor = nn.Linear(width, num_classes + 1)
        self.mask_embedder = perceptron([width] * 4)

    def forward(self, levels: list[Tensor], masks_BChw: Tensor) -> list[Queries]:
        """What the learned queries say before the first layer, and after each."""
        batch = masks_BChw.shape[0]
        position_QC = self.queries_embedder.weight
        query_BQC = self.queries_features.weight[None].expand(batch, -1, -1)
        keys = []
        for level_BChw, embed_C in zip(levels, self.level_embed.weight, strict=True):
            value_BNC = level_BChw.flatten(2).transpose(1, 2) + embed_C
            keys.append((value_BNC + sine_position(level_BChw, len(embed_C)), value_BNC))
        said = [self._predicted(query_BQC, masks_BChw)]
        for number, layer in enumerate(self.layers):
            level = number % NUM_LEVELS
            allowed_BQN = _within(said[-1].mask_BQhw, levels[level])
            query_BQC = layer(query_BQC, position_QC, keys[level], allowed_BQN)
            said.append(self._predicted(query_BQC, masks_BChw))
        return said

    def _predicted(self, query_BQC: Tensor, masks_BChw: Tensor) -> Queries:
        normed_BQC = self.layernorm(query_BQC)
        mask_BQhw = torch.einsum("bqc,bchw->bqhw", self.mask_embedder(normed_BQC), masks_BChw)
        return Queries(self.class_predictor(normed_BQC), mask_BQhw)


class QueryLayer(nn.Module):
    """Masked attention to a map, attention among queries, perceptron; normalised after each."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.cross_attn = Attention(width, NUM_HEADS)
        self.cross_attn_layer_norm = nn.LayerNorm(width)
        self.self_attn = Attention(width, NUM_HEADS)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, inner)
        self.fc2 = nn.Linear(inner, width)
        self.final_layer_norm = nn.LayerNorm(width)
        xavier(self)

    def forward(
        self,
        query_BQC: Tensor,
        position_QC: Tensor,
        key_value_BNC: tuple[Tensor, Tensor],
        allowed_BQN: Tensor,
    ) -> Tensor:
        """(B, Q, C)."""
        seen_BQC = self.cross_attn(query_BQC + position_QC, *key_value_BNC, allowed_BQN)
        query_BQC = self.cross_attn_layer_norm(query_BQC + seen_BQC)
        placed_BQC = query_BQC + position_QC
        shared_BQC = self.self_attn(placed_BQC, placed_BQC, query_BQC)
        query_BQC = self.self_attn_layer_norm(query_BQC + shared_BQC)
        inner_BQC = self.fc2(F.relu(self.fc1(query_BQC)))
        normed_BQC: Tensor = self.final_layer_norm(query_BQC + inner_BQC)
        return normed_BQC


def _within(mask_BQhw: Tensor, level_BChw: Tensor) -> Tensor:
    """Where each mask is at a level's places (B, Q, N); everywhere for an empty mask."""
    inside_BQN = to_size_of(mask_BQhw.detach(), level_BChw).flatten(2) >= 0
    return inside_BQN | ~inside_BQN.any(dim=2, keepdim=True)


def _projected(in_channels: int, width: int, *, bias: bool) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, width, 1, bias=bias), nn.GroupNorm(NUM_GROUPS, width)
    )
