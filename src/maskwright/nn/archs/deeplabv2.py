"""DeepLab v2, Chen et al. 2016 (arXiv:1606.00915): sum over rates, maximum over scales.

The paper refines the scores by a dense CRF. That is not part of the network:
`predict --refine crf` does it for any model.
"""

from collections.abc import Callable
from functools import partial, reduce
from typing import Any, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import interpolate

from maskwright.nn.blocks.dilation import build_encoder
from maskwright.nn.blocks.heads import DeeplySupervised
from maskwright.nn.blocks.initialise import init_scores
from maskwright.nn.blocks.library import library_encoder
from maskwright.nn.blocks.norm import replace_batch_norm
from maskwright.nn.blocks.resize import Enlarge, resize_like
from maskwright.nn.blocks.vgg import SCORES_STD, dilate_vgg, fully_connected_head
from maskwright.nn.part_config import PartConfig
from maskwright.nn.published_recipe import PublishedRecipe

STRIDE = 8
ENCODERS = ("resnet18", "resnet34", "resnet50", "resnet101", "vgg16", "vgg16_bn")
"""The paper's encoders are resnet101 and vgg16."""

RATES = {"small": (2, 4, 8, 12), "large": (6, 12, 18, 24)}
"""ASPP-S and ASPP-L."""

QUARTERS = (2, 3)
"""Further scales of the image, in quarters of its size."""

GOOD_FOR = "A known baseline; newer architectures are more accurate in less time."

RECIPE = PublishedRecipe(
    source="Chen et al. 2016, section 4.1",
    optimizer="sgd",
    lr=0.01,
    encoder_lr_ratio=0.1,
    batch_size=10,
    num_steps=20_000,
    weight_decay=5e-4,
)
"""The port of the authors' solver for ResNet-101 in kazuto1011/deeplab-pytorch has a quarter of
these rates, 2.5e-4 and 2.5e-3, for the same steps.
"""


class Config(PartConfig):
    """Field of view (ASPP-S or ASPP-L), width and dropout of the VGG head, and scales.

    `multi_scale`: the image is scored at half, three quarters and its full size, and the
    maximum score of each class counts; in training, each scale also has a loss of its own with
    the weight `aux_weight`. It takes 1.8 times as long.
    """

    field_of_view: Literal["small", "large"] = "large"
    decoder_channels: int = Field(1024, gt=0)
    dropout: float = Field(0.5, ge=0, lt=1)
    multi_scale: bool = True
    aux_weight: float = Field(1.0, ge=0)


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`); logits at stride 8, upsampled bilinearly."""
    return _build(build_encoder, config, encoder, in_channels, num_classes)


def _build(
    get_encoder: Callable[..., Any],
    config: Config,
    encoder: str,
    in_channels: int,
    num_classes: int,
) -> nn.Module:
    is_vgg = encoder.startswith("vgg")
    network = get_encoder(encoder, in_channels, output_stride=32 if is_vgg else STRIDE)
    if is_vgg:
        dilate_vgg(network)
    replace_batch_norm(network)
    channels = network.out_channels[-1]
    branch = _vgg_branch if is_vgg else _branch
    pyramid = [
        branch(config, channels, num_classes, rate) for rate in RATES[config.field_of_view]
    ]
    return DeepLabV2(config, network, pyramid)


REVISION = 2
"""2: a ResNet is dilated so that pretrained features keep their values."""

OLDER = {1: partial(_build, library_encoder)}


def _branch(_config: Config, in_channels: int, num_classes: int, rate: int) -> nn.Module:
    scores = nn.Conv2d(in_channels, num_classes, 3, padding=rate, dilation=rate)
    init_scores(scores, SCORES_STD)
    return scores


def _vgg_branch(config: Config, in_channels: int, num_classes: int, rate: int) -> nn.Module:
    """The fully connected layers of VGG16, the first with one dilation rate."""
    first = nn.Conv2d(in_channels, config.decoder_channels, 3, padding=rate, dilation=rate)
    head = fully_connected_head(first, num_classes, config.dropout)
    *_, scores = head
    init_scores(cast("nn.Conv2d", scores), SCORES_STD)
    return head


class DeepLabV2(DeeplySupervised):
    """Encoder and atrous pyramid, run on each scale of the image."""

    def __init__(self, config: Config, encoder: nn.Module, pyramid: list[nn.Module]) -> None:
        super().__init__(config.aux_weight)
        self.enlarge = Enlarge(STRIDE)
        self.encoder = encoder
        self.pyramid = nn.ModuleList(pyramid)
        self.multi_scale = config.multi_scale

    def forward(self, x_BCHW: Tensor) -> Any:
        """Logits; in training, with several scales, also those of each scale."""
        scores = [self._score(x_BCHW)]
        if self.multi_scale:
            smaller = [self._score(_downscale(x_BCHW, quarters)) for quarters in QUARTERS]
            scores += [resize_like(score, scores[0]) for score in smaller]
        logits_BKHW: Tensor = self.enlarge(reduce(torch.maximum, scores))
        if self.training and self.multi_scale and self.aux_weight:
            return [logits_BKHW, *scores]
        return logits_BKHW

    def _score(self, x_BCHW: Tensor) -> Tensor:
        features = self.encoder(x_BCHW)[-1]
        first, *others = (branch(features) for branch in self.pyramid)
        total: Tensor = sum(others, start=first)
        return total


def _downscale(x_BCHW: Tensor, quarters: int) -> Tensor:
    height, width = x_BCHW.shape[-2:]
    size_HW = (height // 4 * quarters, width // 4 * quarters)
    return interpolate(x_BCHW, size_HW, mode="bilinear", align_corners=False)
