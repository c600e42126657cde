"""The section `model` of a recipe: the network, and the weights that it starts from."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from maskwright.core.card import ArchSpec
from maskwright.core.strictmodel import StrictModel

NEWEST = 0
"""Of `model.revision`."""

NONE = "none"
"""Of `model.init` and `model.encoder_weights`: random weights."""


Width = Annotated[int, Field(ge=0)]


class ModelOptions(StrictModel):
    """The network, the weights that it starts from, and its normalisation layers.

    `init` is a whole network to start from: a Bundle, a run, a published checkpoint, or "none";
    `arch`, `encoder`, `norm` and `config` follow from it where they are not given. Without it,
    `encoder_weights` are those that the encoder starts from. `revision` is that of the
    architecture: 0 for its newest, and an older one where `init` is of that.
    `norm`: "batch"; "sync", batch statistics over all GPUs; "frozen", the statistics that come
    with the encoder; "group", which does not depend on the batch and changes the graph.
    `widths` are those of layers that pruning has narrowed, see `nn.widths`.
    `checkpointing`: compute activations again in the backward pass, with less memory, more
    time and the same numbers.
    """

    arch: str = "unet"
    encoder: str = "mobilenet_v2"
    init: str = NONE
    encoder_weights: str = "imagenet"
    norm: Literal["batch", "sync", "frozen", "group"] = "batch"
    checkpointing: bool = False
    config: dict[str, object] = Field(default_factory=dict)
    revision: Annotated[int, Field(ge=0)] = NEWEST
    widths: dict[str, tuple[Width, Width]] = Field(default_factory=dict)

    @property
    def graph(self) -> ArchSpec:
        """The part that a ModelCard keeps: all that is needed to build the same graph."""
        norm = "group" if self.norm == "group" else "batch"
        return ArchSpec(
            name=self.arch,
            encoder=self.encoder,
            config=self.config,
            norm=norm,
            widths=self.widths,
        )

    @property
    def is_pretrained(self) -> bool:
        """Whether the encoder, or the whole network, starts from trained weights."""
        return self.init != NONE or self.encoder_weights != NONE

    @property
    def follows_init(self) -> bool:
        """Whether the architecture is still to be read from the network to start from."""
        return self.init != NONE and "arch" not in self.model_fields_set

    @model_validator(mode="before")
    @classmethod
    def _leave_encoder_to_init(cls, document: Any) -> Any:
        if isinstance(document, dict) and document.get("init", NONE) != NONE:
            return {"encoder_weights": NONE, **document}
        return document

    @model_validator(mode="after")
    def _require_one_start(self) -> Self:
        if NONE not in {self.init, self.encoder_weights}:
            raise ValueError(
                f"init starts from a whole network, whose encoder has its weights, and "
                f"encoder_weights is {self.encoder_weights!r}; use "
                f"--set model.encoder_weights=none"
            )
        if self.norm == "frozen" and not self.is_pretrained:
            raise ValueError(
                "norm 'frozen' keeps the statistics that come with the encoder's weights, but "
                "encoder_weights is 'none'; give encoder_weights or use norm 'batch'"
            )
        return self
