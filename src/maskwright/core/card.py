"""ModelCard: what must be known of a network to run it rightly; it lies beside all weights."""

from dataclasses import dataclass, field
from typing import Any, Self

from .errors import BundleError, MaskwrightError
from .inputspec import InputSpec
from .labels import LabelSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """Labels, input and architecture of one network, and where it came from.

    `arch` holds what `nn.build.build_model` needs to make the same graph again: `name`,
    `encoder` and `config`. `provenance` is for people: dataset and split fingerprints,
    versions, seed.
    """

    labels: LabelSpec
    input: InputSpec
    arch: dict[str, Any]
    provenance: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `from_json` undoes it."""
        return {
            "labels": self.labels.to_json(),
            "input": self.input.to_json(),
            "arch": self.arch,
            "provenance": self.provenance,
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
            )
        except (KeyError, TypeError, ValueError, MaskwrightError) as error:
            raise BundleError(
                f"{where}: not a model card ({error!r}); write the model again"
            ) from error
