"""DINOv3's vision transformers (arXiv:2508.10104) out of timm, for images of any size."""

import math
from typing import Any, cast

import timm
import torch
from torch import Tensor, nn

UNUSED = ("qkv.bias", "qkv.bias_mask")
"""Of the authors' files: all zero. timm's networks have none, and it prints a line for each."""


class Dino3Encoder(nn.Module):
    """Class token, registers and patches, whose places turn queries and keys (RoPE).

    A place is a share of the image's height and width, so that any grid of patches will do.

    Args:
        name: A model of timm (1.0.20 or later) with dinov3 in its name.
        in_channels: Channels of the image.
    """

    def __init__(self, name: str, in_channels: int) -> None:
        super().__init__()
        self.model: Any = cast(
            "Any",
            timm.create_model(name, in_chans=in_channels, num_classes=0, dynamic_img_size=True),
        )
        self.width: int = self.model.embed_dim
        self.patch_px: int = self.model.patch_embed.patch_size[0]
        self.num_prefix: int = self.model.num_prefix_tokens
        self.num_blocks = len(self.model.blocks)

    def forward(self, x_BCHW: Tensor, stages: tuple[int, ...]) -> list[tuple[Tensor, Tensor]]:
        """Normalised maps (B, C, h, w) and class tokens (B, 1, C) after some blocks."""
        patch_BhwC = self.model.patch_embed(x_BCHW)
        batch, *grid_hw, _ = patch_BhwC.shape
        prefix_B1C = [
            token_1NC.expand(batch, -1, -1)
            for token_1NC in (self.model.cls_token, self.model.reg_token)
        ]
        x_BNC = torch.cat([*prefix_B1C, patch_BhwC.flatten(1, 2)], 1)
        turns_NC = self._turns(*grid_hw)
        found = []
        for number, block in enumerate(self.model.blocks):
            x_BNC = block(x_BNC, turns_NC)
            if number in stages:
                normed_BNC = self.model.norm(x_BNC)
                map_BCN = normed_BNC[:, self.num_prefix :].transpose(1, 2)
                found.append((torch.unflatten(map_BCN, 2, grid_hw), normed_BNC[:, :1]))
        return found

    def _turns(self, height: int, width: int) -> Tensor:
        """Sine and cosine (h w, 2 C / heads) of each patch's place.

        timm's own way makes numbers of the sizes, which an exported graph cannot.
        """
        period_P = self.model.rope.periods
        places = [
            2 * (torch.arange(n, device=period_P.device) + 0.5) / n - 1 for n in (height, width)
        ]
        place_N2 = torch.stack(torch.meshgrid(*places, indexing="ij"), -1).flatten(0, 1)
        angle_NA = (2 * math.pi * place_N2[..., None] / period_P).flatten(1).tile(2)
        return torch.cat([angle_NA.sin(), angle_NA.cos()], -1)

    def adapted(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Published weights, of timm or of the authors, by timm's names."""
        from timm.models.eva import checkpoint_filter_fn

        bare = {
            key.removeprefix("encoder.").removeprefix("model."): value
            for key, value in state.items()
            if not key.endswith(UNUSED)
        }
        try:
            fitted: dict[str, Tensor] = checkpoint_filter_fn(bare, self.model)
        except (AssertionError, KeyError, RuntimeError, ValueError):
            return state  # of another network: whoever fills this one will say so
        return fitted
