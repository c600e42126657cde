"""DINOv2's vision transformers (arXiv:2304.07193) out of timm, for images of any size."""

from typing import Any, cast

import timm
import torch
from torch import Tensor, nn


class DinoEncoder(nn.Module):
    """Class token, registers if it has them, and patches; block by block.

    Position embeddings are resized bicubically to the image, as DINOv2's authors do (timm's
    own way compares sizes, which an exported graph cannot).

    Args:
        name: A model of timm with dinov2 in its name.
        in_channels: Channels of the image.
        patch_px: Side of a patch; None is that of the pretrained model. `adapted` resizes
            the weights of patches and places to it.
    """

    def __init__(self, name: str, in_channels: int, *, patch_px: int | None = None) -> None:
        super().__init__()
        other: dict[str, Any] = {}
        if patch_px is not None:
            other = {"patch_size": patch_px, "img_size": 32 * patch_px}
        self.model: Any = cast(
            "Any",
            timm.create_model(
                name, in_chans=in_channels, num_classes=0, dynamic_img_size=True, **other
            ),
        )
        self.width: int = self.model.embed_dim
        self.patch_px: int = self.model.patch_embed.patch_size[0]
        self.num_prefix: int = self.model.num_prefix_tokens
        self.num_blocks = len(self.model.blocks)

    def tokens(self, x_BCHW: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """What the first block gets (B, N, C), and the grid of patches (h, w)."""
        patch_BhwC = self.model.patch_embed(x_BCHW)
        batch, height, width = patch_BhwC.shape[:3]
        prefix = [self.model.cls_token, self.model.reg_token]
        prefix_B1C = [p.expand(batch, -1, -1) for p in prefix if p is not None]
        places_11NC = self._places(height, width)
        patch_BNC = patch_BhwC.flatten(1, 2)
        if self.model.no_embed_class:
            return torch.cat([*prefix_B1C, patch_BNC + places_11NC], 1), (height, width)
        return torch.cat([*prefix_B1C, patch_BNC], 1) + places_11NC, (height, width)

    def block(self, number: int, x_BNC: Tensor, allowed_B1NN: Tensor | None = None) -> Tensor:
        """(B, N, C); a token sees those that `allowed_B1NN` has True, or all."""
        found_BNC: Tensor = self.model.blocks[number](x_BNC, allowed_B1NN)
        return found_BNC

    def normed(self, x_BNC: Tensor) -> Tensor:
        """Through the last layer's normalisation."""
        found_BNC: Tensor = self.model.norm(x_BNC)
        return found_BNC

    def forward(self, x_BCHW: Tensor, stages: tuple[int, ...]) -> list[tuple[Tensor, Tensor]]:
        """Normalised maps (B, C, h, w) and class tokens (B, 1, C) after some blocks."""
        x_BNC, grid_hw = self.tokens(x_BCHW)
        found = []
        for number in range(self.num_blocks):
            x_BNC = self.block(number, x_BNC)
            if number in stages:
                normed_BNC = self.normed(x_BNC)
                map_BCN = normed_BNC[:, self.num_prefix :].transpose(1, 2)
                found.append((torch.unflatten(map_BCN, 2, grid_hw), normed_BNC[:, :1]))
        return found

    def adapted(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Published weights, of timm or of the authors, at this one's patches and places."""
        from timm.models.vision_transformer import checkpoint_filter_fn

        bare = {
            key.removeprefix("encoder.").removeprefix("model."): v for key, v in state.items()
        }
        try:
            fitted: dict[str, Tensor] = checkpoint_filter_fn(bare, self.model)
        except (AssertionError, KeyError, RuntimeError, ValueError):
            return state  # of another network: whoever fills this one will say so
        return fitted

    def _places(self, height: int, width: int) -> Tensor:
        embedding_1NC = self.model.pos_embed
        prefix = 0 if self.model.no_embed_class else self.num_prefix
        grid_HW = self.model.patch_embed.grid_size
        map_1CHW = torch.unflatten(embedding_1NC[:, prefix:], 1, grid_HW).permute(0, 3, 1, 2)
        map_1Chw = nn.functional.interpolate(
            map_1CHW.float(), (height, width), mode="bicubic", align_corners=False
        )
        patch_1NC = map_1Chw.to(embedding_1NC.dtype).flatten(2).transpose(1, 2)
        return torch.cat([embedding_1NC[:, :prefix], patch_1NC], 1) if prefix else patch_1NC


def padded_to(x_BCHW: Tensor, multiple: int) -> Tensor:
    """Continued by its last column and row to a multiple of a length."""
    height, width = x_BCHW.shape[-2:]
    down = (height + multiple - 1) // multiple * multiple - height
    right = (width + multiple - 1) // multiple * multiple - width
    return nn.functional.pad(x_BCHW, (0, right, 0, down), mode="replicate")
