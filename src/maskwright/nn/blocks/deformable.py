"""Multi-scale deformable attention: Deformable DETR (arXiv:2010.04159), section 4.1.

Suffixes: h heads, l levels, p points per head and level, P = l p, d channels per head,
X = B h (batch and heads together).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Sizes = Sequence[tuple[int, int]]
"""(h, w) of each level; the N tokens are those of all levels in turn, row by row."""


class DeformableAttention(nn.Module):
    """Each token attends to `num_points` points per head and level, which it predicts."""

    def __init__(self, width: int, num_heads: int, num_levels: int, num_points: int) -> None:
        super().__init__()
        self.shape = (num_heads, num_levels, num_points)
        num_samples = math.prod(self.shape)
        self.sampling_offsets = nn.Linear(width, 2 * num_samples)
        self.attention_weights = nn.Linear(width, num_samples)
        self.value_proj = nn.Linear(width, width)
        self.output_proj = nn.Linear(width, width)
        self._init_weights()

    def forward(self, query_BNC: Tensor, value_BNC: Tensor, sizes: Sizes) -> Tensor:
        """(B, N, C)."""
        num_heads = self.shape[0]
        # (B, N, 2 h l p) -> (B, N, h, l, p, 2)
        offset_BNhlp2 = self.sampling_offsets(query_BNC).unflatten(2, (*self.shape, 2)).float()
        # (B, N, h l p) -> (B, N, h, P), normalised over all points of a head
        weight_BNhP = self.attention_weights(query_BNC).unflatten(2, (num_heads, -1)).softmax(3)
        # (B, N, C) -> (B, N, h, d) -> (B, h, d, N)
        value_BNhd = self.value_proj(value_BNC).unflatten(2, (num_heads, -1))
        value_BhdN = value_BNhd.permute(0, 2, 3, 1)
        centre_N2 = token_centres(sizes, offset_BNhlp2)
        samples, start = [], 0
        for level, (height, width) in enumerate(sizes):
            level_BhdN = value_BhdN[..., start : start + height * width]
            # (B, h, d, N) -> (X, d, N) -> (X, d, height, width)
            level_Xdhw = level_BhdN.flatten(0, 1).unflatten(2, (height, width)).float()
            offset_BNhp2 = offset_BNhlp2[:, :, :, level]
            # offsets are in pixels of the level, points x, y in [0, 1]
            point_BNhp2 = centre_N2[:, None, None] + torch.stack(
                [offset_BNhp2[..., 0] / width, offset_BNhp2[..., 1] / height], dim=4
            )
            # (B, N, h, p, 2) -> (B, h, N, p, 2) -> (X, N, p, 2) in [-1, 1]
            grid_XNp2 = (2 * point_BNhp2 - 1).transpose(1, 2).flatten(0, 1)
            samples.append(F.grid_sample(level_Xdhw, grid_XNp2, align_corners=False))
            start += height * width
        sample_XdNP = torch.cat(samples, dim=3)
        # (B, N, h, P) -> (B, h, N, P) -> (X, 1, N, P)
        weight_X1NP = weight_BNhP.transpose(1, 2).flatten(0, 1)[:, None]
        sum_XdN = (sample_XdNP.to(weight_X1NP.dtype) * weight_X1NP).sum(3)
        # (X, d, N) -> (B, h, d, N) -> (B, C, N) -> (B, N, C)
        sum_BNC = sum_XdN.unflatten(0, (-1, num_heads)).flatten(1, 2).transpose(1, 2)
        output_BNC: Tensor = self.output_proj(sum_BNC)
        return output_BNC

    @torch.no_grad()
    def _init_weights(self) -> None:
        """Point p of a head starts p pixels from the token; each head has its own direction."""
        num_heads, _, num_points = self.shape
        angle_h = torch.arange(num_heads) * (2 * math.pi / num_heads)
        direction_h2 = torch.stack([angle_h.cos(), angle_h.sin()], dim=1)
        direction_h2 /= direction_h2.abs().amax(1, keepdim=True)
        distance_p1 = torch.arange(1, num_points + 1)[:, None]
        offset_hlp2 = (direction_h2[:, None, None] * distance_p1).expand(*self.shape, 2)
        for zeroed in (self.sampling_offsets, self.attention_weights):
            nn.init.zeros_(zeroed.weight)
            nn.init.zeros_(zeroed.bias)
        self.sampling_offsets.bias.copy_(offset_hlp2.flatten())
        for projection in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(projection.weight)
            nn.init.zeros_(projection.bias)


class DeformableLayer(nn.Module):
    """Encoder layer: deformable attention from all levels to all, then an MLP."""

    def __init__(self, width: int, num_heads: int, num_levels: int, inner: int) -> None:
        super().__init__()
        self.self_attn = DeformableAttention(width, num_heads, num_levels, num_points=4)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, inner)
        self.fc2 = nn.Linear(inner, width)
        self.final_layer_norm = nn.LayerNorm(width)
        for linear in (self.fc1, self.fc2):
            nn.init.xavier_uniform_(linear.weight)

    def forward(self, x_BNC: Tensor, position_NC: Tensor, sizes: Sizes) -> Tensor:
        """(B, N, C)."""
        attended_BNC = self.self_attn(x_BNC + position_NC, x_BNC, sizes)
        x_BNC = self.self_attn_layer_norm(x_BNC + attended_BNC)
        inner_BNC = self.fc2(F.relu(self.fc1(x_BNC)))
        normed_BNC: Tensor = self.final_layer_norm(x_BNC + inner_BNC)
        return normed_BNC


def token_centres(sizes: Sizes, like: Tensor) -> Tensor:
    """Centre x, y in [0, 1] of every token (N, 2)."""
    levels = []
    for height, width in sizes:
        y_h = (torch.arange(height, device=like.device, dtype=like.dtype) + 0.5) / height
        x_w = (torch.arange(width, device=like.device, dtype=like.dtype) + 0.5) / width
        centre_hw2 = torch.stack(
            [x_w[None].expand(height, -1), y_h[:, None].expand(-1, width)], dim=2
        )
        levels.append(centre_hw2.flatten(0, 1))  # (h, w, 2) -> (h w, 2)
    return torch.cat(levels)
