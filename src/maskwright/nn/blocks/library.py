"""Whole networks of segmentation-models-pytorch."""

from collections.abc import Callable
from typing import Any, cast

from torch import nn

from .norm import replace_batch_norm


def build_library_network(
    make: Callable[..., Any], encoder: str, in_channels: int, num_classes: int, **options: Any
) -> nn.Module:
    """The network that the library's `make` builds, with random weights and with `Norm`."""
    network = make(
        encoder, encoder_weights=None, in_channels=in_channels, classes=num_classes, **options
    )
    replace_batch_norm(network)
    return cast("nn.Module", network)
