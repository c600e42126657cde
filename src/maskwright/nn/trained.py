"""Networks that maskwright trained, a Bundle, a run or a checkpoint: card and weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from maskwright.core.bundle import WEIGHTS, is_bundle, open_bundle
from maskwright.core.card import ModelCard
from maskwright.core.checkpoint import Checkpoint, find_checkpoint

from .pretrained.files import identify, read_tensors

ORIGINS = ("init", "encoder_weights", "published")
"""Entries in the provenance of a card on weights of others that the network came from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """The card of a network that maskwright trained, and its file of weights."""

    card: ModelCard
    model_id: str
    weights: Path

    def read(self) -> dict[str, Tensor]:
        """The state dict.

        Raises:
            ConfigError: The file is damaged.
        """
        return read_tensors(self.weights)[0]

    @property
    def licence(self) -> str | None:
        """The licence of the weights that this network came from; None where none is known."""
        return find_licence(self.card.provenance)

    def make_provenance(self) -> dict[str, object]:
        """The entry of a card on a network that starts from this one."""
        licence = {} if self.licence is None else {"licence": self.licence}
        files = {self.weights.name: identify(self.weights)}
        pruned = self.card.provenance.get("pruned")
        return {"model": self.model_id, **licence, "files": files} | (
            {} if pruned is None else {"pruned": pruned}
        )


def find_trained(source: Path | str) -> Trained | None:
    """The Bundle, run or checkpoint at a path, or beside a file of weights; None for another.

    Raises:
        BundleError: The Bundle or the card is damaged, or the weights are missing.
    """
    path = Path(source)
    if path.is_file() and path.name == WEIGHTS:
        path = path.parent
    if is_bundle(path):
        bundle = open_bundle(path)
        return Trained(card=bundle.card, model_id=bundle.model_id, weights=bundle.weights)
    folder = find_checkpoint(path)
    if folder is None:
        return None
    found = Checkpoint.open(folder)
    return Trained(card=found.card, model_id=found.model_id, weights=found.weights)


def find_licence(provenance: Mapping[str, Any]) -> str | None:
    """The licence of the weights of others that a network came from, by its provenance."""
    for name in ORIGINS:
        entry = provenance.get(name)
        if isinstance(entry, Mapping) and entry.get("licence"):
            return str(entry["licence"])
    return None
