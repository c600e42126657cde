"""EoMT, Kerssies et al. 2025 (arXiv:2503.19108): queries as tokens of a vision transformer.

Trained with Mask2Former's set loss on one mask per class, instead of the recipe's pixel loss.
"""

import math
from typing import Any, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.nn.blocks.attention import mlp
from maskwright.nn.blocks.dino import POSITION_GRID, DinoEncoder
from maskwright.nn.blocks.set_loss import (
    PointLossConfig,
    Queries,
    QueryNetwork,
    SetLoss,
    class_logits,
)
from maskwright.nn.published_recipe import PublishedRecipe

ENCODERS = (
    "vit_small_patch14_reg4_dinov2",
    "vit_base_patch14_reg4_dinov2",
    "vit_large_patch14_reg4_dinov2",
    "vit_giant_patch14_reg4_dinov2",
)
"""The paper's encoders; their patch embeddings are resized to 16 pixels."""

USES_PIXEL_LOSS = False
GOOD_FOR = "Masks nearly as good as mask2former's, several times faster; a pretrained encoder."

RECIPE = PublishedRecipe(
    source="Kerssies et al. 2025, mask_classification_semantic.py and main.py of the authors",
    optimizer="adamw",
    lr=1e-4,
    layer_decay=0.8,
    batch_size=16,
    num_steps=39_000,
    weight_decay=0.05,
    clip_norm=0.01,
    warmup_ratio=1500 / 39_000,
    loss="",
)
"""The authors' decoder warms up in 500 steps, their encoder in the 1000 that follow."""

PATCH_PX = 16
MASK_STRIDE = 4


class Config(PointLossConfig):
    """Number of queries, blocks that process them, and weights and points of the set loss.

    `query_blocks` is the number of last blocks of the encoder with queries among the tokens: 3
    in the paper for the small and base encoder, 4 for large, 5 for giant. At the start of
    training, queries attend only to patches in their masks; this masking ends block by block
    over the share `annealing_ratio` of the run (section 3.3): the paper's is 1, the whole run,
    0 trains without masking. Prediction never masks. `position_grid` is the number of patches
    along each side for which position embeddings are stored; for images of another size they
    are resized.
    """

    num_queries: int = Field(100, gt=0)
    query_blocks: int = Field(3, gt=0, le=12)
    annealing_ratio: float = Field(1.0, ge=0, le=1)
    position_grid: int = Field(POSITION_GRID, gt=0)


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`); masks of stride 4."""
    dino = DinoEncoder(
        encoder.removeprefix("tu-"),
        in_channels,
        patch_px=PATCH_PX,
        position_grid=config.position_grid,
    )
    return EoMT(config, dino, num_classes)


class EoMT(QueryNetwork):
    """The encoder, with queries among the tokens of its last blocks."""

    def __init__(self, config: Config, encoder: DinoEncoder, num_classes: int) -> None:
        super().__init__(SetLoss.from_config(config))
        width = encoder.width
        self.encoder = encoder
        self.query = nn.Embedding(config.num_queries, width)
        self.upscale = nn.Sequential(
            *(UpscaleBlock(width) for _ in range(int(math.log2(PATCH_PX / MASK_STRIDE))))
        )
        self.mask_head = mlp([width] * 4, nn.GELU)
        self.class_predictor = nn.Linear(width, num_classes + 1)
        self.query_blocks = config.query_blocks
        self.annealing_ratio = config.annealing_ratio
        self.progress = 0.0
        cast("Any", self).register_load_state_dict_pre_hook(_drop_count)  # untyped in torch

    def set_progress(self, progress: float) -> None:
        """Take the share of the run that is done (`protocols.ProgressAware`)."""
        self.progress = progress

    def forward(self, x_BCHW: Tensor) -> Any:
        """Logits; in training, the queries after and before each last block, the last first."""
        x_BNC, grid_hw = self.encoder.embed_patches(x_BCHW)
        first = self.encoder.num_blocks - self.query_blocks
        for index in range(first):
            x_BNC = self.encoder.run_block(index, x_BNC)
        query_BQC = self.query.weight[None].expand(x_BNC.shape[0], -1, -1)
        x_BNC = torch.cat([query_BQC, x_BNC], dim=1)
        if not self.training:
            for index in range(first, self.encoder.num_blocks):
                x_BNC = self.encoder.run_block(index, x_BNC)
            return class_logits(self._predict(x_BNC, grid_hw), MASK_STRIDE)
        layers = []
        for index in range(self.query_blocks):
            layers.append(self._predict(x_BNC, grid_hw))
            allowed_B1NN = self._attention_mask(
                layers[-1].mask_BQhw.detach(), x_BNC, grid_hw, index
            )
            x_BNC = self.encoder.run_block(first + index, x_BNC, allowed_B1NN)
        return [self._predict(x_BNC, grid_hw), *layers[::-1]]

    def masked_ratio(self, index: int) -> float:
        """Share of the queries that are masked in block `index` of the last blocks, 1 to 0."""
        if not self.annealing_ratio:
            return 0.0
        passed = self.progress / self.annealing_ratio * (self.query_blocks + 2)
        return float((1 - min(1.0, max(0.0, passed - index - 1))) ** 0.9)

    def _predict(self, x_BNC: Tensor, grid_hw: tuple[int, int]) -> Queries:
        """Class and mask logits of the queries among the tokens: queries, prefix, patches."""
        normed_BNC = self.encoder.normalise(x_BNC)
        num_queries = self.query.num_embeddings
        query_BQC = normed_BNC[:, :num_queries]
        patch_BnC = normed_BNC[:, num_queries + self.encoder.num_prefix :]
        # (B, h w, C) -> (B, C, h w) -> (B, C, h, w)
        map_BChw = torch.unflatten(patch_BnC.transpose(1, 2), 2, grid_hw)
        mask_BQhw = torch.einsum(
            "bqc,bchw->bqhw", self.mask_head(query_BQC), self.upscale(map_BChw)
        )
        return Queries(self.class_predictor(query_BQC), mask_BQhw)

    def _attention_mask(
        self, mask_BQhw: Tensor, x_BNC: Tensor, grid_hw: tuple[int, int], index: int
    ) -> Tensor | None:
        """Which tokens attend to which, (B, 1, N, N); masked queries only to their patches."""
        ratio = self.masked_ratio(index)
        if ratio == 0:
            return None
        batch, num_tokens = x_BNC.shape[:2]
        num_queries = self.query.num_embeddings
        inside_BQn = F.interpolate(mask_BQhw, grid_hw, mode="bilinear").flatten(2) > 0
        free_BQ1 = torch.rand(batch, num_queries, 1, device=x_BNC.device) > ratio
        allowed_BNN = inside_BQn.new_ones(batch, num_tokens, num_tokens)
        start = num_queries + self.encoder.num_prefix
        allowed_BNN[:, :num_queries, start:] = inside_BQn | free_BQ1
        return allowed_BNN[:, None]


def _drop_count(_module: nn.Module, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Older weights hold the number of training steps, which changes no prediction."""
    state.pop(f"{prefix}steps", None)


class UpscaleBlock(nn.Module):
    """Twice the height and width: transposed convolution, depthwise convolution, LayerNorm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.ConvTranspose2d(width, width, 2, stride=2)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        self.layernorm2d = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x_BChw: Tensor) -> Tensor:
        """(B, C, 2h, 2w)."""
        mixed_BCHW = self.conv2(F.gelu(self.conv1(x_BChw)))
        normed_BHWC: Tensor = self.layernorm2d(mixed_BCHW.movedim(1, -1))
        return torch.movedim(normed_BHWC, -1, 1)
