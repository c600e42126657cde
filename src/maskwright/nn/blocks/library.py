"""Whole networks of segmentation-models-pytorch."""

from collections.abc import Callable
from typing import Any, cast

from torch import nn

from .norm import replace_batch_norm


def library_network(
    make: Callable[..., Any], encoder: str, in_channels: int, num_classes: int, **choices: Any
) -> nn.Module:
    """What the library's `make` builds, with fresh weights; it trains on one image too."""
    network = make(
        encoder, encoder_weights=None, in_channels=in_channels, classes=num_classes, **choices
    )
    replace_batch_norm(network)
    return cast("nn.Module", network)
