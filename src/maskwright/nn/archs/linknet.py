"""LinkNet, Chaurasia and Culurciello 2017 (arXiv:1707.03718): skips are added, not stacked.

Each of the four decoder blocks ends at the size of the input of its encoder block, which is
added to it; two full convolutions then reach the size of the image.
"""

from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from maskwright.nn.blocks.conv import conv_norm_relu
from maskwright.nn.blocks.initialise import init_he
from maskwright.nn.blocks.library import build_library_network
from maskwright.nn.blocks.norm import Norm, replace_batch_norm
from maskwright.nn.blocks.pyramid import pyramid_encoder, pyramid_maps, pyramid_widths
from maskwright.nn.encoders import import_smp
from maskwright.nn.part_config import NoChoices as Config
from maskwright.nn.published_recipe import PublishedRecipe

FINAL_CHANNELS = 32
STEM = 1
"""Index of the stem's map, of stride 2, among the encoder's features."""

GOOD_FOR = "Speed on a small machine, with borders better than its size suggests."

RECIPE = PublishedRecipe(
    source="Chaurasia and Culurciello 2017, opts.lua and train.lua of the authors",
    optimizer="rmsprop",
    lr=5e-4,
    batch_size=8,
    num_steps=111_000,
    schedule="step",
)
"""The weight decay of the authors' options, 2e-4, is not applied by their train.lua."""


def build(_config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`); the paper's encoder is resnet18."""
    network = pyramid_encoder(encoder, in_channels)
    replace_batch_norm(network)
    return LinkNet(network, num_classes)


def _build_first(
    _config: Config, encoder: str, in_channels: int, num_classes: int
) -> nn.Module:
    return build_library_network(import_smp().Linknet, encoder, in_channels, num_classes)


REVISION = 2
"""2: the paper's network; the library's has five decoder blocks and no full convolutions."""

OLDER = {1: _build_first}


class LinkNet(nn.Module):
    """Encoder, decoder blocks with added skips, and full convolutions."""

    def __init__(self, encoder: Any, num_classes: int) -> None:
        super().__init__()
        self.encoder: nn.Module = encoder
        widths = pyramid_widths(encoder)
        # an encoder without a map of stride 2 has none to add to the last block
        first = encoder.out_channels[STEM] or widths[0]
        self.decoder = nn.ModuleList(
            _decoder_block(deep, shallow, stride=2 if index else 1)
            for index, (shallow, deep) in enumerate(pairwise([first, *widths]))
        )
        self.head = nn.Sequential(
            nn.ConvTranspose2d(first, FINAL_CHANNELS, 3, 2, 1, 1),
            Norm(FINAL_CHANNELS),
            nn.ReLU(),
            nn.Conv2d(FINAL_CHANNELS, FINAL_CHANNELS, 3, padding=1),
            Norm(FINAL_CHANNELS),
            nn.ReLU(),
            nn.ConvTranspose2d(FINAL_CHANNELS, num_classes, 2, 2),
        )
        for part in (self.decoder, self.head):
            init_he(part)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, K, H, W)."""
        features = self.encoder(x_BCHW)
        *skips, context = pyramid_maps(features)
        # the input of a ResNet's first stage
        stem = max_pool2d(features[STEM], 3, 2, 1) if features[STEM].shape[1] else None
        for block, skip in zip(self.decoder[:0:-1], reversed(skips), strict=True):
            context = block(context) + skip
        context = self.decoder[0](context)
        logits: Tensor = self.head(context if stem is None else context + stem)
        return logits


def _decoder_block(in_channels: int, out_channels: int, *, stride: int) -> nn.Sequential:
    """Projection to a quarter, full convolution, projection; each normalised, with a ReLU."""
    narrow = max(1, in_channels // 4)
    full = nn.ConvTranspose2d(
        narrow, narrow, 3, stride, padding=1, output_padding=stride - 1, bias=False
    )
    return nn.Sequential(
        conv_norm_relu(in_channels, narrow, 1),
        nn.Sequential(full, Norm(narrow), nn.ReLU()),
        conv_norm_relu(narrow, out_channels, 1),
    )
