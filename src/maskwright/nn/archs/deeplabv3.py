"""DeepLabv3, Chen et al. 2017 (arXiv:1706.05587): atrous pyramid with image-level features."""

from torch import nn

from maskwright.nn.blocks.atrous import AtrousConfig as Config
from maskwright.nn.blocks.library import build_library_network
from maskwright.nn.encoders import import_smp

GOOD_FOR = "Large context, where thin objects matter little."


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`)."""
    make = import_smp().DeepLabV3
    return build_library_network(make, encoder, in_channels, num_classes, **config.to_library())
