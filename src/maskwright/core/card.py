"""ModelCard: what must be known of a network to run it rightly; it lies beside all weights."""

import math
from dataclasses import dataclass, field
from typing import Any, Self

from .errors import BundleError, ConfigError, MaskwrightError
from .inputspec import InputSpec
from .labels import LabelSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """Labels, input and architecture of one network, and where it came from.

    `arch` holds what `nn.build.build_model` needs to make the same graph again: `name`,
    `encoder` and `config`. `provenance` is for people: dataset and split fingerprints,
    versions, seed. Logits are divided by `temperature` before the softmax that gives the
    confidence (Guo et al. 2017, eq. 9): fitted after training, 1 before and in old cards.

    Raises ConfigError for a temperature that is no number above 0.
    """

    labels: LabelSpec
    input: InputSpec
    arch: dict[str, Any]
    provenance: dict[str, Any] = field(default_factory=dict)
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            raise ConfigError(
                f"temperature {self.temperature}: logits are divided by it, so it must be a "
                f"number above 0; 1 leaves them as they are"
            )

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `from_json` undoes it."""
        return {
            "labels": self.labels.to_json(),
            "input": self.input.to_json(),
            "arch": self.arch,
            "provenance": self.provenance,
            "temperature": self.temperature,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any], *, where: str) -> Self:
        """Read a card.

        Raises:
            BundleError: A part is missing or malformed.
        """
        try:
            return cls(
                labels=LabelSpec.from_json(document["labels"]),
                input=InputSpec.from_json(document["input"]),
                arch=dict(document["arch"]),
                provenance=dict(document["provenance"]),
                temperature=float(document.get("temperature", 1.0)),
            )
        except (KeyError, TypeError, ValueError, MaskwrightError) as error:
            raise BundleError(
                f"{where}: not a model card ({error!r}); write the model again"
            ) from error
