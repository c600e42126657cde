"""PAN, Li et al. 2018 (arXiv:1805.10180): pyramid attention over context guides the skips."""

from typing import Any, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d

from maskwright.nn.blocks.conv import pad_explicitly
from maskwright.nn.blocks.library import build_library_network
from maskwright.nn.encoders import import_smp
from maskwright.nn.part_config import PartConfig

GOOD_FOR = "Large and small objects in one image, with a light decoder."


class Config(PartConfig):
    """Stride of the coarsest features (the paper's is 16) and width of the decoder."""

    output_stride: Literal[16, 32] = 16
    decoder_channels: int = Field(32, gt=0)


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`)."""
    network: Any = build_library_network(
        import_smp().PAN,
        encoder,
        in_channels,
        num_classes,
        encoder_output_stride=config.output_stride,
        decoder_channels=config.decoder_channels,
    )
    network.decoder.fpa = PyramidAttention(network.decoder.fpa)
    return cast("nn.Module", network)


class PyramidAttention(nn.Module):
    """The library's block for maps of every size; the original fails below 8 x 8.

    Same numbers for maps whose sides are multiples of 8.
    """

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.whole = block.branch1
        self.mid = block.mid
        self.down = nn.ModuleList([block.down1[1:], block.down2[1:], block.down3[1:]])
        self.level1, self.level2 = block.conv1, block.conv2
        pad_explicitly(self)

    def forward(self, x_BChw: Tensor) -> Tensor:
        """(B, decoder_channels, h, w)."""
        half = self.down[0](_halve(x_BChw))
        quarter = self.down[1](_halve(half))
        eighth = self.down[2](_halve(quarter))
        context = self.level2(quarter) + _resize_like(eighth, quarter)
        context = self.level1(half) + _resize_like(context, half)
        attention = _resize_like(context, x_BChw)
        output: Tensor = attention * self.mid(x_BChw) + _resize_like(self.whole(x_BChw), x_BChw)
        return output


def _halve(x_BChw: Tensor) -> Tensor:
    """Maxima of 2 x 2 windows; an odd last row or column is repeated."""
    height, width = x_BChw.shape[-2:]
    margin = (0, (width + 1) // 2 * 2 - width, 0, (height + 1) // 2 * 2 - height)
    return max_pool2d(torch.nn.functional.pad(x_BChw, margin, mode="replicate"), 2)


def _resize_like(x_BChw: Tensor, like_BChw: Tensor) -> Tensor:
    return interpolate(x_BChw, like_BChw.shape[-2:], mode="bilinear", align_corners=True)
