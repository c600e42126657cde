"""MA-Net, Fan et al. 2020 (doi:10.1109/ACCESS.2020.3025372): position and scale attention."""

from typing import Any

from pydantic import Field
from torch import Tensor, nn

from maskwright.nn.blocks.library import build_library_network
from maskwright.nn.encoders import import_smp
from maskwright.nn.part_config import PartConfig

GOOD_FOR = "Organs and other shapes whose parts explain each other; medical images."


class Config(PartConfig):
    """Widths of the five decoder stages, coarsest first, and of the position attention.

    The attention compares all pairs of pixels of the coarsest features: its memory grows with
    the square of the image's area (0.3 MB for 512 x 512 pixels, 67 MB for 2048 x 2048).
    """

    decoder_channels: tuple[int, int, int, int, int] = (256, 128, 64, 32, 16)
    attention_channels: int = Field(64, gt=0)


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`)."""
    network: Any = _build_first(config, encoder, in_channels, num_classes)
    network.decoder.center = PositionAttention(network.decoder.center)
    module: nn.Module = network
    return module


def _build_first(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    return build_library_network(
        import_smp().MAnet,
        encoder,
        in_channels,
        num_classes,
        decoder_channels=config.decoder_channels,
        decoder_pab_channels=config.attention_channels,
    )


REVISION = 2
"""2: each place has its own distribution over places, and its own sum."""

OLDER = {1: _build_first}


class PositionAttention(nn.Module):
    """The position-wise attention block, figure 4, with the library's convolutions.

    The library takes one softmax over all pairs of places of the map, and reads the attended
    (places, channels) as (channels, places).
    """

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.top_conv, self.center_conv = block.top_conv, block.center_conv
        self.bottom_conv, self.out_conv = block.bottom_conv, block.out_conv

    def forward(self, x_BChw: Tensor) -> Tensor:
        """(B, C, h, w)."""
        # (B, C, h, w) -> (B, C, N)
        keys_BAN, queries_BAN = (
            self.top_conv(x_BChw).flatten(2),
            self.center_conv(x_BChw).flatten(2),
        )
        values_BCN = self.bottom_conv(x_BChw).flatten(2)
        attention_BNN = (queries_BAN.transpose(1, 2) @ keys_BAN).softmax(-1)
        # (B, C, N) -> (B, C, h, w)
        attended_BChw = (values_BCN @ attention_BNN.transpose(1, 2)).view_as(x_BChw)
        output: Tensor = self.out_conv(x_BChw + attended_BChw)
        return output
