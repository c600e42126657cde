"""SegNet, Badrinarayanan et al. 2015 (arXiv:1511.00561): VGG16 and its mirror.

Of the encoder, the decoder keeps only where each maximum was (max-unpooling): sharp borders
at little memory.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn

from maskwright.nn.blocks.conv import conv_norm_relu
from maskwright.nn.blocks.pooling import pooled_with_places, unpooled
from maskwright.nn.blocks.recompute import SelfCheckpointing, run_checkpointed
from maskwright.nn.encoders import import_smp
from maskwright.nn.part_config import NoChoices as Config

ENCODERS = ("vgg16_bn", "vgg11_bn", "vgg13_bn", "vgg19_bn")

GOOD_FOR = "A known baseline of the field; sharp borders without skips."


def build(_config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """See `protocols.Arch`; the widths are the encoder's."""
    return SegNet(_vgg(encoder, in_channels), num_classes)


class SegNet(SelfCheckpointing):
    """A VGG encoder with batch normalisation, and a decoder with its layers in reverse order.

    With checkpointing, the layers between two poolings are recomputed together.
    """

    def __init__(self, encoder: Any, num_classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = nn.ModuleList(_mirrored(stage) for stage in reversed(self._stages()))
        last = cast("nn.Sequential", self.decoder[-1])
        last[-1] = nn.Conv2d(64, num_classes, 3, padding=1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Logits of shape (B, K, H, W)."""
        places = []
        for stage in self._stages():
            x_BCHW, place = pooled_with_places(self._run(stage, x_BCHW))
            places.append(place)
        for mirrored, place in zip(self.decoder, reversed(places), strict=True):
            x_BCHW = self._run(mirrored, unpooled(x_BCHW, place))
        return x_BCHW

    def _run(self, stage: nn.Module, x_BCHW: Tensor) -> Tensor:
        return run_checkpointed(stage, x_BCHW, checkpointing=self.checkpointing)

    def _stages(self) -> list[nn.Sequential]:
        """The encoder's layers between its poolings."""
        layers = self.encoder.features
        ends = [i for i, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
        starts = [0, *(end + 1 for end in ends)]
        return [layers[i:j] for i, j in zip(starts, ends, strict=False)]


def _vgg(encoder: str, in_channels: int) -> nn.Module:
    """The library's, initialised here: it fills a classifier of 120 million first (3 s)."""
    with torch.device("meta"):
        vgg = import_smp().encoders.get_encoder(encoder, in_channels=in_channels, weights=None)
    vgg = vgg.to_empty(device=torch.get_default_device())
    for layer in vgg.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(cast("Tensor", layer.bias))
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()
    return cast("nn.Module", vgg)


def _mirrored(stage: nn.Sequential) -> nn.Sequential:
    convs = [layer for layer in stage if isinstance(layer, nn.Conv2d)]
    return nn.Sequential(
        *(conv_norm_relu(conv.out_channels, conv.in_channels) for conv in reversed(convs))
    )
