"""ENet, Paszke et al. 2016 (arXiv:1606.02147): early downsampling and narrow bottlenecks.

Widths are the paper's for 3 channels; the first map has 13 more channels than the image. The
order of the asymmetric kernels, the epsilon and the initialisation (torch's) are those of the
authors' code (github.com/e-lab/ENet-training).
"""

from typing import cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, pad

from maskwright.nn.blocks.conv import conv
from maskwright.nn.blocks.norm import Norm
from maskwright.nn.blocks.pooling import MaxPlaces, max_pool_with_indices, max_unpool
from maskwright.nn.part_config import PartConfig
from maskwright.nn.published_recipe import PublishedRecipe

ENCODERS = ("own",)
FIRST_CONV = 13
DILATIONS = (2, 4, 8, 16)
EPSILON = 1e-3

GOOD_FOR = "The smallest machines: a third of a million parameters."
REVISION = 2

RECIPE = PublishedRecipe(
    source="Paszke et al. 2016, opts.lua of the authors",
    optimizer="adam",
    lr=5e-4,
    batch_size=10,
    num_steps=89_000,
    weight_decay=2e-4,
    schedule="step",
)


class Config(PartConfig):
    """Spatial dropout in the first stage and in those after it."""

    first_dropout: float = Field(0.01, ge=0, lt=1)
    dropout: float = Field(0.1, ge=0, lt=1)


def build(config: Config, _encoder: str, in_channels: int, num_classes: int) -> "ENet":
    """Build the network (`protocols.Arch`)."""
    return ENet(config, in_channels, num_classes)


class ENet(nn.Module):
    """Table 1 of the paper."""

    def __init__(self, config: Config, in_channels: int, num_classes: int) -> None:
        super().__init__()
        first, dropout = FIRST_CONV + in_channels, config.dropout
        self.initial = conv(in_channels, FIRST_CONV, 3, stride=2)
        self.initial_act = nn.Sequential(*_norm_act(first, nn.PReLU))
        self.down1 = Down(first, 64, config.first_dropout)
        self.stage1 = nn.Sequential(*(_regular(64, config.first_dropout) for _ in range(4)))
        self.down2 = Down(64, 128, dropout)
        self.stage2 = _context_stage(dropout)
        self.stage3 = _context_stage(dropout)
        self.up4 = Up(128, 64, dropout)
        self.stage4 = nn.Sequential(*(_regular(64, dropout, nn.ReLU) for _ in range(2)))
        self.up5 = Up(64, first, dropout)
        self.stage5 = _regular(first, dropout, nn.ReLU)
        self.classify = nn.ConvTranspose2d(first, num_classes, 2, stride=2)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Logits (B, K, H, W)."""
        half = torch.cat([self.initial(x_BCHW), max_pool2d(x_BCHW, 2)], 1)
        quarter, indices1 = self.down1(self.initial_act(half))
        eighth, indices2 = self.down2(self.stage1(quarter))
        eighth = self.stage3(self.stage2(eighth))
        quarter = self.stage4(self.up4(eighth, indices2))
        half = self.stage5(self.up5(quarter, indices1))
        logits_BKHW: Tensor = self.classify(half)
        return logits_BKHW


class ENetBottleneck(nn.Module):
    """The map plus the output of `extension`, a narrow branch."""

    def __init__(self, extension: nn.Module, act: nn.Module) -> None:
        super().__init__()
        self.extension = extension
        self.act = act

    def forward(self, x_BChw: Tensor) -> Tensor:
        """(B, C, h, w)."""
        output: Tensor = self.act(x_BChw + self.extension(x_BChw))
        return output


class Down(nn.Module):
    """Half the size: max pooling, padded with zero channels, plus a narrow branch."""

    def __init__(self, in_channels: int, out_channels: int, dropout: float) -> None:
        super().__init__()
        narrow = out_channels // 4
        self.missing = out_channels - in_channels
        self.extension = nn.Sequential(
            nn.Conv2d(in_channels, narrow, 2, stride=2, bias=False),
            *_norm_act(narrow, nn.PReLU),
            conv(narrow, narrow),
            *_norm_act(narrow, nn.PReLU),
            *_expand(narrow, out_channels, dropout),
        )
        self.act = nn.PReLU(out_channels)

    def forward(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor | MaxPlaces]:
        """The map at half the size, and the places of the maxima of the input's channels."""
        pooled, places = max_pool_with_indices(x_BCHW)
        filled = pad(pooled, (0, 0, 0, 0, 0, self.missing))
        return self.act(filled + self.extension(x_BCHW)), places


