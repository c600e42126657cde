"""LR-ASPP, Howard et al. 2019 (arXiv:1905.02244), section 6.4 and figure 10.

The coarsest map, weighted by a gate of its mean, is scored with a skip of stride 8. As in
torchvision, whose weights are published, the skip is the output of the first block of stride 8,
the gate is of the mean of the whole map (the paper's of windows of 49 x 49), and the encoder's
last map keeps its width (the paper halves it).
"""

from typing import Any, Literal

from pydantic import Field
from torch import Tensor, nn

from maskwright.nn.blocks.conv import conv_norm_relu
from maskwright.nn.blocks.dilation import build_encoder
from maskwright.nn.blocks.norm import replace_batch_norm
from maskwright.nn.blocks.pooling import global_mean
from maskwright.nn.blocks.resize import Enlarge, resize_like
from maskwright.nn.part_config import PartConfig
from maskwright.nn.published_recipe import PublishedRecipe

STRIDE = 8
ENCODERS = (
    "mobilenetv3_large_100",
    "mobilenetv3_small_100",
    "mobilenetv3_small_075",
    "mobilenetv3_small_050",
)

GOOD_FOR = "The lightest decoder here: real time on phones and small CPUs."

RECIPE = PublishedRecipe(
    source="torchvision, references/segmentation",
    optimizer="sgd",
    lr=0.01,
    batch_size=32,
    num_steps=87_000,
    weight_decay=1e-6,
)
"""The paper refers to the protocol of other papers and gives no numbers of its own."""


class Config(PartConfig):
    """Stride of the coarsest features, width of the decoder, dilation of strided layers.

    The paper's stride is 16 or 32. With `dilates_strided`, the layer that loses its stride is
    dilated too, which torchvision's weights need; other weights lose their meaning by it.
    """

    output_stride: Literal[16, 32] = 16
    decoder_channels: int = Field(128, gt=0)
    dilates_strided: bool = False


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`); logits at stride 8, upsampled bilinearly."""
    network = build_encoder(
        encoder,
        in_channels,
        output_stride=config.output_stride,
        dilates_strided=config.dilates_strided,
    )
    stages = MobileNetV3Ends(network.model)
    replace_batch_norm(stages)
    return LRASPP(config, stages, num_classes)


class MobileNetV3Ends(nn.Module):
    """The output of the first block of stride 8, and that of the last layer.

    Args:
        model: A MobileNetV3 of timm that gives features.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        stages = model.feature_info.info
        skip = next(stage for stage in stages if stage["reduction"] == STRIDE)
        self.skip_stage = int(skip["module"].removeprefix("blocks."))
        self.out_channels: tuple[int, int] = (skip["num_chs"], stages[-1]["num_chs"])

    def forward(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Maps of stride 8 and of the output stride."""
        model = self.model
        x_BChw = model.act1(model.bn1(model.conv_stem(x_BCHW)))
        skip_BChw = x_BChw
        for index, stage in enumerate(model.blocks):
            first, *others = stage
            x_BChw = first(x_BChw)
            if index == self.skip_stage:
                skip_BChw = x_BChw
            for block in others:
                x_BChw = block(x_BChw)
        return skip_BChw, x_BChw


class LRASPP(nn.Module):
    """Encoder, gated context, and the scores of context and skip, added.

    The decoder starts as torch starts it, as in torchvision.
    """

    def __init__(self, config: Config, encoder: MobileNetV3Ends, num_classes: int) -> None:
        super().__init__()
        self.enlarge = Enlarge(STRIDE)
        self.encoder = encoder
        (skip, last), width = encoder.out_channels, config.decoder_channels
        self.context = conv_norm_relu(last, width, 1)
        self.gate = nn.Conv2d(last, width, 1, bias=False)
        self.score_skip = nn.Conv2d(skip, num_classes, 1)
        self.score_context = nn.Conv2d(width, num_classes, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, K, H, W)."""
        skip, last = self.encoder(x_BCHW)
        gated = self.context(last) * self.gate(global_mean(last)).sigmoid()
        scores = self.score_skip(skip) + self.score_context(resize_like(gated, skip))
        logits: Tensor = self.enlarge(scores)
        return logits
