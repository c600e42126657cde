"""U-Net, Ronneberger et al. 2015 (arXiv:1505.04597), on any encoder of five stages."""

from torch import nn

from maskwright.nn.blocks.library import build_library_network
from maskwright.nn.encoders import import_smp
from maskwright.nn.part_config import PartConfig
from maskwright.nn.published_recipe import PublishedRecipe

GOOD_FOR = "Small objects and sharp borders, where there is time to learn them."

RECIPE = PublishedRecipe(
    source="nnU-Net, Isensee et al. 2021, online methods",
    optimizer="sgd",
    lr=0.01,
    batch_size=12,
    num_steps=250_000,
    momentum=0.99,
    weight_decay=3e-5,
    clip_norm=12.0,
    loss="ce+dice",
)
"""The paper gives no learning rate; this is the usual recipe of U-Nets since.

The batch size, which nnU-Net plans for each dataset, was not checked against a source.
"""


class Config(PartConfig):
    """Widths of the five decoder stages, coarsest first."""

    decoder_channels: tuple[int, int, int, int, int] = (256, 128, 64, 32, 16)


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`)."""
    return build_library_network(
        import_smp().Unet,
        encoder,
        in_channels,
        num_classes,
        decoder_channels=config.decoder_channels,
    )
