"""MaskFormer, Cheng et al. 2021 (arXiv:2107.06278): classification of masks.

Trained with its own set loss on one mask per class, instead of the recipe's pixel loss.
"""

from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.nn.blocks.attention import Attention, init_xavier, mlp, sine_position
from maskwright.nn.blocks.initialise import init_he
from maskwright.nn.blocks.norm import replace_batch_norm
from maskwright.nn.blocks.pyramid import pyramid_encoder, pyramid_maps, pyramid_widths
from maskwright.nn.blocks.set_loss import Queries, QueryNetwork, SetLoss, class_logits
from maskwright.nn.part_config import PartConfig
from maskwright.nn.published_recipe import PublishedRecipe

USES_PIXEL_LOSS = False
GOOD_FOR = "Many classes; lighter than mask2former, and less accurate."

RECIPE = PublishedRecipe(
    source="Cheng et al. 2021, section 4.1, and the configuration for ADE20K",
    optimizer="adamw",
    lr=1e-4,
    encoder_lr_ratio=0.1,
    batch_size=16,
    num_steps=160_000,
    weight_decay=1e-4,
    clip_norm=0.01,
    loss="",
)

NUM_GROUPS = 32
NUM_HEADS = 8


class Config(PartConfig):
    """Sizes of the two decoders, and the weights of the set loss.

    `decoder_channels` is a multiple of 32. The masks have a focal loss over all pixels.
    """

    num_queries: int = Field(100, gt=0)
    query_layers: int = Field(6, gt=0)
    decoder_channels: int = Field(256, gt=0, multiple_of=32)
    dropout: float = Field(0.1, ge=0, lt=1)
    class_weight: float = Field(1.0, ge=0)
    mask_weight: float = Field(20.0, ge=0)
    dice_weight: float = Field(1.0, ge=0)
    no_object_weight: float = Field(0.1, ge=0)


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`); masks of stride 4."""
    network = MaskFormer(config, pyramid_encoder(encoder, in_channels), num_classes)
    replace_batch_norm(network)
    return network


class MaskFormer(QueryNetwork):
    """Encoder, feature pyramid for the masks, queries that attend to the coarsest map."""

    def __init__(self, config: Config, encoder: nn.Module, num_classes: int) -> None:
        super().__init__(SetLoss.from_config(config, focal=True))
        self.encoder = encoder
        widths = pyramid_widths(encoder)
        self.pixel_decoder = PixelDecoder(widths, config.decoder_channels)
        self.query_decoder = QueryDecoder(config, widths[-1], num_classes)

    def forward(self, x_BCHW: Tensor) -> Any:
        """Logits (B, K, H, W); in training, the queries of all layers, the last first."""
        features = pyramid_maps(self.encoder(x_BCHW))
        layers = self.query_decoder(features[-1], self.pixel_decoder(features))
        return layers[::-1] if self.training else class_logits(layers[-1], 4)


class PixelDecoder(nn.Module):
    """Feature pyramid (arXiv:1612.03144) with an output of stride 4 for the masks."""

    def __init__(self, widths: list[int], width: int) -> None:
        super().__init__()
        *finer, coarsest = widths
        self.stem = _conv_group_norm(coarsest, width, 3)
        self.laterals = nn.ModuleList(
            _conv_group_norm(channels, width, 1, active=False) for channels in finer[::-1]
        )
        self.blocks = nn.ModuleList(_conv_group_norm(width, width, 3) for _ in finer)
        self.mask_projection = nn.Conv2d(width, width, 3, padding=1)
        init_he(self, slope=1, is_uniform=True)  # detectron2's c2_xavier_fill, as the authors

    def forward(self, features: list[Tensor]) -> Tensor:
        """Map (B, C, h, w) of stride 4."""
        x_BChw = self.stem(features[-1])
        steps = zip(self.laterals, self.blocks, features[-2::-1], strict=True)
        for lateral, block, feature_BChw in steps:
            x_BChw = block(lateral(feature_BChw) + F.interpolate(x_BChw, scale_factor=2.0))
        masks_BChw: Tensor = self.mask_projection(x_BChw)
        return masks_BChw


class QueryDecoder(nn.Module):
    """DETR's decoder (arXiv:2005.12872) on the coarsest map."""

    def __init__(self, config: Config, in_channels: int, num_classes: int) -> None:
        super().__init__()
        width = config.decoder_channels
        self.queries_embedder = nn.Embedding(config.num_queries, width)
        self.input_projection = nn.Conv2d(in_channels, width, 1)
        init_he(self.input_projection, slope=1, is_uniform=True)
        self.layers = nn.ModuleList(
            QueryLayer(width, 8 * width, config.dropout) for _ in range(config.query_layers)
        )
        self.layernorm = nn.LayerNorm(width)
        self.class_predictor = nn.Linear(width, num_classes + 1)
        self.mask_embedder = mlp([width] * 4)

    def forward(self, feature_BChw: Tensor, masks_BChw: Tensor) -> list[Queries]:
        """Class and mask logits of the queries after each layer."""
        x_BChw = self.input_projection(feature_BChw)
        # (B, C, h, w) -> (B, h w, C)
        value_BNC = x_BChw.flatten(2).transpose(1, 2)
        key_BNC = value_BNC + sine_position(x_BChw, x_BChw.shape[1])
        position_QC = self.queries_embedder.weight
        query_BQC = torch.zeros_like(position_QC).expand(x_BChw.shape[0], -1, -1)
        outputs = []
        for layer in self.layers:
            query_BQC = layer(query_BQC, position_QC, key_BNC, value_BNC)
            normed_BQC = self.layernorm(query_BQC)
            embedded_BQC = self.mask_embedder(normed_BQC)
            mask_BQhw = torch.einsum("bqc,bchw->bqhw", embedded_BQC, masks_BChw)
            outputs.append(Queries(self.class_predictor(normed_BQC), mask_BQhw))
        return outputs


class QueryLayer(nn.Module):
    """Self-attention, cross-attention and MLP, each followed by LayerNorm."""

    def __init__(self, width: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = Attention(width, NUM_HEADS, dropout)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.encoder_attn = Attention(width, NUM_HEADS, dropout)
        self.encoder_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, inner)
        self.fc2 = nn.Linear(inner, width)
        self.final_layer_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        init_xavier(self)

    def forward(
        self, query_BQC: Tensor, position_QC: Tensor, key_BNC: Tensor, value_BNC: Tensor
    ) -> Tensor:
        """(B, Q, C)."""
        placed_BQC = query_BQC + position_QC
        shared_BQC = self.self_attn(placed_BQC, placed_BQC, query_BQC)
        query_BQC = self.self_attn_layer_norm(query_BQC + self.dropout(shared_BQC))
        seen_BQC = self.encoder_attn(query_BQC + position_QC, key_BNC, value_BNC)
        query_BQC = self.encoder_attn_layer_norm(query_BQC + self.dropout(seen_BQC))
        inner_BQC = self.fc2(self.dropout(F.relu(self.fc1(query_BQC))))
        normed_BQC: Tensor = self.final_layer_norm(query_BQC + self.dropout(inner_BQC))
        return normed_BQC


def _conv_group_norm(
    in_channels: int, out_channels: int, kernel: int, *, active: bool = True
) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False),
        nn.GroupNorm(NUM_GROUPS, out_channels),
    ]
    return nn.Sequential(*layers, nn.ReLU()) if active else nn.Sequential(*layers)
