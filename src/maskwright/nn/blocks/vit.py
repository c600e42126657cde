"""Plain vision transformers of timm as encoders, for images of any size."""

from typing import Any

import timm
import torch
from torch import Tensor, nn


class VisionTransformerStages(nn.Module):
    """The tokens of a vision transformer of timm after several of its blocks.

    Position embeddings are resized bilinearly to the image, as DPT's authors do (timm compares
    sizes before it resizes, which an exported graph cannot).

    Args:
        name: A VisionTransformer of timm with a class token.
        stages: Number of equal runs of blocks; the tokens at the end of each are returned.
        in_channels: Channels of the image.
    """

    def __init__(self, name: str, *, stages: int, in_channels: int) -> None:
        super().__init__()
        model: Any = timm.create_model(
            name, in_chans=in_channels, num_classes=0, dynamic_img_size=True
        )
        model.norm = nn.Identity()  # used by the classifier alone: it would get no gradient
        self.model = model
        depth = len(model.blocks)
        self.ends = tuple(depth * stage // stages - 1 for stage in range(1, stages + 1))
        self.channels: int = model.embed_dim

    def forward(self, x_BCHW: Tensor) -> list[tuple[Tensor, Tensor]]:
        """(B, C, h, w) and the class token (B, 1, C) at the end of each stage."""
        model: Any = self.model
        patch_BhwC = model.patch_embed(x_BCHW)
        batch, height, width, channels = patch_BhwC.shape
        tokens_BNC = self._embed_positions(patch_BhwC)
        outputs = []
        for index, block in enumerate(model.blocks):
            tokens_BNC = block(tokens_BNC)
            if index in self.ends:
                map_BNC = tokens_BNC[:, model.num_prefix_tokens :]
                # (B, h w, C) -> (B, C, h w) -> (B, C, h, w)
                map_BChw = map_BNC.transpose(1, 2).reshape(batch, channels, height, width)
                outputs.append((map_BChw, tokens_BNC[:, :1]))
        return outputs

    def _embed_positions(self, patch_BhwC: Tensor) -> Tensor:
        """Class token and patches (B, N, C) with their position embeddings."""
        model: Any = self.model
        height, width = patch_BhwC.shape[1:3]
        prefix = 0 if model.no_embed_class else model.num_prefix_tokens
        grid_HW = model.patch_embed.grid_size
        # (1, H W, C) -> (1, H, W, C) -> (1, C, H, W)
        position_1CHW = model.pos_embed[:, prefix:].unflatten(1, grid_HW).permute(0, 3, 1, 2)
        position_1Chw = nn.functional.interpolate(
            position_1CHW, (height, width), mode="bilinear", align_corners=False
        )
        # (B, h, w, C) -> (B, h w, C); (1, C, h, w) -> (1, h w, C)
        patches_BNC = patch_BhwC.flatten(1, 2) + position_1Chw.flatten(2).transpose(1, 2)
        class_11C = model.cls_token
        if prefix:
            class_11C = class_11C + model.pos_embed[:, :prefix]
        class_B1C = class_11C.expand(patch_BhwC.shape[0], -1, -1)
        tokens_BNC: Tensor = model.norm_pre(torch.cat([class_B1C, patches_BNC], 1))
        return tokens_BNC
