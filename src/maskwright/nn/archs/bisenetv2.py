"""BiSeNet V2, Yu et al. 2020 (arXiv:2004.02147): a wide shallow branch, a deep narrow one."""

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d

from maskwright.nn.blocks.conv import conv, conv_norm, conv_norm_relu
from maskwright.nn.blocks.heads import DeeplySupervised, score_head
from maskwright.nn.blocks.initialise import init_he
from maskwright.nn.blocks.norm import Norm
from maskwright.nn.blocks.pooling import global_mean
from maskwright.nn.blocks.resize import Enlarge
from maskwright.nn.part_config import PartConfig
from maskwright.nn.published_recipe import PublishedRecipe

ENCODERS = ("own",)
SEMANTIC_CHANNELS = (16, 32, 64, 128)
"""After the stem (stride 4) and the stages 3 to 5 (strides 8, 16, 32)."""

GOOD_FOR = "Real time on a GPU, at high resolution."

RECIPE = PublishedRecipe(
    source="Yu et al. 2020, section 5.2",
    optimizer="sgd",
    lr=0.05,
    batch_size=16,
    num_steps=150_000,
    weight_decay=5e-4,
    loss="ohem",
)
"""The loss was not checked against a source."""


class Config(PartConfig):
    """Expansion of the semantic branch and width of the head.

    In training, four auxiliary heads on the semantic branch (the paper's booster) add
    `aux_weight` times their loss each; with 0 they are not built.

    `released`: the network of the weights that github.com/CoinCheung/BiSeNet publishes. Its
    last depthwise convolutions and its aggregation end in a ReLU, and its aggregation takes
    nearest neighbours, which the paper's figures do not show.
    """

    released: bool = False
    expansion: int = Field(6, gt=0)
    head_channels: int = Field(1024, gt=0)
    aux_channels: int = Field(128, gt=0)
    aux_weight: float = Field(1.0, ge=0)


