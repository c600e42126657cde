"""Multi-head attention (arXiv:1706.03762), MLPs, and sine position embeddings."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

TEMPERATURE = 10000.0


class Attention(nn.Module):
    """Multi-head attention of queries to keys."""

    def __init__(self, width: int, num_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.dropout = dropout
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(
        self,
        query_BQC: Tensor,
        key_BNC: Tensor,
        value_BNC: Tensor,
        allowed_BQN: Tensor | None = None,
    ) -> Tensor:
        """(B, Q, C); a query attends to the keys where `allowed_BQN` is True, or to all."""
        heads = (
            self._split_heads(self.q_proj(query_BQC)),
            self._split_heads(self.k_proj(key_BNC)),
            self._split_heads(self.v_proj(value_BNC)),
        )
        mask = None if allowed_BQN is None else allowed_BQN[:, None]
        dropout = self.dropout if self.training else 0.0
        output_BhQd = scaled_dot_product_attention(*heads, attn_mask=mask, dropout_p=dropout)
        # (B, heads, Q, d) -> (B, Q, heads, d) -> (B, Q, C)
        output_BQC: Tensor = self.out_proj(output_BhQd.transpose(1, 2).flatten(2))
        return output_BQC

    def _split_heads(self, x_BNC: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, heads, d) -> (B, heads, N, d)."""
        return torch.unflatten(x_BNC, 2, (self.num_heads, -1)).transpose(1, 2)


def mlp(widths: Sequence[int], activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Linear layers from width to width, with the activation between them."""
    layers: list[nn.Module] = []
    for first, second in pairwise(widths):
        layers += [nn.Linear(first, second), activation()]
    return nn.Sequential(*layers[:-1])


def init_xavier(module: nn.Module) -> None:
    """Xavier-uniform weights (Glorot and Bengio 2010) and biases of 0, as in DETR.

    There, the projections to queries, keys and values are one tensor of three times the width.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    for layer in module.modules():
        if isinstance(layer, Attention):
            for projection in (layer.q_proj, layer.k_proj, layer.v_proj):
                nn.init.xavier_uniform_(projection.weight, gain=0.5**0.5)


def sine_position(x_BChw: Tensor, width: int) -> Tensor:
    """Position embeddings (h w, width) of a map: DETR (arXiv:2005.12872), supplement A.4.

    Sines and cosines of the row in the first half of the channels, of the column in the second.
    """
    height, breadth = x_BChw.shape[-2:]
    y_hc = _sinusoids(height, width // 2, x_BChw)
    x_wc = _sinusoids(breadth, width // 2, x_BChw)
    both_hwc = torch.cat(
        [y_hc[:, None].expand(-1, breadth, -1), x_wc[None].expand(height, -1, -1)], dim=2
    )
    return both_hwc.flatten(0, 1).to(x_BChw.dtype)  # (h, w, width) -> (h w, width)


def _sinusoids(length: int, width: int, like: Tensor) -> Tensor:
    """(length, width): sine, cosine, sine ... of wavelengths 2 pi ... 2 pi TEMPERATURE."""
    index_n = torch.arange(1, length + 1, device=like.device, dtype=torch.float32)
    scaled_n = index_n / (length + 1e-6) * (2 * math.pi)
    index_f = torch.arange(width // 2, device=like.device, dtype=torch.float32)
    angle_nf = scaled_n[:, None] / TEMPERATURE ** (2 * index_f / width)
    return torch.stack([angle_nf.sin(), angle_nf.cos()], dim=2).flatten(
        1
    )  # (n, f, 2) -> (n, 2 f)
