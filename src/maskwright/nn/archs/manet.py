"""MA-Net, Fan et al. 2020 (doi:10.1109/ACCESS.2020.3025372): attention to places and scales."""

from pydantic import Field
from torch import nn

from maskwright.nn.blocks.library import library_network
from maskwright.nn.encoders import import_smp
from maskwright.nn.part_config import PartConfig

GOOD_FOR = "Organs and other shapes whose parts explain each other; medical images."


class Config(PartConfig):
    """Widths of the five decoder stages, coarsest first, and of the attention over places.

    That attention compares every two places of the coarsest features: its memory grows with
    the square of the image's area, 0.3 MB an image of 512 x 512, 67 MB one of 2048 x 2048.
    """

    decoder_channels: tuple[int, int, int, int, int] = (256, 128, 64, 32, 16)
    attention_channels: int = Field(64, gt=0)


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """See `protocols.Arch`."""
    return library_network(
        import_smp().MAnet,
        encoder,
        in_channels,
        num_classes,
        decoder_channels=config.decoder_channels,
        decoder_pab_channels=config.attention_channels,
    )
