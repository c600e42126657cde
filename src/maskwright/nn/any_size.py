"""Any image size for networks that need multiples of a stride: pad inside, crop the logits."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from maskwright.core.labels import IGNORE

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
        pixel_loss: Callable[[Tensor, Tensor], Tensor],
    ) -> Tensor:
        """Scalar to minimise: the recipe's `pixel_loss`, or what the network makes of it.

        Outputs that are not logits have the padded size; their margin is IGNORE.
        """
        if isinstance(outputs, Tensor):
            return pixel_loss(outputs, labels_BHW)
        padded_BHW = torch.nn.functional.pad(labels_BHW, _margin(labels_BHW), value=IGNORE)
        found: Tensor = self.network.loss(outputs, padded_BHW, pixel_loss)  # type: ignore[operator]
        return found


def _margin(x: Tensor) -> tuple[int, int, int, int]:
    height, width = x.shape[-2:]
    return (0, _to_multiple(width), 0, _to_multiple(height))


def _to_multiple(length: int) -> int:
    """What is missing to the next multiple; -length % STRIDE would not export (torch 2.15)."""
    return (length + STRIDE - 1) // STRIDE * STRIDE - length
