"""Whole networks of segmentation-models-pytorch, and its dilated encoders."""

from collections.abc import Callable
from typing import Any, cast

from torch import nn

from maskwright.nn.encoders import import_smp

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


def library_encoder(
    name: str, in_channels: int, *, output_stride: int = 32, depth: int = 5
) -> Any:
    """Build an encoder dilated by the library, for networks of weights from before.

    The library also dilates the layers whose stride it removes; `dilation.build_encoder` does
    not.
    """
    return import_smp().encoders.get_encoder(
        name, in_channels=in_channels, depth=depth, output_stride=output_stride
    )
