"""Multi-head attention (arXiv:1706.03762) and the small networks around it."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


class Attention(nn.Module):
    """Attention of queries to keys, in heads."""

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
        """(B, Q, C); a query sees the keys that `allowed_BQN` has True, or all."""
        heads = (
            self._heads(self.q_proj(query_BQC)),
            self._heads(self.k_proj(key_BNC)),
            self._heads(self.v_proj(value_BNC)),
        )
        mask = None if allowed_BQN is None else allowed_BQN[:, None]
        dropout = self.dropout if self.training else 0.0
        found_BhQd = scaled_dot_product_attention(*heads, attn_mask=mask, dropout_p=dropout)
        joined_BQC: Tensor = self.out_proj(found_BhQd.transpose(1, 2).flatten(2))
        return joined_BQC

    def _heads(self, x_BNC: Tensor) -> Tensor:
        return torch.unflatten(x_BNC, 2, (self.num_heads, -1)).transpose(1, 2)


def perceptron(widths: Sequence[int], activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Linear layers from width to width, with the activation between them."""
    layers: list[nn.Module] = []
    for first, second in pairwise(widths):
        layers += [nn.Linear(first, second), activation()]
    return nn.Sequential(*layers[:-1])


def xavier(module: nn.Module) -> None:
    """Xavier-uniform matrices (Glorot and Bengio 2010) throughout, biases 0, as DETR does."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


TEMPERATURE = 10000.0


def sine_position(x_BChw: Tensor, width: int) -> Tensor:
    """(h w, width): rows in the first half of the channels, columns in the second."""
    height, breadth = x_BChw.shape[-2:]
    y_hc = _waves(height, width // 2, x_BChw)
    x_wc = _waves(breadth, width // 2, x_BChw)
    both_hwc = torch.cat(
        [y_hc[:, None].expand(-1, breadth, -1), x_wc[None].expand(height, -1, -1)], dim=2
    )
    return both_hwc.flatten(0, 1).to(x_BChw.dtype)


def _waves(length: int, width: int, like: Tensor) -> Tensor:
    """(length, width): sine, cosine, sine ... of wavelengths 2 pi ... 2 pi TEMPERATURE."""
    place_n = torch.arange(1, length + 1, device=like.device, dtype=torch.float32)
    scaled_n = place_n / (length + 1e-6) * (2 * math.pi)
    index_f = torch.arange(width // 2, device=like.device, dtype=torch.float32)
    angle_nf = scaled_n[:, None] / TEMPERATURE ** (2 * index_f / width)
    return torch.stack([angle_nf.sin(), angle_nf.cos()], dim=2).flatten(1)
