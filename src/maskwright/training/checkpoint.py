"""Checkpoints that survive kill -9: each is a new folder; `best` and `last` are links to two.

A folder appears by one rename and a link by another, so at any moment both links lead to
whole checkpoints. No pickle: tensors are safetensors, the rest is JSON. The layout is that of
`core.checkpoint`.
"""

import json
import shutil
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from safetensors.torch import load_file
from safetensors.torch import save as serialize
from torch import Tensor

from maskwright.core.atomic import new_folder
from maskwright.core.bundle import WEIGHTS
from maskwright.core.card import ArchSpec, ModelCard
from maskwright.core.checkpoint import (
    BEST,
    FOLDER,
    LAST,
    TRAINING_STATE,
    TRAINING_TENSORS,
    Checkpoint,
    link_checkpoint,
    write_card,
)
from maskwright.core.errors import BundleError, shorten
from maskwright.core.jsonfile import read_json
from maskwright.nn.any_size import AnySize

from .optim import MovingAverage


@dataclass(slots=True)
class RunProgress:
    """Steps and epochs that a run has done, and its best validation (epoch -1: none yet)."""

    step: int = 0
    epoch: int = 0
    best_miou: float = -1.0
    best_epoch: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingState:
    """Everything that changes while a run trains; a checkpoint holds all of it.

    `written` are the folders of the checkpoints that this process wrote.
    """

    model: AnySize
    optimizer: torch.optim.Optimizer
    average: MovingAverage
    progress: RunProgress
    written: set[Path] = field(default_factory=set)


def save(run: Path, card: ModelCard, state: TrainingState, *, best: bool) -> Path:
    """Write a checkpoint, link `last` (and `best`) to it, remove those without a link."""
    folder = run / FOLDER / f"step-{state.progress.step:07d}"
    if folder not in state.written:  # a folder that is there was left by a killed process
        with new_folder(folder) as staging:
            write_card(staging, card)
            write_tensors(staging / WEIGHTS, state.average.state)
            tensors, table = _optimizer_tensors(state.optimizer)
            raw = {f"model.{k}": v for k, v in state.model.state_dict().items()}
            write_tensors(staging / TRAINING_TENSORS, raw | tensors)
            document = asdict(state.progress) | {"optimizer": table}
            text = json.dumps(document, indent=1)
            (staging / TRAINING_STATE).write_text(text, encoding="utf-8")
        state.written.add(folder)
    if best:  # first: a run that is resumed from `last` does not link it again
        link_checkpoint(run, BEST, folder)
    link_checkpoint(run, LAST, folder)
    _prune(run)
    return folder


def load(run: Path, card: ModelCard, state: TrainingState) -> None:
    """Fill `state` from the last checkpoint of `run`, whose network `card` describes.

    Raises:
        BundleError: The checkpoint cannot be read or belongs to another network.
    """
    folder = run / LAST
    _require_same_network(Checkpoint.open(folder), card)
    try:
        document = read_json(folder / TRAINING_STATE, error=BundleError)
        tensors = load_file(folder / TRAINING_TENSORS)
        state.average.state = load_file(folder / WEIGHTS)
        state.model.load_state_dict(_select(tensors, "model."))
        _restore_optimizer(state.optimizer, tensors, document["optimizer"])
        for name in asdict(state.progress):
            setattr(state.progress, name, document[name])
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise BundleError(
            f"{folder}: this checkpoint cannot be resumed ({shorten(str(error), 120)}); start "
            f"a new run"
        ) from error


def _require_same_network(checkpoint: Checkpoint, card: ModelCard) -> None:
    """Refuse weights of another network or revision: they might load, and train on."""
    written, arch = checkpoint.card.arch, card.arch
    if replace(written, revision=arch.revision) != arch:
        raise BundleError(
            f"{checkpoint.root}: the run began with model {_describe_arch(written)}, the "
            f"recipe says {_describe_arch(arch)} now; put the old values back, or start a new "
            f"run"
        )
    if written.revision != arch.revision:
        raise BundleError(
            f"{checkpoint.root}: the run began with revision {written.revision} of "
            f"{arch.name}, this maskwright trains revision {arch.revision}; start a new run"
        )


def _describe_arch(arch: ArchSpec) -> str:
    return shorten(f"{arch.name!r} with {arch.encoder!r}, {dict(arch.config)}", 120)


def _optimizer_tensors(
    optimizer: torch.optim.Optimizer,
) -> tuple[dict[str, Tensor], dict[str, list[str]]]:
    """The optimizer's state as named tensors, and their names by the index of the parameter."""
    tensors: dict[str, Tensor] = {}
    table: dict[str, list[str]] = {}
    for index, values in optimizer.state_dict()["state"].items():
        table[str(index)] = sorted(values)
        tensors |= {f"optim.{index}.{k}": torch.as_tensor(v) for k, v in values.items()}
    return tensors, table


def _restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], table: dict[str, list[str]]
) -> None:
    document = optimizer.state_dict()
    document["state"] = {
        int(index): {k: tensors[f"optim.{index}.{k}"] for k in keys}
        for index, keys in table.items()
    }
    _require_same_parameters(optimizer, document["state"])
    optimizer.load_state_dict(document)


def _require_same_parameters(
    optimizer: torch.optim.Optimizer, state: dict[int, dict[str, Tensor]]
) -> None:
    """Refuse the state of parameters in another order: another version groups them otherwise.

    Raises:
        ValueError: A tensor, other than a count of steps, has another shape than its parameter.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for index, tensors in state.items():
        shape = tuple(parameters[index].shape)
        wrong = [k for k, v in tensors.items() if v.ndim and tuple(v.shape) != shape]
        if wrong:
            raise ValueError(
                f"the optimizer's {wrong[0]} of parameter {index} has another shape than "
                f"{shape}: another version grouped the parameters otherwise"
            )


def _select(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write a safetensors file from Python, whose error on a full disk names the reason."""
    plain = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    path.write_bytes(serialize(plain))


def _prune(run: Path) -> None:
    kept = {(run / name).resolve() for name in (BEST, LAST) if (run / name).exists()}
    for folder in (run / FOLDER).iterdir():
        if folder.resolve() not in kept:
            shutil.rmtree(folder)
