"""Mask2Former, Cheng et al. 2022 (arXiv:2112.01527): masked attention of queries.

Trained with its own set loss on one mask per class, instead of the recipe's pixel loss.
"""

from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.nn.blocks.attention import Attention, init_xavier, mlp, sine_position
from maskwright.nn.blocks.deformable import DeformableLayer
from maskwright.nn.blocks.initialise import init_he
from maskwright.nn.blocks.norm import replace_batch_norm
from maskwright.nn.blocks.pyramid import pyramid_encoder, pyramid_maps, pyramid_widths
from maskwright.nn.blocks.resize import resize_like
from maskwright.nn.blocks.set_loss import (
    PointLossConfig,
    Queries,
    QueryNetwork,
    SetLoss,
    class_logits,
)
from maskwright.nn.published_recipe import PublishedRecipe

USES_PIXEL_LOSS = False
GOOD_FOR = "The most accurate masks, where there is a GPU and time to train."

RECIPE = PublishedRecipe(
    source="Cheng et al. 2022, section 4.1, and the configuration for ADE20K",
    optimizer="adamw",
    lr=1e-4,
    encoder_lr_ratio=0.1,
    batch_size=16,
    num_steps=160_000,
    weight_decay=0.05,
    clip_norm=0.01,
    loss="",
)

NUM_LEVELS = 3
"""Levels of strides 32, 16 and 8, which the decoder layers attend to in turn."""
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
    """Build the network (`protocols.Arch`); masks of stride 4."""
    network = Mask2Former(config, pyramid_encoder(encoder, in_channels), num_classes)
    replace_batch_norm(network)
    return network


class Mask2Former(QueryNetwork):
    """Encoder, pixel decoder, query decoder."""

    def __init__(self, config: Config, encoder: nn.Module, num_classes: int) -> None:
        super().__init__(SetLoss.from_config(config))
        self.encoder = encoder
        widths = pyramid_widths(encoder)
        self.pixel_decoder = DeformablePixelDecoder(config, widths)
        self.query_decoder = MaskedQueryDecoder(config, num_classes)

    def forward(self, x_BCHW: Tensor) -> Any:
        """Logits (B, K, H, W); in training, the queries of all layers, the last first."""
        levels, masks_BChw = self.pixel_decoder(pyramid_maps(self.encoder(x_BCHW)))
        layers = self.query_decoder(levels, masks_BChw)
        return layers[::-1] if self.training else class_logits(layers[-1], 4)


class DeformablePixelDecoder(nn.Module):
    """Deformable attention over strides 32, 16 and 8, then a skip to stride 4."""

    def __init__(self, config: Config, widths: list[int]) -> None:
        super().__init__()
        width = config.decoder_channels
        self.level_embed = nn.Parameter(torch.randn(NUM_LEVELS, width))
        self.input_projections = nn.ModuleList(
            _projection(channels, width, bias=True) for channels in widths[:0:-1]
        )
        self.layers = nn.ModuleList(
            DeformableLayer(width, NUM_HEADS, NUM_LEVELS, inner=4 * width)
            for _ in range(config.pixel_layers)
        )
        self.adapter = _projection(widths[0], width, bias=False)
        self.layer = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.GroupNorm(NUM_GROUPS, width),
            nn.ReLU(),
        )
        self.mask_projection = nn.Conv2d(width, width, 1)
        # as the authors; the others are the rule that detectron2 calls c2_xavier_fill
        init_xavier(self.input_projections)
        for part in (self.adapter, self.layer, self.mask_projection):
            init_he(part, slope=1, is_uniform=True)

    def forward(self, features: list[Tensor]) -> tuple[list[Tensor], Tensor]:
        """Maps (B, C, h, w) of strides 32, 16 and 8, and one of stride 4 for the masks."""
        finest, *coarser = features
        maps = [p(x) for p, x in zip(self.input_projections, coarser[::-1], strict=True)]
        sizes = [(x_BChw.shape[2], x_BChw.shape[3]) for x_BChw in maps]
        # (B, C, h, w) -> (B, h w, C), the tokens of all levels in turn
        x_BNC = torch.cat([x_BChw.flatten(2).transpose(1, 2) for x_BChw in maps], dim=1)
        embedded = zip(maps, self.level_embed, strict=True)
        position_NC = torch.cat([sine_position(x, len(e)).to(e) + e for x, e in embedded])
        for layer in self.layers:
            x_BNC = layer(x_BNC, position_NC, sizes)
        levels, start = [], 0
        for height, width in sizes:
            level_BnC = x_BNC[:, start : start + height * width]
            # (B, h w, C) -> (B, C, h w) -> (B, C, h, w)
            levels.append(torch.unflatten(level_BnC.transpose(1, 2), 2, (height, width)))
            start += height * width
        adapted_BChw = self.adapter(finest)
        finest_BChw = self.layer(adapted_BChw + resize_like(levels[-1], adapted_BChw))
        return levels, self.mask_projection(finest_BChw)


