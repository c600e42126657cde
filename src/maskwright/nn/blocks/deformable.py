"""Multi-scale deformable attention: Deformable DETR (arXiv:2010.04159), section 4.1."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Sizes = Sequence[tuple[int, int]]
"""(h, w) of each level; tokens of the levels lie one behind the other, row by row."""


class DeformableAttention(nn.Module):
    """Each token looks at `num_points` places a head and level, found from the token alone."""

    def __init__(self, width: int, num_heads: int, num_levels: int, num_points: int) -> None:
        super().__init__()
        self.shape = (num_heads, num_levels, num_points)
        num_places = math.prod(self.shape)
        self.sampling_offsets = nn.Linear(width, 2 * num_places)
        self.attention_weights = nn.Linear(width, num_places)
        self.value_proj = nn.Linear(width, width)
        self.output_proj = nn.Linear(width, width)
        self._initialise()

    def forward(self, query_BNC: Tensor, value_BNC: Tensor, sizes: Sizes) -> Tensor:
        """(B, N, C)."""
        num_heads = self.shape[0]
        offset_BNhlp2 = self.sampling_offsets(query_BNC).unflatten(2, (*self.shape, 2)).float()
        weight_BNhP = self.attention_weights(query_BNC).unflatten(2, (num_heads, -1)).softmax(3)
        value_BNhd = self.value_proj(value_BNC).unflatten(2, (num_heads, -1))
        value_BhdN = value_BNhd.permute(0, 2, 3, 1)
        centre_N2 = centres(sizes, offset_BNhlp2)
        found, start = [], 0
        for level, (height, width) in enumerate(sizes):
            level_BhdN = value_BhdN[..., start : start + height * width]
            level_Xdhw = level_BhdN.flatten(0, 1).unflatten(2, (height, width)).float()
            offset_BNhp2 = offset_BNhlp2[:, :, :, level]
            place_BNhp2 = centre_N2[:, None, None] + torch.stack(
                [offset_BNhp2[..., 0] / width, offset_BNhp2[..., 1] / height], dim=4
            )
            grid_XNp2 = (2 * place_BNhp2 - 1).transpose(1, 2).flatten(0, 1)
            found.append(F.grid_sample(level_Xdhw, grid_XNp2, align_corners=False))
            start += height * width
        found_XdNP = torch.cat(found, dim=3)
        weight_X1NP = weight_BNhP.transpose(1, 2).flatten(0, 1)[:, None]
        sum_XdN = (found_XdNP.to(weight_X1NP.dtype) * weight_X1NP).sum(3)
        sum_BNC = sum_XdN.unflatten(0, (-1, num_heads)).flatten(1, 2).transpose(1, 2)
        mixed_BNC: Tensor = self.output_proj(sum_BNC)
        return mixed_BNC

    @torch.no_grad()
    def _initialise(self) -> None:
        """Point p of each head lies p pixels from the token, every head in its direction."""
        num_heads, _, num_points = self.shape
        angle_h = torch.arange(num_heads) * (2 * math.pi / num_heads)
        ray_h2 = torch.stack([angle_h.cos(), angle_h.sin()], dim=1)
        ray_h2 /= ray_h2.abs().amax(1, keepdim=True)
        reach_p1 = torch.arange(1, num_points + 1)[:, None]
        offset_hlp2 = (ray_h2[:, None, None] * reach_p1).expand(*self.shape, 2)
        for zeroed in (self.sampling_offsets, self.attention_weights):
            nn.init.zeros_(zeroed.weight)
            nn.init.zeros_(zeroed.bias)
        self.sampling_offsets.bias.copy_(offset_hlp2.flatten())
        for mixed in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(mixed.weight)
            nn.init.zeros_(mixed.bias)


class DeformableLayer(nn.Module):
    """A layer of the encoder: deformable attention of all levels to all, then a perceptron."""

    def __init__(self, width: int, num_heads: int, num_levels: int, inner: int) -> None:
        super().__init__()
        self.self_attn = DeformableAttention(width, num_heads, num_levels, num_points=4)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, inner)
        self.fc2 = nn.Linear(inner, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, x_BNC: Tensor, position_NC: Tensor, sizes: Sizes) -> Tensor:
        """(B, N, C)."""
        attended_BNC = self.self_attn(x_BNC + position_NC, x_BNC, sizes)
        x_BNC = self.self_attn_layer_norm(x_BNC + attended_BNC)
        inner_BNC = self.fc2(F.relu(self.fc1(x_BNC)))
        normed_BNC: Tensor = self.final_layer_norm(x_BNC + inner_BNC)
        return normed_BNC


def centres(sizes: Sizes, like: Tensor) -> Tensor:
    """X and y in [0, 1] of the middle of every token (N, 2)."""
    levels = []
    for height, width in sizes:
        y_h = (torch.arange(height, device=like.device, dtype=like.dtype) + 0.5) / height
        x_w = (torch.arange(width, device=like.device, dtype=like.dtype) + 0.5) / width
        place_hw2 = torch.stack(
            [x_w[None].expand(height, -1), y_h[:, None].expand(-1, width)], dim=2
        )
        levels.append(place_hw2.flatten(0, 1))
    return torch.cat(levels)
