"""DeepLab-LargeFOV, Chen et al. 2015 (arXiv:1412.7062): dilated VGG16 of stride 8.

The paper refines the scores by a dense CRF. That is not part of the network:
`predict --refine crf` does it for any model.
"""

from typing import Any, cast

from pydantic import Field
from torch import Tensor, nn

from maskwright.nn.blocks.initialise import init_scores
from maskwright.nn.blocks.norm import replace_batch_norm
from maskwright.nn.blocks.resize import Enlarge
from maskwright.nn.blocks.vgg import SCORES_STD, dilate_vgg, fully_connected_head
from maskwright.nn.encoders import import_smp
from maskwright.nn.part_config import PartConfig
from maskwright.nn.published_recipe import PublishedRecipe

STRIDE = 8
ENCODERS = ("vgg16", "vgg16_bn")
GOOD_FOR = "A known baseline; newer architectures are more accurate in less time."

RECIPE = PublishedRecipe(
    source="Chen et al. 2015, section 5",
    optimizer="sgd",
    lr=0.001,
    batch_size=20,
    num_steps=6_000,
    weight_decay=5e-4,
    schedule="step",
)
"""The authors' last layer learns ten times as fast, which no key of a recipe says.

The number of steps was not checked against a source.
"""


class Config(PartConfig):
    """Width and dilation rate of the layer with the large field of view, and its dropout."""

    decoder_channels: int = Field(1024, gt=0)
    rate: int = Field(12, gt=0)
    dropout: float = Field(0.5, ge=0, lt=1)


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`); logits at stride 8, upsampled bilinearly."""
    network = import_smp().encoders.get_encoder(encoder, in_channels=in_channels)
    dilate_vgg(network)
    replace_batch_norm(network)
    return LargeFOV(config, network, num_classes)


def _build_first(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    network: Any = build(config, encoder, in_channels, num_classes)
    network.pool = nn.Identity()
    module: nn.Module = network
    return module


REVISION = 2
"""2: the mean of 3 x 3 after the last pool."""

OLDER = {1: _build_first}


class LargeFOV(nn.Module):
    """VGG16 whose first fully connected layer is a dilated 3 x 3 convolution.

    A mean over 3 x 3 follows its last pool, as in the authors' network.
    """

    def __init__(self, config: Config, encoder: Any, num_classes: int) -> None:
        super().__init__()
        self.enlarge = Enlarge(STRIDE)
        self.encoder: nn.Module = encoder
        width, rate = config.decoder_channels, config.rate
        wide = nn.Conv2d(encoder.out_channels[-1], width, 3, padding=rate, dilation=rate)
        self.pool = nn.AvgPool2d(3, stride=1, padding=1)
        self.head = fully_connected_head(wide, num_classes, config.dropout)
        *_, scores = self.head
        init_scores(cast("nn.Conv2d", scores), SCORES_STD)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, K, H, W)."""
        logits: Tensor = self.enlarge(self.head(self.pool(self.encoder(x_BCHW)[-1])))
        return logits
