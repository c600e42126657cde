"""EoMT's settings from the shapes of its tensors, in every layout."""

import math
from collections.abc import Mapping

from torch import Tensor

from maskwright.core.card import ArchSpec
from maskwright.core.errors import ConfigError
from maskwright.core.inputspec import SizeRule

from .files import ForeignCheckpoint
from .layout import Described, make_input, read_class_names

PATCH_PX = 16
SIZES = {384: "small", 768: "base", 1024: "large", 1536: "giant"}
"""Of DINOv2 by the width of a token."""


def describe_eomt(
    checkpoint: ForeignCheckpoint,
    tensors: Mapping[str, Tensor],
    *,
    queries: str,
    positions: str,
    classes: str,
    blocks: str,
) -> Described:
    """The network by the names of one layout, in `tensors` it has prepared.

    Raises:
        ConfigError: The encoder is not one of DINOv2 with a square grid of positions.
    """
    num_queries, width = tensors[queries].shape
    if width not in SIZES or positions not in tensors:
        raise ConfigError(
            f"{checkpoint.source}: EoMT on an encoder of {width} channels that is not one of "
            f"DINOv2 with registers; those on DINOv3 have other positions and are refused"
        )
    side = math.isqrt(tensors[positions].shape[1])
    if side**2 != tensors[positions].shape[1]:
        raise ConfigError(
            f"{checkpoint.source}: position embeddings for {tensors[positions].shape[1]} "
            f"patches, expected those of square images"
        )
    num_classes = len(tensors[classes]) - 1
    config = {
        "num_queries": num_queries,
        "query_blocks": len(tensors[blocks]),
        "position_grid": side,
    }
    return Described(
        arch=ArchSpec(
            name="eomt", encoder=f"vit_{SIZES[width]}_patch14_reg4_dinov2", config=config
        ),
        num_classes=num_classes,
        input=make_input(checkpoint, size_rule=SizeRule(shortest_px=side * PATCH_PX)),
        class_names=read_class_names(checkpoint.config, num_classes),
    )
