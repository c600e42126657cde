"""Any image size for networks that need multiples of a stride: pad inside, crop the logits."""

import torch
from torch import Tensor, nn

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

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Logits of shape (B, K, H, W)."""
        height, width = x_BCHW.shape[-2:]
        margin = (0, _to_multiple(width), 0, _to_multiple(height))
        padded_BCHW = torch.nn.functional.pad(x_BCHW, margin, mode="replicate")
        logits_BKHW: Tensor = self.network(padded_BCHW)
        return logits_BKHW[:, :, :height, :width]


def _to_multiple(length: int) -> int:
    """What is missing to the next multiple; -length % STRIDE would not export (torch 2.15)."""
    return (length + STRIDE - 1) // STRIDE * STRIDE - length
