"""PAN, Li et al. 2018 (arXiv:1805.10180): pyramid attention over context guides the skips."""

from functools import partial
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d

from maskwright.nn.blocks.conv import PadMode, conv_norm_relu, pad_explicitly
from maskwright.nn.blocks.dilation import build_encoder
from maskwright.nn.blocks.initialise import init_he
from maskwright.nn.blocks.library import build_library_network
from maskwright.nn.blocks.norm import replace_batch_norm
from maskwright.nn.blocks.pooling import global_mean
from maskwright.nn.blocks.pyramid import pyramid_maps, pyramid_widths
from maskwright.nn.blocks.resize import Enlarge, resize_like
from maskwright.nn.encoders import import_smp
from maskwright.nn.part_config import PartConfig
from maskwright.nn.published_recipe import PublishedRecipe

STRIDE = 4
GOOD_FOR = "Large and small objects in one image, with a light decoder."

RECIPE = PublishedRecipe(
    source="Li et al. 2018, section 4.1",
    optimizer="sgd",
    lr=0.004,
    batch_size=16,
    num_steps=66_000,
    weight_decay=1e-4,
    output_stride=16,
)
"""The batch size was not checked against a source; the other numbers were checked against a
reimplementation, not against the paper.
"""


class Config(PartConfig):
    """Stride of the coarsest features (the paper's is 16) and width of the decoder."""

    output_stride: Literal[16, 32] = 16
    decoder_channels: int = Field(32, gt=0)


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`); logits at stride 4, upsampled bilinearly."""
    return _build(config, encoder, in_channels, num_classes)


def _build(
    config: Config,
    encoder: str,
    in_channels: int,
    num_classes: int,
    *,
    padding: PadMode = "replicate",
) -> nn.Module:
    network = build_encoder(encoder, in_channels, output_stride=config.output_stride)
    replace_batch_norm(network)
    return PAN(config, network, num_classes, padding=padding)


def _build_first(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    network: Any = build_library_network(
        import_smp().PAN,
        encoder,
        in_channels,
        num_classes,
        encoder_output_stride=config.output_stride,
        decoder_channels=config.decoder_channels,
    )
    network.decoder.fpa = LibraryAttention(network.decoder.fpa)
    module: nn.Module = network
    return module


REVISION = 3
"""2: dilation keeps pretrained features; ReLU of the guidance; corners are not aligned.
3: the attention pads its maps by the values at the border.
"""

OLDER = {1: _build_first, 2: partial(_build, padding="constant")}


class PAN(nn.Module):
    """Encoder, pyramid attention, and attention from each level to the finer one."""

    def __init__(
        self, config: Config, encoder: Any, num_classes: int, *, padding: PadMode
    ) -> None:
        super().__init__()
        self.enlarge = Enlarge(STRIDE)
        self.encoder: nn.Module = encoder
        *skips, last = pyramid_widths(encoder)
        width = config.decoder_channels
        self.attention = PyramidAttention(last, width, padding)
        self.guided = nn.ModuleList(GuidedSkip(skip, width) for skip in skips)
        self.head = nn.Conv2d(width, num_classes, 3, padding=1)
        for part in (self.attention, self.guided):
            init_he(part)
        init_he(self.head, slope=1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, K, H, W)."""
        *skips, last = pyramid_maps(self.encoder(x_BCHW))
        context = self.attention(last)
        for guided, skip in zip(reversed(self.guided), reversed(skips), strict=True):
            context = guided(skip, context)
        logits: Tensor = self.enlarge(self.head(context))
        return logits


class GuidedSkip(nn.Module):
    """Global attention upsample, figure 4: context weights the channels of a skip.

    The paper normalises the weights over the batch and rectifies them, and does not say how
    they begin. They begin at 1, whatever the context: by the usual start, about half of the
    images of a batch would lose a channel, whichever have the lower means.
    """

    def __init__(self, skip_channels: int, channels: int) -> None:
        super().__init__()
        self.skip = conv_norm_relu(skip_channels, channels)
        self.weights = conv_norm_relu(channels, channels, 1)
        nn.init.zeros_(self.weights.get_parameter("1.weight"))
        nn.init.ones_(self.weights.get_parameter("1.bias"))

    def forward(self, skip_BCHW: Tensor, context_BChw: Tensor) -> Tensor:
        """(B, channels, H, W)."""
        weights_BC11 = self.weights(global_mean(context_BChw))
        weighted: Tensor = self.skip(skip_BCHW) * weights_BC11
        return resize_like(context_BChw, skip_BCHW) + weighted


class PyramidAttention(nn.Module):
    """Feature pyramid attention, figure 3, on maps of every size.

    The paper leaves the width of the pyramid open: it is 1, as in the library. Nor does it say
    how maps are padded: by the values at their border. With zeros, what a 7 x 7 kernel finds
    depends on the size of the map, down to one place for a small crop, so that the statistics
    of the one channel were wrong for images larger than the crops.
    """

    def __init__(self, in_channels: int, channels: int, padding: PadMode) -> None:
        super().__init__()
        self.whole = conv_norm_relu(in_channels, channels, 1)
        self.mid = conv_norm_relu(in_channels, channels, 1)
        kernels = (7, 5, 3)
        self.down = nn.ModuleList(
            conv_norm_relu(in_channels if kernel == kernels[0] else 1, 1, kernel)
            for kernel in kernels
        )
        self.levels = nn.ModuleList(conv_norm_relu(1, 1, kernel) for kernel in kernels)
        pad_explicitly(self, padding)

    def forward(self, x_BChw: Tensor) -> Tensor:
        """(B, channels, h, w)."""
        coarser, maps = x_BChw, []
        for down in self.down:
            coarser = down(_halve(coarser))
            maps.append(coarser)
        half, quarter, eighth = (level(x) for level, x in zip(self.levels, maps, strict=True))
        context = half + resize_like(quarter + resize_like(eighth, quarter), half)
        attention = resize_like(context, x_BChw)
        output: Tensor = attention * self.mid(x_BChw) + self.whole(global_mean(x_BChw))
        return output


class LibraryAttention(nn.Module):
    """The library's block of revision 1 on maps of every size: it fails below 8 x 8.

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
        context = self.level2(quarter) + _align(eighth, quarter)
        context = self.level1(half) + _align(context, half)
        attention = _align(context, x_BChw)
        output: Tensor = attention * self.mid(x_BChw) + _align(self.whole(x_BChw), x_BChw)
        return output


def _halve(x_BChw: Tensor) -> Tensor:
    """Maxima of 2 x 2 windows; an odd last row or column is repeated."""
    height, width = x_BChw.shape[-2:]
    margin = (0, (width + 1) // 2 * 2 - width, 0, (height + 1) // 2 * 2 - height)
    return max_pool2d(torch.nn.functional.pad(x_BChw, margin, mode="replicate"), 2)


def _align(x_BChw: Tensor, like_BChw: Tensor) -> Tensor:
    """Resize with aligned corners, as revision 1."""
    return interpolate(x_BChw, like_BChw.shape[-2:], mode="bilinear", align_corners=True)
