"""DPT, Ranftl et al. 2021 (arXiv:2103.13413): tokens of a transformer, fused as a pyramid."""

from collections import OrderedDict
from typing import Any

from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import interpolate

from maskwright.nn.blocks.dpt import (
    NUM_STAGES,
    DPTDecoder,
    Readout,
    StageWidths,
    dpt_scores,
    restore_first_revision,
    stage_widths,
)
from maskwright.nn.blocks.heads import DeeplySupervised, dropout_head
from maskwright.nn.blocks.vit import VisionTransformerStages
from maskwright.nn.part_config import PartConfig
from maskwright.nn.published_recipe import PublishedRecipe

ENCODERS = (
    "vit_small_patch16_224",
    "vit_tiny_patch16_224",
    "vit_base_patch16_224",
    "vit_large_patch16_224",
    "vit_small_patch16_384",
    "vit_tiny_patch16_384",
    "vit_base_patch16_384",
    "vit_large_patch16_384",
    "deit3_small_patch16_224",
    "deit3_base_patch16_224",
    "deit3_large_patch16_224",
    "deit3_small_patch16_384",
    "deit3_base_patch16_384",
    "deit3_large_patch16_384",
)
"""The paper's encoders are vit_base_patch16_384 and vit_large_patch16_384."""

LARGE = (256, 512, 1024, 1024)
"""The authors' widths of the stages for tokens of 1024 channels."""

GOOD_FOR = "Global context from a pretrained transformer; many images, a GPU."
REVISION = 2

RECIPE = PublishedRecipe(
    source="Ranftl et al. 2021, section 4.2",
    optimizer="sgd",
    lr=0.002,
    batch_size=48,
    num_steps=101_000,
)
"""The paper gives no weight decay. The number of steps, 240 epochs of ADE20K, was not checked
against a source.
"""


class Config(PartConfig):
    """Use of the class token, widths of the maps and of their fusion, auxiliary loss, resizing.

    `readout`: the class token is concatenated with each token and projected ("cat", the
    paper's), added to it ("add"), or ignored. `stage_channels` None: the authors' for the
    encoder, (256, 512, 1024, 1024) for a large one, else 1/8, 1/4, 1/2 and 1 times its width.
    In training, an auxiliary head on the last but one stage of the fusion adds `aux_weight`
    times its loss; with 0 it is not built. With `align_corners`, maps are resized with aligned
    corners, as in the authors' network and its published weights.
    """

    readout: Readout = "cat"
    stage_channels: StageWidths | None = None
    fusion_channels: int = Field(256, gt=0)
    aux_weight: float = Field(0.2, ge=0)
    align_corners: bool = False


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> "DPT":
    """Build the network (`protocols.Arch`); logits at stride 2, upsampled bilinearly."""
    tokens = VisionTransformerStages(
        encoder.removeprefix("tu-"), stages=NUM_STAGES, in_channels=in_channels
    )
    return DPT(config, tokens, num_classes)


class DPT(DeeplySupervised):
    """Encoder, decoder and head, and an auxiliary head in training (section 4.2)."""

    def __init__(
        self, config: Config, encoder: VisionTransformerStages, num_classes: int
    ) -> None:
        super().__init__(config.aux_weight)
        self.encoder = encoder
        width, token_width = config.fusion_channels, encoder.channels
        widths = LARGE if token_width == LARGE[-1] else stage_widths(token_width)
        self.decoder = DPTDecoder(
            token_width, config.stage_channels or widths, width, config.readout
        )
        self.decoder.align(corners=config.align_corners)
        # the nesting is part of the state-dict keys
        self.head = nn.Sequential(OrderedDict(head=dpt_scores(width, num_classes)))
        self.align_corners = config.align_corners
        self.aux_head: nn.Module | None = None
        if config.aux_weight:
            self.aux_head = dropout_head(width, width, num_classes, nn.Dropout(0.1))

    def forward(self, x_BCHW: Tensor) -> Any:
        """Logits; in training, also those of the auxiliary head, smaller."""
        *_, before, last = self.decoder(self.encoder(x_BCHW))
        logits_BKHW = interpolate(
            self.head(last),
            scale_factor=2,
            mode="bilinear",
            align_corners=self.align_corners,
        )
        if self.aux_head is None or not self.training:
            return logits_BKHW
        return [logits_BKHW, self.aux_head(before)]


def _build_first(config: Config, encoder: str, in_channels: int, num_classes: int) -> "DPT":
    """Revision 1: the widths of a large encoder for all."""
    widths = config.stage_channels or LARGE
    config = config.model_copy(update={"stage_channels": widths, "align_corners": True})
    network = build(config, encoder, in_channels, num_classes)
    restore_first_revision(network.decoder)
    return network


OLDER = {1: _build_first}
