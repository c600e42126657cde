"""Bilinear resizing of maps, without aligned corners."""

from torch import Tensor, nn
from torch.nn.functional import interpolate


def resize_like(x_BChw: Tensor, like_BCHW: Tensor) -> Tensor:
    """Resize to the height and width of `like_BCHW`: (B, C, h, w) -> (B, C, H, W)."""
    return interpolate(x_BChw, like_BCHW.shape[-2:], mode="bilinear", align_corners=False)


def upsample(x_BChw: Tensor, factor: int) -> Tensor:
    """(B, C, h, w) -> (B, C, factor h, factor w)."""
    return interpolate(x_BChw, scale_factor=factor, mode="bilinear", align_corners=False)


class Enlarge(nn.Module):
    """The last step of a network: logits at the stride of its head, to the size of its input.

    With `keeps_stride` it leaves them as they are in evaluation, for a later step that needs no
    logits at full size. It is the attribute `enlarge` of a network, and has no parameters.
    """

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.keeps_stride = False

    def forward(self, logits_BKhw: Tensor) -> Tensor:
        """(B, K, h, w) -> (B, K, factor h, factor w), or unchanged."""
        if self.keeps_stride and not self.training:
            return logits_BKhw
        return upsample(logits_BKhw, self.factor)
