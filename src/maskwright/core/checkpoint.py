"""Checkpoint: the weights of a run at one step, with the card that says how to use them.

    runs/a/checkpoints/step-0000120/   card.json  weights.safetensors  (what is used)
                                       train.safetensors  state.json   (what resuming needs)
    runs/a/best -> checkpoints/step-0000090
    runs/a/last -> checkpoints/step-0000120

Both links are moved by one rename.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from .atomic import explain_write_errors, write_json
from .bundle import MAX_BYTES, WEIGHTS
from .card import ModelCard
from .errors import BundleError
from .files import open_file
from .jsonfile import read_json

CARD = "card.json"
TRAINING_TENSORS = "train.safetensors"
TRAINING_STATE = "state.json"
FOLDER = "checkpoints"
BEST, LAST = "best", "last"
"""Links in the run's folder to two of its checkpoints."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The folder of a checkpoint and its card."""

    root: Path
    card: ModelCard

    @classmethod
    def open(cls, root: Path) -> Self:
        """Read the card; the weights are only required to be there.

        Raises:
            BundleError: The card is missing or damaged, or the weights are missing.
        """
        path = root / CARD
        document = read_json(path, error=BundleError, fix="train the model again")
        checkpoint = cls(root, ModelCard.from_json(document, where=str(path)))
        if not checkpoint.weights.is_file():
            raise BundleError(f"{checkpoint.weights}: missing; train the model again")
        return checkpoint

    @property
    def weights(self) -> Path:
        """The moving average of the weights, which is what is used."""
        return self.root / WEIGHTS

    @property
    def model_id(self) -> str:
        """Sixteen hex digits of the hash of the card and the weights; reads both."""
        with open_file(self.root / CARD, most_bytes=MAX_BYTES, error=BundleError) as card:
            digest = hashlib.sha256(card.read())
        with open_file(self.weights, most_bytes=MAX_BYTES, error=BundleError) as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()[:16]


def find_checkpoint(path: Path) -> Path | None:
    """The folder `path` if it is a checkpoint, or the best checkpoint of the run `path`."""
    return next((p for p in (path / BEST, path) if (p / CARD).is_file()), None)


def write_card(folder: Path, card: ModelCard) -> None:
    """Write or replace the card of a checkpoint."""
    write_json(folder / CARD, card.to_json())


def link_checkpoint(run: Path, name: str, folder: Path) -> None:
    """Point the link `name` (`BEST` or `LAST`) of `run` at a checkpoint, by one rename."""
    link = run / name
    with explain_write_errors(link):
        temporary = link.with_name(f".{link.name}.new")
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(Path(FOLDER) / folder.name)
        temporary.replace(link)
