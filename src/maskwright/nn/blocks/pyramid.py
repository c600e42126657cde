"""Encoders with one feature map at each of the strides 4, 8, 16 and 32."""

from typing import cast

from torch import Tensor, nn

from maskwright.nn.encoders import import_smp

NUM_STRIDES = 4


def pyramid_encoder(name: str, in_channels: int) -> nn.Module:
    """Build the encoder `name` of segmentation-models-pytorch, with random weights.

    Raises:
        ValueError: A Swin transformer. torch 2.15 exports timm's with fixed height and width,
            and does not export one rewritten for free sizes, because of a guard that there is
            more than one window: the Bundle at the end of a training could not be written.
    """
    if "swin" in name:
        raise ValueError(
            "its graph cannot be exported for images of any size, which the Bundle needs; "
            "that of resnet50 can"
        )
    encoder = import_smp().encoders.get_encoder(
        name, in_channels=in_channels, depth=5, weights=None
    )
    return cast("nn.Module", encoder)


def pyramid_widths(encoder: nn.Module) -> list[int]:
    """Channels of the maps that `pyramid_maps` returns, the finest first."""
    return list(cast("list[int]", encoder.out_channels))[-NUM_STRIDES:]


def pyramid_maps(features: list[Tensor]) -> list[Tensor]:
    """The maps of strides 4 to 32 among the encoder's features, the finest first."""
    return features[-NUM_STRIDES:]
