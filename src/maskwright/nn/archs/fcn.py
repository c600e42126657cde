"""FCN, Long et al. 2015 (arXiv:1411.4038): scores at stride 32, refined by skips to 8."""

from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from maskwright.nn.blocks.dilation import build_encoder
from maskwright.nn.blocks.heads import DeeplySupervised, fcn_head
from maskwright.nn.blocks.library import library_encoder
from maskwright.nn.blocks.norm import replace_batch_norm
from maskwright.nn.blocks.resize import Enlarge
from maskwright.nn.blocks.vgg import fully_connected_head
from maskwright.nn.part_config import PartConfig
from maskwright.nn.published_recipe import PublishedRecipe

FULLY_CONNECTED = 4096
DILATED_STAGES = ("layer3", "layer4")
GOOD_FOR = "A known baseline; with resnet50 and dilation that of torchvision."

RECIPE = PublishedRecipe(
    source="torchvision, references/segmentation",
    optimizer="sgd",
    lr=0.02,
    batch_size=32,
    num_steps=87_000,
    weight_decay=1e-4,
)


class Config(PartConfig):
    """Stride of the logits (FCN-8s, 16s, 32s), how it is reached, dropout, auxiliary loss.

    The stride is reached by skips from earlier stages of the encoder, as in the paper; with
    `dilated`, by an encoder that keeps the stride (8 or 16), as in torchvision's FCN. `dropout`
    None: 0.5 with a VGG, as in the paper, else 0.1, as in torchvision. In training, an
    auxiliary head on the last but one stage adds `aux_weight` times its loss; the paper has
    none, torchvision's weight is 0.5.
    """

    stride: Literal[8, 16, 32] = 8
    dilated: bool = False
    dropout: float | None = Field(None, ge=0, lt=1)
    aux_weight: float = Field(0.0, ge=0)


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`); the paper's encoder is vgg16."""
    output_stride = config.stride if config.dilated else 32
    network = build_encoder(encoder, in_channels, output_stride=output_stride)
    return _build(config, network, encoder, num_classes)


def _build(config: Config, network: Any, encoder: str, num_classes: int) -> nn.Module:
    replace_batch_norm(network)
    return FCN(config, network, num_classes, is_vgg=encoder.startswith("vgg"))


def _build_first(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Revision 1, where only dilated bottleneck stages of a ResNet were as torchvision's."""
    output_stride = config.stride if config.dilated else 32
    network = library_encoder(encoder, in_channels, output_stride=output_stride)
    if config.dilated:
        _halve_first_dilation(network)
    return _build(config, network, encoder, num_classes)


REVISION = 2
"""2: every dilated encoder keeps the values of pretrained features."""

OLDER = {1: _build_first}


class FCN(DeeplySupervised):
    """Encoder, scores of its last stage, and skips from earlier stages."""

    def __init__(self, config: Config, encoder: Any, num_classes: int, *, is_vgg: bool) -> None:
        super().__init__(config.aux_weight)
        self.enlarge = Enlarge(config.stride)
        self.encoder: nn.Module = encoder
        self.is_vgg = is_vgg
        *channels, last = encoder.out_channels
        self.head = (_vgg_head if is_vgg else _head)(config, last, num_classes)
        num_skips = 0 if config.dilated else {32: 0, 16: 1, 8: 2}[config.stride]
        # a VGG's stages end before their pool, which halves the size and keeps the channels
        nearest = channels[:-1] if is_vgg else channels
        self.skips = nn.ModuleList(
            _skip_head(width, num_classes) for width in nearest[::-1][:num_skips]
        )
        self.doublings = nn.ModuleList(_upsampling(num_classes) for _ in range(num_skips))
        self.aux_head = fcn_head(channels[-1], num_classes) if config.aux_weight else None

    def forward(self, x_BCHW: Tensor) -> Any:
        """Logits; in training, with an `aux_weight`, also those of the auxiliary head."""
        *stages, last = self.encoder(x_BCHW)
        scores = self.head(last)
        earlier = [max_pool2d(stage, 2) for stage in stages[:-1]] if self.is_vgg else stages
        refinements = zip(self.doublings, self.skips, earlier[::-1], strict=False)
        for doubling, skip, stage in refinements:
            scores = doubling(scores) + skip(stage)
        logits_BKHW: Tensor = self.enlarge(scores)
        if self.aux_head is None or not self.training:
            return logits_BKHW
        return [logits_BKHW, self.aux_head(stages[-1])]


def _halve_first_dilation(encoder: nn.Module) -> None:
    """Halve the dilation of the first block in dilated bottleneck stages of a ResNet."""
    stages: list[Any] = [s for name, s in encoder.named_children() if name in DILATED_STAGES]
    for stage in stages:
        first, last = stage[0], stage[-1]
        if "conv3" in dict(first.named_children()):
            rate = max(1, last.conv2.dilation[0] // 2)
            first.conv2.dilation = first.conv2.padding = (rate, rate)


def _vgg_head(config: Config, in_channels: int, num_classes: int) -> nn.Module:
    """The fully connected layers of VGG16, the first 7 x 7."""
    dropout = 0.5 if config.dropout is None else config.dropout
    first = nn.Conv2d(in_channels, FULLY_CONNECTED, 7, padding=3)
    return fully_connected_head(first, num_classes, dropout)


def _head(config: Config, in_channels: int, num_classes: int) -> nn.Module:
    dropout = 0.1 if config.dropout is None else config.dropout
    return fcn_head(in_channels, num_classes, dropout=dropout)


def _skip_head(in_channels: int, num_classes: int) -> nn.Conv2d:
    """The scores of a skip, 0 at the start of training."""
    conv = nn.Conv2d(in_channels, num_classes, 1)
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv


def _upsampling(num_classes: int) -> nn.ConvTranspose2d:
    """Upsampling by 2, bilinear at the start of training."""
    conv = nn.ConvTranspose2d(num_classes, num_classes, 4, stride=2, padding=1, bias=False)
    side_4 = torch.tensor([0.25, 0.75, 0.75, 0.25])
    kernel_44 = side_4[:, None] * side_4
    with torch.no_grad():
        conv.weight.copy_(torch.eye(num_classes)[:, :, None, None] * kernel_44)
    return conv
