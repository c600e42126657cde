"""DPT, Ranftl et al. 2021 (arXiv:2103.13413): tokens of a transformer, fused as a pyramid."""

from typing import Any, Literal

from pydantic import Field
from torch import Tensor, nn

from maskwright.nn.blocks.heads import DeeplySupervised, dropout_head
from maskwright.nn.blocks.norm import replace_batch_norm
from maskwright.nn.blocks.vit import VisionTransformerStages
from maskwright.nn.encoders import import_smp
from maskwright.nn.part_config import PartConfig

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

STAGES = 4

GOOD_FOR = "Global context from a pretrained transformer; many images, a GPU."


class Config(PartConfig):
    """Use of the class token, widths of the maps and of their fusion, auxiliary loss.

    `readout`: the class token is concatenated with each token and projected ("cat", the
    paper's), added to it ("add"), or ignored. In training, an auxiliary head on the last but
    one stage of the fusion adds `aux_weight` times its loss; with 0 it is not built.
    """

    readout: Literal["cat", "add", "ignore"] = "cat"
    stage_channels: tuple[int, int, int, int] = (256, 512, 1024, 1024)
    fusion_channels: int = Field(256, gt=0)
    aux_weight: float = Field(0.2, ge=0)


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`); logits at stride 2, upsampled bilinearly."""
    tokens = VisionTransformerStages(
        encoder.removeprefix("tu-"), stages=STAGES, in_channels=in_channels
    )
    return DPT(config, tokens, num_classes)


class DPT(DeeplySupervised):
    """Encoder, the library's decoder and head, and an auxiliary head in training."""

    def __init__(
        self, config: Config, encoder: VisionTransformerStages, num_classes: int
    ) -> None:
        super().__init__(config.aux_weight)
        import_smp()
        from segmentation_models_pytorch.base import initialization
        from segmentation_models_pytorch.decoders.dpt import decoder as library

        self.encoder = encoder
        self.decoder = library.DPTDecoder(
            encoder_out_channels=[encoder.channels] * STAGES,
            encoder_output_strides=[encoder.stride] * STAGES,
            encoder_has_prefix_tokens=True,
            readout=config.readout,
            intermediate_channels=config.stage_channels,
            fusion_channels=config.fusion_channels,
        )
        self.head = library.DPTSegmentationHead(config.fusion_channels, num_classes)
        initialization.initialize_decoder(self.decoder)
        initialization.initialize_head(self.head)
        replace_batch_norm(self)
        width = config.fusion_channels
        self.aux_head: nn.Module | None = None
        if config.aux_weight:
            self.aux_head = dropout_head(width, width, num_classes, nn.Dropout(0.1))

    def forward(self, x_BCHW: Tensor) -> Any:
        """Logits; in training, also those of the auxiliary head, smaller."""
        fused = before = None
        for block, stage in zip(
            self.decoder.fusion_blocks, reversed(self._fusion_inputs(x_BCHW)), strict=True
        ):
            before, fused = fused, block(stage, fused)
        logits_BKHW: Tensor = self.head(fused)
        if self.aux_head is None or not self.training:
            return logits_BKHW
        return [logits_BKHW, self.aux_head(before)]

    def _fusion_inputs(self, x_BCHW: Tensor) -> list[Tensor]:
        """Maps of strides 4, 8, 16 and 32 with `fusion_channels` channels each."""
        steps = zip(self.decoder.projection_blocks, self.decoder.reassemble_blocks, strict=True)
        return [
            reassemble(project(map_BChw, class_B1C))
            for (project, reassemble), (map_BChw, class_B1C) in zip(
                steps, self.encoder(x_BCHW), strict=True
            )
        ]
