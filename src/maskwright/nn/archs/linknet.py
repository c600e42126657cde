"""LinkNet, Chaurasia and Culurciello 2017 (arXiv:1707.03718): skips are added, not stacked."""

from torch import nn

from maskwright.nn.blocks.library import build_library_network
from maskwright.nn.encoders import import_smp
from maskwright.nn.part_config import NoChoices as Config

GOOD_FOR = "Speed on a small machine, with borders better than its size suggests."


def build(_config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`); the paper's encoder is resnet18."""
    return build_library_network(import_smp().Linknet, encoder, in_channels, num_classes)
