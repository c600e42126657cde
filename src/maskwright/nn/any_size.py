"""Any image size for networks that need multiples of 32: pad the image, crop the logits."""

from typing import Any, cast

import torch
from torch import Tensor, nn

from maskwright.core.errors import BundleError, ConfigError
from maskwright.core.labels import IGNORE
from maskwright.core.logits import FULL_SIZE, LogitsGrid

from .blocks.resize import Enlarge
from .loss import LossFunction
from .protocols import NetworkWithLoss, PixelLoss, ProgressAware

STRIDE = 32


class AnySize(nn.Module):
    """`network` for every H and W >= 1.

    The image is padded at the right and at the bottom with copies of its last column and row to
    the next multiple of 32; logits of the size of the image are cropped. Only arithmetic on
    sizes, so that height and width stay free in an exported graph.

    Raises BundleError where the network does not give logits on the grid `grid`.
    """

    def __init__(self, network: nn.Module, grid: LogitsGrid = FULL_SIZE) -> None:
        super().__init__()
        self.network = network
        self.grid = grid
        if grid not in (FULL_SIZE, self.head_grid):
            raise BundleError(
                f"the card says that logits lie at {grid}, {type(network).__name__} gives them "
                f"at {self.head_grid}; export the model again"
            )
        if grid != FULL_SIZE:
            cast("Enlarge", network.enlarge).keeps_stride = True

    @property
    def head_grid(self) -> LogitsGrid:
        """The grid on which the head of the network works."""
        enlarge = getattr(self.network, "enlarge", None)
        return LogitsGrid(enlarge.factor, STRIDE) if isinstance(enlarge, Enlarge) else FULL_SIZE

    def forward(self, x_BCHW: Tensor) -> Any:
        """Logits on `grid`; in training (B, K, H, W), or what the network's `loss` reads."""
        height, width = x_BCHW.shape[-2:]
        padded_BCHW = torch.nn.functional.pad(x_BCHW, _padding(x_BCHW), mode="replicate")
        outputs = self.network(padded_BCHW)
        if isinstance(outputs, Tensor) and (self.training or self.grid == FULL_SIZE):
            return outputs[:, :, :height, :width]
        return outputs

    def set_progress(self, progress: float) -> None:
        """Tell the network which share of the run is done, in [0, 1), if it depends on it."""
        if isinstance(self.network, ProgressAware):
            self.network.set_progress(progress)

    def loss(
        self,
        outputs: Any,
        labels_BHW: Tensor,
        pixel_loss: LossFunction,
        votes_BAHW: Tensor | None = None,
    ) -> Tensor:
        """The scalar to minimise: `pixel_loss` of logits, else the loss of the network.

        Outputs that are not logits have the padded size; labels and votes are padded to it with
        IGNORE.

        Raises:
            ConfigError: The outputs are not logits and the network has no method `loss`.
        """
        if isinstance(outputs, Tensor):
            return _bind_votes(pixel_loss, labels_BHW, votes_BAHW)(outputs, labels_BHW)
        if not isinstance(self.network, NetworkWithLoss):
            raise ConfigError(
                f"{type(self.network).__name__} returns {type(outputs).__name__} in training, "
                f"expected logits; give it a method loss(outputs, labels_BHW, pixel_loss)"
            )
        padding, pad = _padding(labels_BHW), torch.nn.functional.pad
        padded_BHW = pad(labels_BHW, padding, value=IGNORE)
        votes_BAHW = None if votes_BAHW is None else pad(votes_BAHW, padding, value=IGNORE)
        bound_loss = _bind_votes(pixel_loss, padded_BHW, votes_BAHW)
        return self.network.loss(outputs, padded_BHW, bound_loss)


def _bind_votes(
    pixel_loss: LossFunction, labels_BHW: Tensor, votes_BAHW: Tensor | None
) -> PixelLoss:
    """`pixel_loss` with the votes, for the pixels whose labels the network does not change.

    The votes of a pixel that the network sets to IGNORE do not count; a loss at another size
    uses the labels alone.
    """
    if votes_BAHW is None:
        return pixel_loss

    def loss(logits_BKHW: Tensor, own_labels_BHW: Tensor) -> Tensor:
        if own_labels_BHW.shape != labels_BHW.shape:
            return pixel_loss(logits_BKHW, own_labels_BHW)
        unchanged_B1HW = (own_labels_BHW == labels_BHW)[:, None]
        return pixel_loss(logits_BKHW, own_labels_BHW, votes_BAHW.where(unchanged_B1HW, IGNORE))

    return loss


def _padding(x: Tensor) -> tuple[int, int, int, int]:
    """Pixels to add left, right, above and below, in the order of `torch.nn.functional.pad`."""
    height, width = x.shape[-2:]
    return (0, _missing_length(width), 0, _missing_length(height))


def _missing_length(length: int) -> int:
    """Pixels up to the next multiple; `-length % STRIDE` does not export (torch 2.15)."""
    return (length + STRIDE - 1) // STRIDE * STRIDE - length
