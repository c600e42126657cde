"""DeepLabv3+, Chen et al. 2018 (arXiv:1802.02611): atrous pyramid and a stride-4 skip.

All 3 x 3 convolutions are depthwise separable, as in the authors' fastest networks (section
3.2), with normalisation and ReLU after the depthwise one too, as in their code. The auxiliary
head is mmsegmentation's: the authors have none.
"""

from typing import Any

import torch
from torch import Tensor, nn

from maskwright.nn.blocks.atrous import AtrousConfig as Config
from maskwright.nn.blocks.atrous import AtrousPyramid
from maskwright.nn.blocks.conv import conv_norm_relu
from maskwright.nn.blocks.dilation import build_encoder
from maskwright.nn.blocks.heads import DeeplySupervised, fcn_head
from maskwright.nn.blocks.initialise import init_he
from maskwright.nn.blocks.library import build_library_network
from maskwright.nn.blocks.norm import replace_batch_norm
from maskwright.nn.blocks.resize import Enlarge, resize_like
from maskwright.nn.encoders import import_smp
from maskwright.nn.published_recipe import PublishedRecipe

STRIDE = 4
SKIP = 2
"""Index of the map of stride 4 among the encoder's features."""

SKIP_CHANNELS = 48
GOOD_FOR = "Street scenes and other large context; quick on a CPU with a light encoder."

RECIPE = PublishedRecipe(
    source="Chen et al. 2018, section 4, and train.py of the authors",
    optimizer="sgd",
    lr=0.007,
    batch_size=16,
    num_steps=30_000,
    weight_decay=4e-5,
    output_stride=16,
)
"""The authors' file has this decay for MobileNetV2 and Xception, and 1e-4 for ResNets.

The batch size was not checked against a source.
"""


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`); logits at stride 4, upsampled bilinearly."""
    network = build_encoder(encoder, in_channels, output_stride=config.output_stride)
    replace_batch_norm(network)
    return DeepLabV3Plus(config, network, num_classes)


def _build_first(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    make = import_smp().DeepLabV3Plus
    return build_library_network(make, encoder, in_channels, num_classes, **config.to_library())


REVISION = 2
"""2: dilation keeps pretrained features; the paper's decoder, initialised; auxiliary head."""

OLDER = {1: _build_first}


class DeepLabV3Plus(DeeplySupervised):
    """Encoder, atrous pyramid, and a decoder with one skip; in training an auxiliary head."""

    def __init__(self, config: Config, encoder: Any, num_classes: int) -> None:
        super().__init__(config.aux_weight)
        self.enlarge = Enlarge(STRIDE)
        self.encoder: nn.Module = encoder
        *_, before, last = encoder.out_channels
        width = config.decoder_channels
        self.pyramid = AtrousPyramid(last, config, separable_conv_relu)
        self.skip = conv_norm_relu(encoder.out_channels[SKIP], SKIP_CHANNELS, 1)
        self.fuse = nn.Sequential(
            separable_conv_relu(width + SKIP_CHANNELS, width),
            separable_conv_relu(width, width),
        )
        self.head = nn.Conv2d(width, num_classes, 1)
        self.aux_head = fcn_head(before, num_classes) if config.aux_weight else None
        for part in (self.pyramid, self.skip, self.fuse):
            init_he(part)
        init_he(self.head, slope=1)

    def forward(self, x_BCHW: Tensor) -> Any:
        """Logits; in training, also those of the auxiliary head, smaller."""
        features = self.encoder(x_BCHW)
        skip_BChw = self.skip(features[SKIP])
        context_BChw = resize_like(self.pyramid(features[-1]), skip_BChw)
        fused_BChw = self.fuse(torch.cat([context_BChw, skip_BChw], 1))
        logits_BKHW: Tensor = self.enlarge(self.head(fused_BChw))
        if self.aux_head is None or not self.training:
            return logits_BKHW
        return [logits_BKHW, self.aux_head(features[-2])]


def separable_conv_relu(
    in_channels: int, out_channels: int, *, dilation: int = 1
) -> nn.Sequential:
    """Depthwise 3 x 3, then 1 x 1, each normalised and with a ReLU."""
    return nn.Sequential(
        conv_norm_relu(in_channels, in_channels, dilation=dilation, groups=in_channels),
        conv_norm_relu(in_channels, out_channels, 1),
    )