class Up(nn.Module):
    """Twice the size: max unpooling plus a narrow branch."""

    def __init__(self, in_channels: int, out_channels: int, dropout: float) -> None:
        super().__init__()
        narrow = out_channels // 4
        self.main = nn.Sequential(conv(in_channels, out_channels, 1), _norm(out_channels))
        self.extension = nn.Sequential(
            conv(in_channels, narrow, 1),
            *_norm_act(narrow, nn.ReLU),
            nn.ConvTranspose2d(narrow, narrow, 3, 2, 1, output_padding=1, bias=False),
            *_norm_act(narrow, nn.ReLU),
            *_expand(narrow, out_channels, dropout),
        )

    def forward(self, x_BChw: Tensor, places: Tensor | MaxPlaces) -> Tensor:
        """(B, C, 2 h, 2 w)."""
        return torch.relu(max_unpool(self.main(x_BChw), places) + self.extension(x_BChw))


def _context_stage(dropout: float) -> nn.Sequential:
    """Bottlenecks 2.1 to 2.8: plain or asymmetric ones alternate with dilated ones."""
    stage = nn.Sequential()
    for i, dilation in enumerate(DILATIONS):
        stage.append(_regular(128, dropout) if i % 2 == 0 else _asymmetric(128, dropout))
        stage.append(_regular(128, dropout, dilation=dilation))
    return stage


def _regular(
    channels: int, dropout: float, act: type[nn.Module] = nn.PReLU, *, dilation: int = 1
) -> nn.Module:
    narrow = channels // 4
    return _build_bottleneck(channels, dropout, act, [conv(narrow, narrow, dilation=dilation)])


def _asymmetric(channels: int, dropout: float) -> nn.Module:
    narrow = channels // 4
    pair = [conv(narrow, narrow, (1, 5)), conv(narrow, narrow, (5, 1))]
    return _build_bottleneck(channels, dropout, nn.PReLU, pair)


def _build_bottleneck(
    channels: int, dropout: float, act: type[nn.Module], middle: list[nn.Conv2d]
) -> nn.Module:
    narrow = channels // 4
    extension = nn.Sequential(
        conv(channels, narrow, 1),
        *_norm_act(narrow, act),
        *middle,
        *_norm_act(narrow, act),
        *_expand(narrow, channels, dropout),
    )
    return ENetBottleneck(extension, _act(act, channels))


def _norm_act(channels: int, act: type[nn.Module]) -> tuple[nn.Module, nn.Module]:
    return _norm(channels), _act(act, channels)


def _norm(channels: int) -> Norm:
    return Norm(channels, eps=EPSILON)


def _act(act: type[nn.Module], channels: int) -> nn.Module:
    return act(channels) if act is nn.PReLU else act()


def _expand(narrow: int, channels: int, dropout: float) -> tuple[nn.Module, ...]:
    return conv(narrow, channels, 1), _norm(channels), nn.Dropout2d(dropout)


def _build_first(config: Config, encoder: str, in_channels: int, num_classes: int) -> ENet:
    """Revision 1: asymmetric kernels in the other order, and torch's epsilon."""
    network = build(config, encoder, in_channels, num_classes)
    for module in network.modules():
        if isinstance(module, Norm):
            module.eps = 1e-5
    for bottleneck in (*network.stage2, *network.stage3):
        layers = cast("nn.Sequential", bottleneck.extension)
        if isinstance(layers[4], nn.Conv2d):
            layers[3], layers[4] = layers[4], layers[3]
    return network


OLDER = {1: _build_first}
