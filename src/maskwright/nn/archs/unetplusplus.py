"""UNet++, Zhou et al. 2018 (arXiv:1807.10165): U-Nets of every depth, nested and supervised."""

from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from maskwright.nn.blocks.heads import sum_head_losses
from maskwright.nn.blocks.library import build_library_network
from maskwright.nn.blocks.resize import upsample
from maskwright.nn.encoders import import_smp
from maskwright.nn.part_config import PartConfig
from maskwright.nn.protocols import PixelLoss

GOOD_FOR = "Small objects and sharp borders, at more memory and time than unet."


class Config(PartConfig):
    """Widths of the five decoder stages, coarsest first, and the weight of shallower U-Nets.

    The loss is the weighted mean over the U-Nets: 1 for the deepest (the output), `aux_weight`
    for each shallower one; 1 in the paper, with 0 their heads are not built.
    """

    decoder_channels: tuple[int, int, int, int, int] = (256, 128, 64, 32, 16)
    aux_weight: float = Field(1.0, ge=0)


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """Build the network (`protocols.Arch`)."""
    network = build_library_network(
        import_smp().UnetPlusPlus,
        encoder,
        in_channels,
        num_classes,
        decoder_channels=config.decoder_channels,
    )
    return NestedUNet(network, num_classes, aux_weight=config.aux_weight)


class NestedUNet(nn.Module):
    """The library's network, in training with a head on each shallower U-Net."""

    def __init__(self, network: Any, num_classes: int, *, aux_weight: float) -> None:
        super().__init__()
        self.encoder: nn.Module = network.encoder
        self.decoder = network.decoder
        self.segmentation_head = network.segmentation_head
        self.aux_weight = aux_weight
        width = self.decoder.skip_channels[-2]
        supervised = self.decoder.depth - 1 if aux_weight and width else 0
        self.aux_heads = nn.ModuleList(
            nn.Conv2d(width, num_classes, 3, padding=1) for _ in range(supervised)
        )

    def forward(self, x_BCHW: Tensor) -> Any:
        """Logits of the deepest U-Net; in training, those of all U-Nets, the deepest first."""
        finest = self._nodes_of_half_size(self.encoder(x_BCHW))
        deepest = self.decoder.blocks[f"x_0_{self.decoder.depth}"](finest[0])
        logits_BKHW: Tensor = self.segmentation_head(deepest)
        if not (self.training and len(self.aux_heads)):
            return logits_BKHW
        shallower = zip(self.aux_heads, finest[1:], strict=True)
        return [logits_BKHW, *(upsample(head(node), 2) for head, node in shallower)]

    def _nodes_of_half_size(self, features: list[Tensor]) -> list[Tensor]:
        """The nodes of stride 2, that of the deepest U-Net first.

        A node of U-Net `first` at level `level` (0 is coarsest) reads the node below it and all
        nodes of its level in shallower U-Nets.
        """
        skips = features[:0:-1]
        nodes: dict[tuple[int, int], Tensor] = {}
        for steps in range(self.decoder.depth):
            for first in range(self.decoder.depth - steps):
                level = first + steps
                below = skips[level] if steps == 0 else nodes[first, level - 1]
                beside = [nodes[other, level] for other in range(first + 1, level + 1)]
                block = self.decoder.blocks[f"x_{first}_{level}"]
                nodes[first, level] = block(below, torch.cat([*beside, skips[level + 1]], 1))
        return [nodes[first, self.decoder.depth - 1] for first in range(self.decoder.depth)]

    def loss(self, outputs: list[Tensor], labels_BHW: Tensor, pixel_loss: PixelLoss) -> Tensor:
        """Weighted mean of the loss over the U-Nets."""
        total = sum_head_losses(outputs, labels_BHW, pixel_loss, self.aux_weight)
        return total / (1 + self.aux_weight * (len(outputs) - 1))
