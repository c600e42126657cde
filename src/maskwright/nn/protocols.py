"""What the parts of `nn.archs` and `nn.losses` offer, and what their networks may offer.

`core.parts` checks a part against its Protocol: members without a value and abstract methods
are required, the others have the value given here as their default.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel
from torch import Tensor, nn

from .published_recipe import PublishedRecipe

ARCHS = "maskwright.nn.archs"
LOSSES = "maskwright.nn.losses"
OWN = "own"
"""The encoder name of an architecture that is a whole network without a separate encoder."""

PixelLoss = Callable[[Tensor, Tensor], Tensor]
"""logits_BKHW and labels_BHW (or votes_BAHW, for `LossPart.build_for_votes`) to a scalar."""


class Arch(Protocol):
    """A file of `nn.archs`, or a user's own file."""

    Config: type[BaseModel]
    """Every setting that changes the graph, with its default; best a `PartConfig`."""

    GOOD_FOR: str = ""
    """One line for `maskwright models`: what to use the architecture for."""

    ENCODERS: tuple[str, ...] | None = None
    """The only encoders that the architecture supports, its default first; None for any.

    `("own",)`: the architecture is a whole network without a separate encoder.
    """

    RECIPE: PublishedRecipe | None = None
    """How its authors trained it; the plan takes it. None: not known, or not published."""

    EXTRA_CLASS_FIRST: bool = False
    """Whether the class that a head has beside those of the dataset precedes them (background).

    Else it follows them (no object). Without effect where there is no such class.
    """

    USES_PIXEL_LOSS: bool = True
    """Whether its networks learn by the loss of the recipe, and not by one of their own."""

    REVISION: int = 1
    """Raised by a change after which older weights give other logits."""

    OLDER: Mapping[int, Callable[[Any, str, int, int], nn.Module]] = {}
    """`build` of each older revision that is kept; weights of other revisions are refused."""

    @abstractmethod
    def build(self, config: Any, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
        """A network x_BCHW -> logits_BKHW for H and W that are multiples of 32.

        Args:
            config: An instance of `Config`.
            encoder: A name of segmentation-models-pytorch ("tu-..." for timm), or "own".
            in_channels: 3 where there is an encoder, whose first layer is widened afterwards;
                the true number of channels for "own".
            num_classes: K.

        The encoder, with random weights, is the attribute `encoder` of the network.
        """


class LossPart(Protocol):
    """A file of `nn.losses`."""

    Config: type[BaseModel]
    """Every number of the paper's formula, with its default."""

    @abstractmethod
    def build(self, config: Any, class_weights_K: Tensor | None) -> PixelLoss:
        """The loss of logits_BKHW, float32 or float64, and labels_BHW, int64 indices or IGNORE.

        A batch without a valid pixel gives 0 with a zero gradient. `class_weights_K` are K
        positive numbers of mean 1.
        """

    def build_for_votes(self, config: Any, class_weights_K: Tensor | None) -> PixelLoss | None:
        """The loss of logits_BKHW and votes_BAHW, uint8 indices or IGNORE of A >= 2 annotators.

        None, the default: the loss uses the majority label, IGNORE where there is a tie.
        """


@runtime_checkable
class NetworkWithLoss(Protocol):
    """A network whose forward returns other outputs than logits in training."""

    def loss(self, outputs: Any, labels_BHW: Tensor, pixel_loss: PixelLoss, /) -> Tensor:
        """The scalar to minimise; `pixel_loss` is the recipe's loss."""


@runtime_checkable
class ProgressAware(Protocol):
    """A network that trains differently at the start of a run than at its end."""

    def set_progress(self, progress: float, /) -> None:
        """Take the share of the run that is done, in [0, 1); called before each step."""


@runtime_checkable
class AdaptableEncoder(Protocol):
    """An encoder whose tensors differ in name or shape from the published weights."""

    def adapt_weights(self, state: dict[str, Tensor], /) -> dict[str, Tensor]:
        """The state dict of published weights, converted to this encoder's names and shapes."""
