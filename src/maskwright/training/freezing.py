"""Freeze the encoder for the first epochs, or its batch statistics throughout.

A pretrained encoder may be frozen for the first epochs, until the decoder's first, large
gradients are over (Howard and Ruder 2018, arXiv:1801.06146, section 3.3). Its batch statistics
may be frozen throughout, where batches are too small to estimate them.
"""

from dataclasses import dataclass
from typing import Self

from torch import nn

from maskwright.nn.any_size import AnySize

from .recipe import Recipe


@dataclass(frozen=True, slots=True)
class EncoderFreezing:
    """Freeze the encoder for the first epochs, or its batch statistics throughout.

    `encoder` is None where the network has none; `parameters` are those of the encoder that
    train at all.
    """

    model: AnySize
    encoder: nn.Module | None
    parameters: tuple[nn.Parameter, ...]
    freeze_epochs: int
    freeze_statistics: bool

    @classmethod
    def from_recipe(cls, model: AnySize, recipe: Recipe) -> Self:
        """Read the recipe's choices; `model` must not be frozen yet."""
        member = getattr(model.network, "encoder", None)
        encoder = member if isinstance(member, nn.Module) else None
        parameters = () if encoder is None else encoder.parameters()
        return cls(
            model=model,
            encoder=encoder,
            parameters=tuple(p for p in parameters if p.requires_grad),
            freeze_epochs=recipe.optim.freeze_epochs,
            freeze_statistics=recipe.model.norm == "frozen",
        )

    def start_epoch(self, epoch: int) -> None:
        """Put the network into training mode for the epoch of this index."""
        self.model.train()
        if self.encoder is None:
            return
        frozen = epoch < self.freeze_epochs
        for parameter in self.parameters:
            parameter.requires_grad_(not frozen)
        if frozen:
            self.encoder.eval()
        elif self.freeze_statistics:
            for module in self.encoder.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
