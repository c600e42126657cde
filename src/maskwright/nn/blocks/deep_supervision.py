"""Losses of several heads on one truth."""

from collections.abc import Callable, Sequence

from torch import Tensor

from .resize import to_size_of

PixelLoss = Callable[[Tensor, Tensor], Tensor]
"""logits_BKHW and labels_BHW to a scalar: the recipe's loss."""


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
