"""LinkNet, Chaurasia and Culurciello 2017 (arXiv:1707.03718): skips are added, not stacked."""

from typing import cast

from pydantic import BaseModel, ConfigDict
from torch import nn

from maskwright.nn.blocks.lone_norm import bear_lone_values
from maskwright.nn.encoders import quiet_smp

GOOD_FOR = "Speed on a small machine, with borders better than its size suggests."


class Config(BaseModel):
    """There is nothing to choose: the widths are the encoder's."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """The contract of `nn.archs`; the paper's encoder is resnet18."""
    smp = quiet_smp()
    network = smp.Linknet(
        encoder, encoder_weights=None, in_channels=in_channels, classes=num_classes
    )
    bear_lone_values(network)
    return cast("nn.Module", network)
