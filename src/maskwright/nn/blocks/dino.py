"""DINOv2's vision transformers (arXiv:2304.07193) from timm, for images of any size."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, cast

import timm
import torch
from torch import Tensor, nn

POSITION_GRID = 32


class TokenEncoder(nn.Module):
    """A vision transformer of timm that returns its tokens after some blocks.

    Attributes:
        width: Channels of a token.
        patch_px: Side of a patch.
        num_prefix: Number of class and register tokens, which come before the patches.
        num_blocks: Number of transformer blocks.
    """

    def __init__(self, name: str, in_channels: int, **options: Any) -> None:
        super().__init__()
        self.model: Any = cast(
            "Any",
            timm.create_model(
                name, in_chans=in_channels, num_classes=0, dynamic_img_size=True, **options
            ),
        )
        self.width: int = self.model.embed_dim
        self.patch_px: int = self.model.patch_embed.patch_size[0]
        self.num_prefix: int = self.model.num_prefix_tokens
        self.num_blocks = len(self.model.blocks)

    @abstractmethod
    def forward(self, x_BCHW: Tensor, stages: tuple[int, ...]) -> list[tuple[Tensor, Tensor]]:
        """Normalised maps (B, C, h, w) and class tokens (B, 1, C) after the blocks `stages`."""

    def adapt_weights(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Convert published weights, of timm or of the authors, to the tensors of `model`."""
        bare = {
            key.removeprefix("encoder.").removeprefix("model."): value
            for key, value in state.items()
        }
        try:
            return dict(self._convert(bare))
        except (AssertionError, KeyError, RuntimeError, ValueError):
            return state  # weights of another network: `load_weights` names the difference

    @abstractmethod
    def _convert(self, state: dict[str, Tensor]) -> Mapping[str, Tensor]:
        """Convert by timm's filter for checkpoints."""

    def _split_tokens(self, x_BNC: Tensor, grid_hw: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Map of the patches (B, C, h, w) and class token (B, 1, C)."""
        # (B, N, C) -> (B, C, h w) -> (B, C, h, w)
        map_BCN = x_BNC[:, self.num_prefix :].transpose(1, 2)
        return torch.unflatten(map_BCN, 2, grid_hw), x_BNC[:, :1]


class DinoEncoder(TokenEncoder):
    """Class token, registers if the model has them, and patches; callable block by block.

    Position embeddings are resized bicubically to the image, as DINOv2's authors do (timm
    compares sizes before it resizes, which an exported graph cannot).

    Args:
        name: A model of timm with dinov2 in its name.
        in_channels: Channels of the image.
        patch_px: Side of a patch; None: that of the pretrained model. `adapt_weights` resizes
            published patch and position embeddings to it.
        position_grid: Patches along each side with a position embedding, where `patch_px` is
            given.
    """

    def __init__(
        self,
        name: str,
        in_channels: int,
        *,
        patch_px: int | None = None,
        position_grid: int = POSITION_GRID,
    ) -> None:
        options = {}
        if patch_px is not None:
            options = {"patch_size": patch_px, "img_size": position_grid * patch_px}
        super().__init__(name, in_channels, **options)

    def embed_patches(self, x_BCHW: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """The input (B, N, C) of the first block, and the grid of patches (h, w)."""
        patch_BhwC = self.model.patch_embed(x_BCHW)
        batch, height, width = patch_BhwC.shape[:3]
        prefix = [self.model.cls_token, self.model.reg_token]
        prefix_B1C = [p.expand(batch, -1, -1) for p in prefix if p is not None]
        position_1NC = self._position_embedding(height, width)
        patch_BNC = patch_BhwC.flatten(1, 2)  # (B, h, w, C) -> (B, h w, C)
        if self.model.no_embed_class:
            return torch.cat([*prefix_B1C, patch_BNC + position_1NC], 1), (height, width)
        return torch.cat([*prefix_B1C, patch_BNC], 1) + position_1NC, (height, width)

    def run_block(
        self, index: int, x_BNC: Tensor, allowed_B1NN: Tensor | None = None
    ) -> Tensor:
        """(B, N, C); a token attends to those where `allowed_B1NN` is True, or to all."""
        output_BNC: Tensor = self.model.blocks[index](x_BNC, allowed_B1NN)
        return output_BNC

    def normalise(self, x_BNC: Tensor) -> Tensor:
        """Apply the normalisation that follows the last block."""
        normed_BNC: Tensor = self.model.norm(x_BNC)
        return normed_BNC

    def forward(self, x_BCHW: Tensor, stages: tuple[int, ...]) -> list[tuple[Tensor, Tensor]]:
        """Normalised maps (B, C, h, w) and class tokens (B, 1, C) after the blocks `stages`."""
        x_BNC, grid_hw = self.embed_patches(x_BCHW)
        outputs = []
        for index in range(self.num_blocks):
            x_BNC = self.run_block(index, x_BNC)
            if index in stages:
                outputs.append(self._split_tokens(self.normalise(x_BNC), grid_hw))
        return outputs

    def _convert(self, state: dict[str, Tensor]) -> Mapping[str, Tensor]:
        from timm.models.vision_transformer import checkpoint_filter_fn

        converted: Mapping[str, Tensor] = checkpoint_filter_fn(state, self.model)
        return converted

    def _position_embedding(self, height: int, width: int) -> Tensor:
        """(1, N, C) for a grid of patches; with the prefix tokens if the model embeds them."""
        embedding_1NC = self.model.pos_embed
        prefix = 0 if self.model.no_embed_class else self.num_prefix
        grid_HW = self.model.patch_embed.grid_size
        # (1, H W, C) -> (1, H, W, C) -> (1, C, H, W)
        map_1CHW = torch.unflatten(embedding_1NC[:, prefix:], 1, grid_HW).permute(0, 3, 1, 2)
        map_1Chw = nn.functional.interpolate(
            map_1CHW.float(), (height, width), mode="bicubic", align_corners=False
        )
        # (1, C, h, w) -> (1, h w, C)
        patch_1NC = map_1Chw.to(embedding_1NC.dtype).flatten(2).transpose(1, 2)
        return torch.cat([embedding_1NC[:, :prefix], patch_1NC], 1) if prefix else patch_1NC


def pad_to_multiple(x_BCHW: Tensor, multiple: int) -> Tensor:
    """Pad at the right and at the bottom with copies of the last column and row."""
    height, width = x_BCHW.shape[-2:]
    down = (height + multiple - 1) // multiple * multiple - height
    right = (width + multiple - 1) // multiple * multiple - width
    return nn.functional.pad(x_BCHW, (0, right, 0, down), mode="replicate")
