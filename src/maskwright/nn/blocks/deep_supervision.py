"""Losses of several heads on one truth."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from .resize import to_size_of

PixelLoss = Callable[[Tensor, Tensor], Tensor]
"""logits_BKHW and labels_BHW to a scalar: the recipe's loss."""


class DeeplySupervised(nn.Module):
    """A network whose forward gives, in training, logits of several heads, the main first."""

    def __init__(self, aux_weight: float) -> None:
        super().__init__()
        self.aux_weight = aux_weight

    def loss(
        self, outputs: Sequence[Tensor], labels_BHW: Tensor, pixel_loss: PixelLoss
    ) -> Tensor:
        """The recipe's loss, plus `aux_weight` times that of each auxiliary head."""
        return summed_loss(outputs, labels_BHW, pixel_loss, self.aux_weight)


def summed_loss(
    outputs: Sequence[Tensor], labels_BHW: Tensor, pixel_loss: PixelLoss, aux_weight: float
) -> Tensor:
    """Loss of the first output, plus `aux_weight` times that of each other.

    Logits of another size than the truth are enlarged to it.
    """
    main, *auxiliary = (
        pixel_loss(to_size_of(logits_BKhw, labels_BHW[:, None]), labels_BHW)
        for logits_BKhw in outputs
    )
    return main + aux_weight * sum(auxiliary) if auxiliary else main