class MaskedQueryDecoder(nn.Module):
    """Queries attend to one level per layer, each within its own predicted mask."""

    def __init__(self, config: Config, num_classes: int) -> None:
        super().__init__()
        width = config.decoder_channels
        self.queries_embedder = nn.Embedding(config.num_queries, width)
        self.queries_features = nn.Embedding(config.num_queries, width)
        self.level_embed = nn.Embedding(NUM_LEVELS, width)
        self.layers = nn.ModuleList(
            MaskedQueryLayer(width, inner=8 * width) for _ in range(config.query_layers)
        )
        self.layernorm = nn.LayerNorm(width)
        self.class_predictor = nn.Linear(width, num_classes + 1)
        self.mask_embedder = mlp([width] * 4)

    def forward(self, levels: list[Tensor], masks_BChw: Tensor) -> list[Queries]:
        """Class and mask logits of the queries before the first layer and after each layer."""
        batch = masks_BChw.shape[0]
        position_QC = self.queries_embedder.weight
        query_BQC = self.queries_features.weight[None].expand(batch, -1, -1)
        keys = []
        for level_BChw, embed_C in zip(levels, self.level_embed.weight, strict=True):
            value_BNC = level_BChw.flatten(2).transpose(1, 2) + embed_C
            keys.append((value_BNC + sine_position(level_BChw, len(embed_C)), value_BNC))
        outputs = [self._predict(query_BQC, masks_BChw)]
        for index, layer in enumerate(self.layers):
            level = index % NUM_LEVELS
            allowed_BQN = _attention_mask(outputs[-1].mask_BQhw, levels[level])
            query_BQC = layer(query_BQC, position_QC, keys[level], allowed_BQN)
            outputs.append(self._predict(query_BQC, masks_BChw))
        return outputs

    def _predict(self, query_BQC: Tensor, masks_BChw: Tensor) -> Queries:
        normed_BQC = self.layernorm(query_BQC)
        mask_BQhw = torch.einsum("bqc,bchw->bqhw", self.mask_embedder(normed_BQC), masks_BChw)
        return Queries(self.class_predictor(normed_BQC), mask_BQhw)


class MaskedQueryLayer(nn.Module):
    """Masked cross-attention, self-attention and MLP, each followed by LayerNorm."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.cross_attn = Attention(width, NUM_HEADS)
        self.cross_attn_layer_norm = nn.LayerNorm(width)
        self.self_attn = Attention(width, NUM_HEADS)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, inner)
        self.fc2 = nn.Linear(inner, width)
        self.final_layer_norm = nn.LayerNorm(width)
        init_xavier(self)

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


def _attention_mask(mask_BQhw: Tensor, level_BChw: Tensor) -> Tensor:
    """Pixels of the level in each mask, (B, Q, N) bool; all pixels for an empty mask."""
    inside_BQN = resize_like(mask_BQhw.detach(), level_BChw).flatten(2) >= 0
    return inside_BQN | ~inside_BQN.any(dim=2, keepdim=True)


def _projection(in_channels: int, width: int, *, bias: bool) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, width, 1, bias=bias), nn.GroupNorm(NUM_GROUPS, width)
    )
