"""SegFormer's all-MLP decoder, Xie et al. 2021 (arXiv:2105.15203), on any encoder.

With the encoders mit_b0 ... mit_b5 it is the paper's network SegFormer-B0 ... B5. Dropout and
initialisation are those of the authors' code (github.com/NVlabs/SegFormer).
"""

from pydantic import Field
from torch import Tensor, nn

from maskwright.nn.blocks.library import build_library_network
from maskwright.nn.blocks.norm import replace_batch_norm
from maskwright.nn.blocks.resize import Enlarge
from maskwright.nn.encoders import import_smp
from maskwright.nn.part_config import PartConfig
from maskwright.nn.published_recipe import PublishedRecipe

WIDE = ("mit_b2", "mit_b3", "mit_b4", "mit_b5")

GOOD_FOR = "Scenes of many scales, at few parameters."
REVISION = 2

RECIPE = PublishedRecipe(
    source="Xie et al. 2021, section 4.1",
    optimizer="adamw",
    lr=6e-4,
    encoder_lr_ratio=0.1,
    batch_size=16,
    num_steps=160_000,
    weight_decay=0.01,
    warmup_ratio=1500 / 160_000,
    schedule="linear",
)
"""The authors' rate of the encoder, 6e-5, is a tenth of that of the head."""


class Config(PartConfig):
    """Width of the unified features, and dropout of whole channels before the scores.

    `decoder_channels` None: 768 for mit_b2 to mit_b5, else 256.
    """

    decoder_channels: int | None = Field(None, gt=0)
    dropout: float = Field(0.1, ge=0, lt=1)


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`); logits at stride 4, upsampled bilinearly."""
    network = SegFormer(config, encoder, in_channels, num_classes)
    replace_batch_norm(network)
    return network


class SegFormer(nn.Module):
    """Encoder, the library's decoder, and scores."""

    def __init__(
        self, config: Config, encoder: str, in_channels: int, num_classes: int
    ) -> None:
        super().__init__()
        self.enlarge = Enlarge(4)
        smp = import_smp()
        from segmentation_models_pytorch.decoders.segformer.decoder import SegformerDecoder

        width = _decoder_channels(config, encoder)
        self.encoder = smp.encoders.get_encoder(
            encoder, in_channels=in_channels, depth=5, weights=None
        )
        self.decoder = SegformerDecoder(
            encoder_channels=self.encoder.out_channels, segmentation_channels=width
        )
        nn.init.kaiming_normal_(
            self.decoder.fuse_stage[0].weight, mode="fan_out", nonlinearity="relu"
        )
        self.dropout = nn.Dropout2d(config.dropout)
        self.segmentation_head = nn.Sequential(nn.Conv2d(width, num_classes, 1))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Logits (B, K, H, W)."""
        fused_BChw = self.dropout(self.decoder(self.encoder(x_BCHW)))
        logits: Tensor = self.enlarge(self.segmentation_head(fused_BChw))
        return logits


def _decoder_channels(config: Config, encoder: str) -> int:
    return config.decoder_channels or (768 if encoder in WIDE else 256)


def _build_first(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Revision 1: logits upsampled with aligned corners, no dropout."""
    return build_library_network(
        import_smp().Segformer,
        encoder,
        in_channels,
        num_classes,
        decoder_segmentation_channels=_decoder_channels(config, encoder),
    )


OLDER = {1: _build_first}
