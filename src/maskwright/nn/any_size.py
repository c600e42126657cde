"""Any image size for networks that need multiples of a stride: pad inside, crop the logits."""

from typing import Any

import torch
from torch import Tensor, nn

from maskwright.core.labels import IGNORE

from .blocks.heads import PixelLoss
from .loss import LossFunction

STRIDE = 32


class AnySize(nn.Module):
    """`network` for every H and W >= 1.

    The image is continued to the right and below by its last column and row up to the next
    multiple of 32; the logits of that margin are cut off again. Plain arithmetic on sizes,
    so that the exported graph keeps both free.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x_BCHW: Tensor) -> Any:
        """Logits of shape (B, K, H, W), or in training what the network's `loss` reads."""
        height, width = x_BCHW.shape[-2:]
        padded_BCHW = torch.nn.functional.pad(x_BCHW, _margin(x_BCHW), mode="replicate")
        outputs = self.network(padded_BCHW)
        if isinstance(outputs, Tensor):
            return outputs[:, :, :height, :width]
        return outputs

    def loss(
        self,
        outputs: Any,
        labels_BHW: Tensor,
        pixel_loss: LossFunction,
        votes_BAHW: Tensor | None = None,
    ) -> Tensor:
        """Scalar to minimise: the recipe's `pixel_loss`, or what the network makes of it.

        Outputs that are not logits have the padded size; their margin is IGNORE.
        """
        if isinstance(outputs, Tensor):
            return _with_votes(pixel_loss, labels_BHW, votes_BAHW)(outputs, labels_BHW)
        margin, pad = _margin(labels_BHW), torch.nn.functional.pad
        padded_BHW = pad(labels_BHW, margin, value=IGNORE)
        votes_BAHW = None if votes_BAHW is None else pad(votes_BAHW, margin, value=IGNORE)
        bound = _with_votes(pixel_loss, padded_BHW, votes_BAHW)
        found: Tensor = self.network.loss(outputs, padded_BHW, bound)  # type: ignore[operator]
        return found


def _with_votes(
    pixel_loss: LossFunction, labels_BHW: Tensor, votes_BAHW: Tensor | None
) -> PixelLoss:
    """`pixel_loss` of the votes, wherever the network leaves these labels as they are.

    Where it makes a pixel IGNORE, its votes do not count; a loss at another size learns from
    the labels alone.
    """
    if votes_BAHW is None:
        return pixel_loss

    def loss(logits_BKHW: Tensor, own_BHW: Tensor) -> Tensor:
        if own_BHW.shape != labels_BHW.shape:
            return pixel_loss(logits_BKHW, own_BHW)
        kept_B1HW = (own_BHW == labels_BHW)[:, None]
        return pixel_loss(logits_BKHW, own_BHW, votes_BAHW.where(kept_B1HW, IGNORE))

    return loss


def _margin(x: Tensor) -> tuple[int, int, int, int]:
    height, width = x.shape[-2:]
    return (0, _to_multiple(width), 0, _to_multiple(height))


def _to_multiple(length: int) -> int:
    """What is missing to the next multiple; -length % STRIDE would not export (torch 2.15)."""
    return (length + STRIDE - 1) // STRIDE * STRIDE - length
