"""Mask2Former's settings from the shapes of its tensors, in every layout."""

from collections.abc import Mapping

from torch import Tensor

from maskwright.core.card import ArchSpec
from maskwright.core.errors import ConfigError
from maskwright.core.inputspec import SizeRule

from .files import ForeignCheckpoint
from .layout import Described, count_blocks, make_input, read_class_names
from .resnet import find_resnet

NUM_HEADS = 8
SIZE_RULE = SizeRule(shortest_px=512, longest_px=2048)
"""Of the authors' configuration for ADE20K."""


def refuse_swin(checkpoint: ForeignCheckpoint, patches: str) -> None:
    """Refuse a checkpoint that has the tensor `patches`, with which a Swin transformer begins.

    Raises:
        ConfigError: It has.
    """
    if patches in checkpoint.tensors:
        raise ConfigError(
            f"{checkpoint.source}: Mask2Former on a Swin transformer, whose graph would hold "
            f"for one size of images; Mask2Former on a ResNet can be opened"
        )


def describe_mask2former(
    checkpoint: ForeignCheckpoint,
    tensors: Mapping[str, Tensor],
    *,
    encoder: str,
    queries: str,
    adapter: str,
    classes: str,
    pixel_layers: str,
    query_layers: str,
) -> Described:
    """The network by the names and patterns of one layout, in `tensors` it has prepared.

    Raises:
        ConfigError: The encoder is not a ResNet, or attention has not eight heads.
    """
    num_heads = checkpoint.config.get("num_attention_heads", NUM_HEADS)
    if num_heads != NUM_HEADS:
        raise ConfigError(
            f"{checkpoint.source}: attention of {num_heads} heads, expected {NUM_HEADS}"
        )
    num_classes = len(tensors[classes]) - 1
    config = {
        "num_queries": len(tensors[queries]),
        "decoder_channels": len(tensors[adapter]),
        "pixel_layers": count_blocks(tensors, pixel_layers),
        "query_layers": count_blocks(tensors, query_layers),
    }
    name = find_resnet(checkpoint.source, tensors, encoder)
    return Described(
        arch=ArchSpec(name="mask2former", encoder=name, config=config),
        num_classes=num_classes,
        input=make_input(checkpoint, size_rule=SIZE_RULE),
        class_names=read_class_names(checkpoint.config, num_classes),
    )
