"""Options and callbacks of `train`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from maskwright.core.progress import Progress, silent

from .job import OnStep
from .recipe import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """Options of `train`.

    `recipe` is the file to train by; None plans one. `settings` are recipe values by dotted
    key and replace those of the recipe or of the plan. `budget_s` limits the time of the whole
    run, its final report and export included. `resume` continues the run in the output folder
    from its last checkpoint and excludes the options above. `keep_parity_images` keeps crops of
    a few validation images in the Bundle. `trust` is the SHA-256 of a network's file that a
    recipe or the run names and that came from elsewhere: it is code, and it is run.
    With `allow_outside`, paths in dataset.yaml may lead out of its folder.
    """

    recipe: Path | None = None
    settings: Settings = field(default_factory=dict)
    budget_s: float | None = None
    resume: bool = False
    keep_parity_images: bool = True
    trust: str | None = None
    allow_outside: bool = False


def _ignore(_argument: object) -> None:
    """The default callback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks:
    """Callbacks of a run: log lines, progress bars, status after each step."""

    log: Callable[[str], None] = _ignore
    progress: Progress = silent
    on_step: OnStep = _ignore
