"""Encoders that give a map at each of the strides 4, 8, 16 and 32, of any image size."""

from typing import cast

from torch import Tensor, nn

from maskwright.nn.encoders import import_smp

NUM_STRIDES = 4


def pyramid_encoder(name: str, in_channels: int) -> nn.Module:
    """The encoder of segmentation-models-pytorch.

    Raises:
        ValueError: A Swin transformer. torch 2.15 exports timm's with height and width fixed,
            and refuses a rewritten one for a guard that there is more than one window: the
            Bundle at the end of a training could not be made.
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
    """Channels of the maps that `pyramid_maps` takes."""
    return list(cast("list[int]", encoder.out_channels))[-NUM_STRIDES:]


def pyramid_maps(features: list[Tensor]) -> list[Tensor]:
    """The maps of strides 4 to 32 out of an encoder's, the largest first."""
    return features[-NUM_STRIDES:]
