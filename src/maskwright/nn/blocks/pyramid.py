"""Encoders that give a map at each of the strides 4, 8, 16 and 32, of any image size."""

from typing import Any, cast

from torch import Tensor, nn

from maskwright.nn.encoders import quiet_smp

NUM_STRIDES = 4


def pyramid_encoder(name: str, in_channels: int) -> nn.Module:
    """The encoder of segmentation-models-pytorch; a Swin one made to take every size."""
    settings: dict[str, Any] = {"strict_img_size": False} if _is_swin(name) else {}
    encoder = quiet_smp().encoders.get_encoder(
        name, in_channels=in_channels, depth=5, weights=None, **settings
    )
    return cast("nn.Module", encoder)


class PyramidMaps(nn.Module):
    """The maps of strides 4 to 32 out of an encoder's; Swin's normalised, as its authors do."""

    def __init__(self, name: str, encoder: nn.Module) -> None:
        super().__init__()
        widths = cast("list[int]", encoder.out_channels)
        self.widths = list(widths)[-NUM_STRIDES:]
        self.norms = nn.ModuleList(
            nn.LayerNorm(width) if _is_swin(name) else nn.Identity() for width in self.widths
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Four maps (B, C, h, w), the largest first."""
        maps = zip(self.norms, features[-NUM_STRIDES:], strict=True)
        return [_over_channels(norm, x_BChw) for norm, x_BChw in maps]


def _is_swin(name: str) -> bool:
    return "swin" in name


def _over_channels(norm: nn.Module, x_BChw: Tensor) -> Tensor:
    if isinstance(norm, nn.Identity):
        return x_BChw
    normed_BhwC: Tensor = norm(x_BChw.movedim(1, -1))
    return normed_BhwC.movedim(-1, 1)
