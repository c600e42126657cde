"""DINOv3's vision transformers (arXiv:2508.10104) from timm, for images of any size."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from .dino import TokenEncoder

UNUSED = ("qkv.bias", "qkv.bias_mask")
"""Keys of the authors' files that are all zero; timm has none, and prints a line for each."""


class Dino3Encoder(TokenEncoder):
    """Class token, registers and patches with rotary position embeddings (RoPE).

    A position is a fraction of the image's height and width, so any grid of patches works.

    Args:
        name: A model of timm (1.0.20 or later) with dinov3 in its name.
        in_channels: Channels of the image.
    """

    def __init__(self, name: str, in_channels: int) -> None:
        super().__init__(name, in_channels)

    def forward(self, x_BCHW: Tensor, stages: tuple[int, ...]) -> list[tuple[Tensor, Tensor]]:
        """Normalised maps (B, C, h, w) and class tokens (B, 1, C) after the blocks `stages`."""
        patch_BhwC = self.model.patch_embed(x_BCHW)
        batch, height, width, _ = patch_BhwC.shape
        prefix_B1C = [
            token_1NC.expand(batch, -1, -1)
            for token_1NC in (self.model.cls_token, self.model.reg_token)
        ]
        # (B, h, w, C) -> (B, h w, C), behind class token and registers
        x_BNC = torch.cat([*prefix_B1C, patch_BhwC.flatten(1, 2)], 1)
        rotation_NC = self._rotary_embedding(height, width)
        outputs = []
        for index, block in enumerate(self.model.blocks):
            x_BNC = block(x_BNC, rotation_NC)
            if index in stages:
                outputs.append(self._split_tokens(self.model.norm(x_BNC), (height, width)))
        return outputs

    def _rotary_embedding(self, height: int, width: int) -> Tensor:
        """Sines and cosines (h w, 2 C / heads) of the patches' positions.

        timm's own code turns sizes into Python numbers, which an exported graph cannot.
        """
        period_P = self.model.rope.periods
        axes = [
            2 * (torch.arange(n, device=period_P.device) + 0.5) / n - 1 for n in (height, width)
        ]
        position_N2 = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).flatten(0, 1)
        # (N, 2, 1) / (P) -> (N, 2, P) -> (N, 2 P) -> (N, 4 P): the same angles for both halves
        angle_NA = (2 * math.pi * position_N2[..., None] / period_P).flatten(1).tile(2)
        return torch.cat([angle_NA.sin(), angle_NA.cos()], -1)

    def _convert(self, state: dict[str, Tensor]) -> Mapping[str, Tensor]:
        from timm.models.eva import checkpoint_filter_fn

        used = {key: value for key, value in state.items() if not key.endswith(UNUSED)}
        converted: Mapping[str, Tensor] = checkpoint_filter_fn(used, self.model)
        return converted
