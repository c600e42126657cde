"""Checkpoints that survive kill -9: each is a new folder, and `best` and `last` point at one.

    runs/a/checkpoints/step-000120/   card.json  weights.safetensors  (EMA: what is used)
                                      train.safetensors  state.json   (what resuming needs)
    runs/a/best -> checkpoints/step-000090
    runs/a/last -> checkpoints/step-000120

A folder appears by one rename and a pointer by another, so at any moment both pointers lead
to whole checkpoints. No pickle: tensors are safetensors, the rest is JSON.
"""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from safetensors.torch import save as serialize
from torch import Tensor, nn

from maskwright.core.atomic import explained, new_folder
from maskwright.core.card import ModelCard
from maskwright.core.errors import BundleError

from .optim import MovingAverage


@dataclass(slots=True)
class Progress:
    """Where a run stands, beside its tensors."""

    step: int = 0
    epoch: int = 0
    best_miou: float = -1.0
    best_epoch: int = -1


def save(
    run: Path,
    card: ModelCard,
    training: tuple[nn.Module, torch.optim.Optimizer, MovingAverage],
    progress: Progress,
    *,
    best: bool,
) -> Path:
    """Write a checkpoint, point `last` (and `best`) at it, drop what nothing points at."""
    model, optimizer, average = training
    folder = run / "checkpoints" / f"step-{progress.step:07d}"
    if not folder.exists():
        with new_folder(folder) as staging:
            text = json.dumps(card.to_json(), indent=1)
            (staging / "card.json").write_text(text, encoding="utf-8")
            _write(staging / "weights.safetensors", average.state)
            tensors, table = _optimizer_tensors(optimizer)
            raw = {f"model.{k}": v for k, v in model.state_dict().items()}
            _write(staging / "train.safetensors", raw | tensors)
            state = json.dumps(asdict(progress) | {"optimizer": table}, indent=1)
            (staging / "state.json").write_text(state, encoding="utf-8")
    _point(run / "last", folder)
    if best:
        _point(run / "best", folder)
    _prune(run)
    return folder


def load(
    run: Path, training: tuple[nn.Module, torch.optim.Optimizer, MovingAverage]
) -> Progress:
    """Put everything back as `save` found it; the caller's own objects are filled.

    Raises:
        BundleError: The checkpoint cannot be read or belongs to another network.
    """
    model, optimizer, average = training
    folder = run / "last"
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / "train.safetensors")
        average.state = load_file(folder / "weights.safetensors")
        model.load_state_dict(_within(tensors, "model."))
        _restore_optimizer(optimizer, tensors, state.pop("optimizer"))
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise BundleError(
            f"{folder}: this checkpoint cannot be resumed ({error}); start a new run"
        ) from error
    return Progress(**state)


def _optimizer_tensors(
    optimizer: torch.optim.Optimizer,
) -> tuple[dict[str, Tensor], dict[str, list[str]]]:
    """AdamW's state as named tensors, and which names each parameter number has."""
    tensors: dict[str, Tensor] = {}
    table: dict[str, list[str]] = {}
    for number, values in optimizer.state_dict()["state"].items():
        table[str(number)] = sorted(values)
        tensors |= {f"optim.{number}.{k}": torch.as_tensor(v) for k, v in values.items()}
    return tensors, table


def _restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], table: dict[str, list[str]]
) -> None:
    document = optimizer.state_dict()
    document["state"] = {
        int(number): {k: tensors[f"optim.{number}.{k}"] for k in keys}
        for number, keys in table.items()
    }
    optimizer.load_state_dict(document)


def _within(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _write(path: Path, tensors: dict[str, Tensor]) -> None:
    """One safetensors file; written by Python, whose error of a full disk can be explained."""
    plain = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    path.write_bytes(serialize(plain))


def _point(link: Path, folder: Path) -> None:
    with explained(link):
        temporary = link.with_name(f".{link.name}.new")
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(Path("checkpoints") / folder.name)
        temporary.replace(link)


def _prune(run: Path) -> None:
    kept = {(run / name).resolve() for name in ("best", "last") if (run / name).exists()}
    for folder in (run / "checkpoints").iterdir():
        if folder.resolve() not in kept:
            shutil.rmtree(folder)
