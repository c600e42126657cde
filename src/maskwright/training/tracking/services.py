"""Boards of services that hold the runs of a team: Weights & Biases, and MLflow.

Accelerate's trackers talk to them; where to and as whom, their own environment variables say
(WANDB_PROJECT, WANDB_MODE, MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME). What a service calls
the run is kept in `services.json` of the run folder, so that a resumed run goes on there.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from secrets import token_hex
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskwright.core.atomic import write_json
from maskwright.core.errors import (
    ConfigError,
    MissingDependencyError,
    UnknownNameError,
    shorten,
)
from maskwright.core.jsonfile import read_json
from maskwright.core.versioned import Schema

from ..job import Job
from .boards import Board

SERVICES = ("wandb", "mlflow")
PROJECT = "maskwright"
FILE_NAME = "services.json"
SCHEMA = Schema(kind=FILE_NAME, version=1)
_FORBIDDEN = re.compile(r"[^\w\-. /]")
"""What the name of a number may not have in MLflow."""


def require_services(names: Sequence[str]) -> None:
    """Require services that are known, and their packages.

    Raises:
        ConfigError: One is not known.
        MissingDependencyError: A package is not installed.
    """
    for name in names:
        if name not in SERVICES:
            raise UnknownNameError("tracker", name, SERVICES)
        if find_spec(name) is None:
            raise MissingDependencyError(name, name)


def open_services(names: Sequence[str], job: Job) -> list[Board]:
    """Begin the run at each service, or go on where it had begun there.

    Raises:
        ConfigError: A service cannot be reached, or does not know the user.
    """
    path, boards = job.run / FILE_NAME, list[Board]()
    known = SCHEMA.read(read_json(path), where=str(path)) if path.exists() else {}
    values = _flatten(job.recipe.to_json())
    for name in names:
        start = _start_wandb if name == "wandb" else _start_mlflow
        with _explain(name):
            board, known[name] = start(job.run, known.get(name), values)
        boards.append(board)
    if names:
        write_json(path, SCHEMA.stamp(known))
    return boards


class _WandB:
    """A run of Weights & Biases."""

    def __init__(self, tracker: Any) -> None:
        self.tracker = tracker

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Send numbers."""
        self.tracker.log(dict(values), step=step)

    def log_pictures(self, pictures: Mapping[str, NDArray[np.uint8]], step: int) -> None:
        """Send pictures."""
        self.tracker.log_images({name: [shown] for name, shown in pictures.items()}, step=step)

    def close(self) -> None:
        """Wait until all is sent, or written where W&B is offline."""
        self.tracker.finish()


class _MLflow:
    """A run of MLflow; pictures are its artifacts."""

    def __init__(self, tracker: Any) -> None:
        self.tracker = tracker

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Send numbers."""
        named = {_FORBIDDEN.sub("_", name): float(value) for name, value in values.items()}
        self.tracker.log(named, step=step)

    def log_pictures(self, pictures: Mapping[str, NDArray[np.uint8]], step: int) -> None:
        """Send pictures: those of a step are a folder."""
        import mlflow

        for name, shown in pictures.items():
            mlflow.log_image(shown, artifact_file=f"step-{step:07d}/{name}.png")

    def close(self) -> None:
        """End the run."""
        self.tracker.finish()


def _start_wandb(run: Path, known: str | None, values: dict[str, object]) -> tuple[Board, str]:
    from accelerate.tracking import WandBTracker

    name, given = known or token_hex(4), run.resolve().name
    project = os.environ.get("WANDB_PROJECT", PROJECT)
    tracker = WandBTracker(project, name=given, id=name, resume="allow", dir=str(run))
    tracker.start()
    tracker.store_init_configuration(values)
    return _WandB(tracker), name


def _start_mlflow(run: Path, known: str | None, values: dict[str, object]) -> tuple[Board, str]:
    from accelerate.tracking import MLflowTracker

    tracker = MLflowTracker(PROJECT, run_name=run.resolve().name, run_id=known)
    tracker.start()
    if known is None:  # parameters of a run cannot be changed
        tracker.store_init_configuration(values)
    return _MLflow(tracker), str(tracker.active_run.info.run_id)


@contextmanager
def _explain(name: str) -> Iterator[None]:
    """Turn the error of a service into one that names it and the way out."""
    if name == "wandb":
        from wandb.errors import Error as ServiceError

        fix = "run `wandb login`, or set WANDB_MODE=offline"
    else:
        from mlflow.exceptions import MlflowException as ServiceError

        fix = "set MLFLOW_TRACKING_URI to the address of a server, or to sqlite:///mlflow.db"
    try:
        yield
    except ServiceError as error:
        raise ConfigError(f"--tracker {name}: {shorten(str(error), 200)}; {fix}") from error


def _flatten(document: Mapping[str, object]) -> dict[str, object]:
    """Values of a recipe by dotted key, lists and objects as text."""
    values: dict[str, object] = {}
    for section, value in document.items():
        items = value.items() if isinstance(value, dict) else [("", value)]
        for key, item in items:
            plain = isinstance(item, bool | int | float | str)
            values[f"{section}.{key}".rstrip(".")] = item if plain else str(item)
    return values
