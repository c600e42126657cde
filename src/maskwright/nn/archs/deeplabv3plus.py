"""DeepLabv3+, Chen et al. 2018 (arXiv:1802.02611): atrous pyramid and a stride-4 skip."""

from torch import nn

from maskwright.nn.blocks.atrous import AtrousConfig as Config
from maskwright.nn.blocks.library import build_library_network
from maskwright.nn.encoders import import_smp

GOOD_FOR = "Street scenes and other large context; quick on a CPU with a light encoder."


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`)."""
    make = import_smp().DeepLabV3Plus
    return build_library_network(make, encoder, in_channels, num_classes, **config.to_library())
