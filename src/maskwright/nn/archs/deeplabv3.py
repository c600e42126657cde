"""DeepLabv3, Chen et al. 2017 (arXiv:1706.05587): atrous pyramid with image-level features."""

from typing import Any

from torch import Tensor, nn

from maskwright.nn.blocks.atrous import AtrousConfig, AtrousPyramid
from maskwright.nn.blocks.dilation import build_encoder, set_multi_grid
from maskwright.nn.blocks.heads import DeeplySupervised, fcn_head, score_head
from maskwright.nn.blocks.initialise import init_he
from maskwright.nn.blocks.library import build_library_network
from maskwright.nn.blocks.norm import replace_batch_norm
from maskwright.nn.blocks.resize import Enlarge
from maskwright.nn.encoders import import_smp
from maskwright.nn.published_recipe import PublishedRecipe

GOOD_FOR = "Large context, where thin objects matter little."

RECIPE = PublishedRecipe(
    source="Chen et al. 2017, section 4.1, and train.py of the authors",
    optimizer="sgd",
    lr=0.007,
    batch_size=16,
    num_steps=30_000,
    weight_decay=1e-4,
    output_stride=16,
)
"""The authors' file has this decay for ResNets, and 4e-5 for MobileNetV2 and Xception.

The batch size was not checked against a source.
"""


class Config(AtrousConfig):
    """As of the atrous pyramid, the multi-grid, and the dilation of strided layers.

    `multi_grid` multiplies the dilation of the three units in the last stage of a ResNet
    (section 4.2); 1, 1, 1 is torchvision's network. Other encoders have no such units. With
    `dilates_strided`, the layer that loses its stride is dilated too, which torchvision's
    weights on MobileNetV3 need; other weights lose their meaning by it.
    """

    multi_grid: tuple[int, int, int] = (1, 2, 4)
    dilates_strided: bool = False


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`)."""
    network = build_encoder(
        encoder,
        in_channels,
        output_stride=config.output_stride,
        dilates_strided=config.dilates_strided,
    )
    set_multi_grid(network, config.multi_grid)
    replace_batch_norm(network)
    return DeepLabV3(config, network, num_classes)


def _build_first(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    make = import_smp().DeepLabV3
    return build_library_network(make, encoder, in_channels, num_classes, **config.to_library())


REVISION = 2
"""2: dilation keeps pretrained features, multi-grid, initial weights, auxiliary head."""

OLDER = {1: _build_first}


class DeepLabV3(DeeplySupervised):
    """Encoder, atrous pyramid and head; in training an auxiliary head."""

    def __init__(self, config: Config, encoder: Any, num_classes: int) -> None:
        super().__init__(config.aux_weight)
        self.enlarge = Enlarge(config.output_stride)
        self.encoder: nn.Module = encoder
        *_, before, last = encoder.out_channels
        self.pyramid = AtrousPyramid(last, config)
        self.head = score_head(config.decoder_channels, config.decoder_channels, num_classes)
        self.aux_head = fcn_head(before, num_classes) if config.aux_weight else None
        init_he(self.pyramid)
        init_he(self.head)
        init_he(self.head[-1], slope=1)

    def forward(self, x_BCHW: Tensor) -> Any:
        """Logits; in training, also those of the auxiliary head, smaller."""
        *_, before, last = self.encoder(x_BCHW)
        logits_BKHW: Tensor = self.enlarge(self.head(self.pyramid(last)))
        if self.aux_head is None or not self.training:
            return logits_BKHW
        return [logits_BKHW, self.aux_head(before)]
