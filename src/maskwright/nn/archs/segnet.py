"""SegNet, Badrinarayanan et al. 2015 (arXiv:1511.00561): VGG16 and its mirror.

The decoder gets only the indices of the encoder's maxima (max unpooling): sharp borders at
little memory.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn

from maskwright.nn.blocks.conv import conv_norm_relu
from maskwright.nn.blocks.initialise import init_he
from maskwright.nn.blocks.pooling import max_pool_with_indices, max_unpool
from maskwright.nn.blocks.recompute import SelfCheckpointing, run_checkpointed
from maskwright.nn.encoders import import_smp
from maskwright.nn.part_config import NoChoices as Config
from maskwright.nn.published_recipe import PublishedRecipe

ENCODERS = ("vgg16_bn", "vgg11_bn", "vgg13_bn", "vgg19_bn")

GOOD_FOR = "A known baseline; sharp borders without skips."

RECIPE = PublishedRecipe(
    source="Badrinarayanan et al. 2017, section 4, and the authors' solver",
    optimizer="sgd",
    lr=0.001,
    batch_size=4,
    num_steps=40_000,
    weight_decay=5e-4,
    schedule="step",
)


def build(_config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`); the widths are the encoder's."""
    return SegNet(_build_vgg(encoder, in_channels), num_classes)


class SegNet(SelfCheckpointing):
    """A VGG encoder with batch normalisation, and a decoder with its layers in reverse order.

    With checkpointing, the layers between two poolings are recomputed together.
    """

    def __init__(self, encoder: Any, num_classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = nn.ModuleList(_mirror(stage) for stage in reversed(self._stages()))
        last = cast("nn.Sequential", self.decoder[-1])
        last[-1] = nn.Conv2d(64, num_classes, 3, padding=1)
        init_he(self)  # as the authors

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Logits (B, K, H, W)."""
        maxima = []
        for stage in self._stages():
            x_BCHW, places = max_pool_with_indices(self._run(stage, x_BCHW))
            maxima.append(places)
        for mirrored, places in zip(self.decoder, reversed(maxima), strict=True):
            x_BCHW = self._run(mirrored, max_unpool(x_BCHW, places))
        return x_BCHW

    def _run(self, stage: nn.Module, x_BCHW: Tensor) -> Tensor:
        return run_checkpointed(stage, x_BCHW, checkpointing=self.checkpointing)

    def _stages(self) -> list[nn.Sequential]:
        """The encoder's layers between its poolings."""
        layers = self.encoder.features
        ends = [i for i, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
        starts = [0, *(end + 1 for end in ends)]
        return [layers[i:j] for i, j in zip(starts, ends, strict=False)]


def _build_vgg(encoder: str, in_channels: int) -> nn.Module:
    """The library's VGG, whose kernels `SegNet` initialises.

    The library would first initialise a classifier of 120 million parameters (3 s).
    """
    with torch.device("meta"):
        vgg = import_smp().encoders.get_encoder(encoder, in_channels=in_channels, weights=None)
    vgg = vgg.to_empty(device=torch.get_default_device())
    for layer in vgg.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()
    return cast("nn.Module", vgg)


def _mirror(stage: nn.Sequential) -> nn.Sequential:
    convs = [layer for layer in stage if isinstance(layer, nn.Conv2d)]
    return nn.Sequential(
        *(conv_norm_relu(conv.out_channels, conv.in_channels) for conv in reversed(convs))
    )
