"""Options and callbacks of `train`, and the plain names of the values that are set most."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from maskwright.core.errors import ConfigError
from maskwright.core.progress import Progress, silent

from .job import OnStep
from .recipe import Settings

PLAIN_KEYS = {
    "epochs": "schedule.epochs",
    "batch": "data.batch_size",
    "crop": "data.crop_px",
    "arch": "model.arch",
    "encoder": "model.encoder",
    "init": "model.init",
    "seed": "seed",
}
"""The key of a recipe that each plain option sets."""

SCHEDULE = ("schedule.epochs", "schedule.steps_per_epoch")
MOST_PARTS = 10
"""Epochs of a run whose steps are given: there is a validation after each."""


def add_plain_options(settings: Settings, options: Mapping[str, object]) -> dict[str, object]:
    """Add the values of plain options, those that are not None, to `settings`.

    The option `steps` gives the two values of a schedule of so many steps.

    Raises:
        ConfigError: An option and a setting give the same value.
    """
    options = dict(options)
    schedule = _plan_steps(options.pop("steps", None), options, settings)
    given = {PLAIN_KEYS[name]: value for name, value in options.items() if value is not None}
    for name, key in PLAIN_KEYS.items():
        if key in given and key in settings:
            raise ConfigError(f"--{name} and --set {key} give the same value; leave out one")
    return dict(settings) | given | schedule


def _plan_steps(
    steps: object, options: Mapping[str, object], settings: Settings
) -> dict[str, object]:
    """Values for the option `--steps`; none where it is not given."""
    if steps is None:
        return {}
    if not isinstance(steps, int) or steps < 1:
        raise ConfigError(f"--steps {steps}: give 1 or more")
    clash = ["--epochs"] if options.get("epochs") is not None else []
    clash += [f"--set {key}" for key in SCHEDULE if key in settings]
    if clash:
        raise ConfigError(f"--steps and {clash[0]} both give the length; leave out one")
    return split_steps(steps)


def split_steps(steps: int) -> dict[str, object]:
    """The schedule of exactly `steps` optimizer steps, in as many equal epochs as can be."""
    epochs = max(parts for parts in range(1, MOST_PARTS + 1) if steps % parts == 0)
    return dict(zip(SCHEDULE, (epochs, steps // epochs), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """Options of `train`.

    `recipe` is the file to train by; None plans one. `settings` are recipe values by dotted
    key and replace those of the recipe or of the plan. `budget_s` limits the time of the whole
    run, its final report and export included, from `started_s` on `time.monotonic` (None: from
    the call). `device` is "cpu", "cuda", "cuda:N", "mps" or "xpu", None for
    the first GPU if there is one. `resume` continues the run in the output folder from its last
    checkpoint and excludes recipe, settings and budget. `keep_parity_images` keeps crops of a
    few validation images in the Bundle. `trust` is the SHA-256 of a network's file that a
    recipe or the run names and that came from elsewhere: it is code, and it is run.
    With `allow_outside`, paths in dataset.yaml may lead out of its folder. `accept_licence`
    accepts the licence of the weights that training starts from. `services` are "wandb" and
    "mlflow", where numbers and pictures are sent too.
    """

    recipe: Path | None = None
    settings: Settings = field(default_factory=dict)
    budget_s: float | None = None
    started_s: float | None = None
    device: str | None = None
    resume: bool = False
    keep_parity_images: bool = True
    trust: str | None = None
    allow_outside: bool = False
    accept_licence: bool = False
    services: tuple[str, ...] = ()


def _ignore(_argument: object) -> None:
    """The default callback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks:
    """Callbacks of a run: log lines, progress bars, status after each step."""

    log: Callable[[str], None] = _ignore
    progress: Progress = silent
    on_step: OnStep = _ignore
