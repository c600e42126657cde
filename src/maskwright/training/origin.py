"""Origin: the weights that a run begins with, and their entry in the card of the run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from maskwright.core.checkpoint import LAST, Checkpoint
from maskwright.nn.transfer import Transfer

from .data import TrainingData
from .planning.planner import Planner
from .recipe import Recipe

ENTRIES = ("init", "encoder_weights")
"""Keys in the provenance of a card, named as those of a recipe's `model`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What the network takes from the one that it starts from, and the card's entry on it."""

    transfer: Transfer | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_new_run(
        cls, planner: Planner, recipe: Recipe, data: TrainingData, log: Callable[[str], None]
    ) -> Self:
        """Of a run that begins; `log` says what is taken over and what is not.

        Raises:
            ConfigError: The networks differ in more than their classes.
        """
        initial, labels = planner.initial, data.dataset.spec
        if initial is None:
            found = planner.available.checkpoint
            entry = {} if found is None else {"encoder_weights": dict(found.provenance)}
            return cls(provenance=entry)
        transfer = initial.plan_transfer(recipe, labels)
        for line in initial.describe(transfer, labels):
            log(line)
        if text := _warn_of_seen_images(initial.card.provenance, data):
            log(f"{initial.source}: {text}")
        began = initial.make_provenance(transfer, labels)
        return cls(transfer=transfer, provenance={"init": began})

    @classmethod
    def of_resumed_run(cls, run: Path) -> Self:
        """Of a run that goes on: the weights that it began with are not needed again.

        Raises:
            BundleError: The card of its last checkpoint cannot be read.
        """
        known = Checkpoint.open(run / LAST).card.provenance
        return cls(provenance={key: known[key] for key in ENTRIES if key in known})


def _warn_of_seen_images(trained: Mapping[str, Any], data: TrainingData) -> str:
    """A warning where the first network may have been trained on images of this validation."""
    same_data = trained.get("dataset") == data.dataset.fingerprint
    train = trained.get("train")
    if not same_data or not isinstance(train, Mapping):
        return ""
    if train.get("fingerprint") == data.train.fingerprint:
        return ""
    return (
        "it was trained on other images of this dataset, which may be among those of this "
        "run's validation: the scores may be too high"
    )
