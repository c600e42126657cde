"""What stands still while the rest of a network learns.

An encoder with its weights from elsewhere may wait for the first epochs, until the decoder's
first, large gradients are over (Howard and Ruder 2018, arXiv:1801.06146, section 3.3); its
batch statistics may stay what they are throughout, where batches are too small to renew them.
"""

from dataclasses import dataclass
from typing import Self

from torch import nn

from maskwright.nn.any_size import AnySize

from .recipe import Recipe


@dataclass(frozen=True, slots=True)
class EncoderFreezing:
    """A network, its encoder, and those of the encoder's parameters that learn at all."""

    model: AnySize
    encoder: nn.Module | None
    parameters: tuple[nn.Parameter, ...]
    freeze_epochs: int
    fixed_statistics: bool

    @classmethod
    def of(cls, model: AnySize, recipe: Recipe) -> Self:
        """As the recipe asks; before anything is frozen."""
        found = getattr(model.network, "encoder", None)
        encoder = found if isinstance(found, nn.Module) else None
        learning = () if encoder is None else encoder.parameters()
        return cls(
            model=model,
            encoder=encoder,
            parameters=tuple(p for p in learning if p.requires_grad),
            freeze_epochs=recipe.optim.freeze_epochs,
            fixed_statistics=recipe.model.norm == "frozen",
        )

    def enter(self, epoch: int) -> None:
        """Put the network into the mode of training of this epoch, the first being 0."""
        self.model.train()
        if self.encoder is None:
            return
        frozen = epoch < self.freeze_epochs
        for parameter in self.parameters:
            parameter.requires_grad_(not frozen)
        if frozen:
            self.encoder.eval()
        elif self.fixed_statistics:
            for module in self.encoder.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