def build(config: Config, _encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`)."""
    return BiSeNetV2(config, in_channels, num_classes)


class BiSeNetV2(DeeplySupervised):
    """Table 1 of the paper."""

    def __init__(self, config: Config, in_channels: int, num_classes: int) -> None:
        super().__init__(config.aux_weight)
        self.enlarge = Enlarge(8)
        self.details = nn.Sequential(
            conv_norm_relu(in_channels, 64, stride=2),
            conv_norm_relu(64, 64),
            conv_norm_relu(64, 64, stride=2),
            *(conv_norm_relu(64, 64) for _ in range(2)),
            conv_norm_relu(64, 128, stride=2),
            *(conv_norm_relu(128, 128) for _ in range(2)),
        )
        self.semantics = nn.ModuleList([Stem(in_channels), *_stages(config)])
        self.aggregate = Aggregation(128, released=config.released)
        self.head = score_head(128, config.head_channels, num_classes)
        if self.aux_weight:
            self.aux_heads = nn.ModuleList(
                score_head(channels, config.aux_channels, num_classes)
                for channels in SEMANTIC_CHANNELS
            )
        init_he(self, mode="fan_out")  # the paper: "kaiming normal"

    def forward(self, x_BCHW: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Logits (B, K, H, W); in training, also those of the auxiliary heads, smaller."""
        levels = [x_BCHW]
        for stage in self.semantics:
            levels.append(stage(levels[-1]))
        mixed = self.aggregate(self.details(x_BCHW), levels[-1])
        logits_BKHW: Tensor = self.enlarge(self.head(mixed))
        if not (self.training and self.aux_weight):
            return logits_BKHW
        heads = zip(self.aux_heads, levels[1:], strict=True)
        return logits_BKHW, *(head(level) for head, level in heads)


class Stem(nn.Module):
    """Stride 4 by a convolution and a max pooling in parallel; figure 4a."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        width = SEMANTIC_CHANNELS[0]
        self.first = conv_norm_relu(in_channels, width, stride=2)
        self.shrink = nn.Sequential(
            conv_norm_relu(width, width // 2, 1), conv_norm_relu(width // 2, width, stride=2)
        )
        self.mix = conv_norm_relu(2 * width, width)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, 16, H / 4, W / 4)."""
        half = self.first(x_BCHW)
        both = torch.cat([self.shrink(half), max_pool2d(half, 3, 2, 1)], 1)
        mixed: Tensor = self.mix(both)
        return mixed


class GatherExpand(nn.Module):
    """3 x 3, depthwise to `expansion` times the width, 1 x 1 to the output; figure 5."""

    def __init__(
        self, config: Config, in_channels: int, out_channels: int, stride: int = 1
    ) -> None:
        super().__init__()
        wide = in_channels * config.expansion
        last = conv_norm_relu if config.released else conv_norm
        self.body = nn.Sequential(conv_norm_relu(in_channels, in_channels))
        self.shortcut = nn.Sequential()
        if stride == 1:
            self.body.append(last(in_channels, wide, groups=in_channels))
        else:
            first = conv_norm(in_channels, wide, stride=stride, groups=in_channels)
            self.body.extend([first, last(wide, wide, groups=wide)])
            self.shortcut.extend(
                [
                    conv_norm(in_channels, in_channels, stride=stride, groups=in_channels),
                    conv_norm(in_channels, out_channels, 1),
                ]
            )
        self.body.append(conv_norm(wide, out_channels, 1))

    def forward(self, x_BChw: Tensor) -> Tensor:
        """(B, out, h / stride, w / stride)."""
        return torch.relu(self.body(x_BChw) + self.shortcut(x_BChw))


class ContextEmbedding(nn.Module):
    """The mean of the map is added to each pixel; figure 4b."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = Norm(channels)
        self.embed = conv_norm_relu(channels, channels, 1)
        self.mix = conv_norm_relu(channels, channels)

    def forward(self, x_BChw: Tensor) -> Tensor:
        """(B, C, h, w)."""
        mixed: Tensor = self.mix(x_BChw + self.embed(self.norm(global_mean(x_BChw))))
        return mixed


class Aggregation(nn.Module):
    """Each branch gates the other at its own resolution; figure 6."""

    def __init__(self, channels: int, *, released: bool) -> None:
        super().__init__()
        self.resize_mode = "nearest" if released else "bilinear"
        self.details = _depthwise(channels)
        self.details_small = conv_norm(channels, channels, stride=2)
        self.semantics = _depthwise(channels)
        self.semantics_large = conv_norm(channels, channels)
        self.mix = (conv_norm_relu if released else conv_norm)(channels, channels)

    def forward(self, details: Tensor, semantics: Tensor) -> Tensor:
        """As `details` in shape, which has four times the height and width of `semantics`."""
        gate = self._enlarge(self.semantics_large(semantics), details).sigmoid()
        large = self.details(details) * gate
        small = avg_pool2d(self.details_small(details), 3, 2, 1)
        small = small * self.semantics(semantics).sigmoid()
        mixed: Tensor = self.mix(large + self._enlarge(small, large))
        return mixed

    def _enlarge(self, x_BChw: Tensor, like_BCHW: Tensor) -> Tensor:
        return interpolate(x_BChw, like_BCHW.shape[-2:], mode=self.resize_mode)


def _stages(config: Config) -> list[nn.Module]:
    first, third, fourth, fifth = SEMANTIC_CHANNELS
    last = [GatherExpand(config, fifth, fifth) for _ in range(3)]
    return [
        _pair(config, first, third),
        _pair(config, third, fourth),
        nn.Sequential(GatherExpand(config, fourth, fifth, 2), *last, ContextEmbedding(fifth)),
    ]


def _pair(config: Config, in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        GatherExpand(config, in_channels, out_channels, 2),
        GatherExpand(config, out_channels, out_channels),
    )


def _depthwise(channels: int) -> nn.Sequential:
    return conv_norm(channels, channels, groups=channels).append(conv(channels, channels, 1))
