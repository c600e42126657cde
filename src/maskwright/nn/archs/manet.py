"""MA-Net, Fan et al. 2020 (doi:10.1109/ACCESS.2020.3025372): position and scale attention."""

from pydantic import Field
from torch import nn

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
    return build_library_network(
        import_smp().MAnet,
        encoder,
        in_channels,
        num_classes,
        decoder_channels=config.decoder_channels,
        decoder_pab_channels=config.attention_channels,
    )
