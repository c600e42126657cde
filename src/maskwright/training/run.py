"""`plan` and `train`: from a dataset to a run folder that ends with a Bundle.

    runs/a/  recipe.yaml  run.json  index.html  curves/  previews/  tensorboard/
             log.csv  steps.csv  iou.csv  checkpoints/  best  last
             report/ (report.json, report.html)  bundle/

The folder is disposable once its bundle is taken out.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

from accelerate import Accelerator

from maskwright.core.atomic import write_text
from maskwright.core.bundle import REPORT, Bundle, open_bundle
from maskwright.core.codefile import CodeFile
from maskwright.core.jsonfile import read_json
from maskwright.core.progress import Progress, silent
from maskwright.core.report import Report
from maskwright.core.trust import require_digest
from maskwright.data.check.task import remark_on_task

from . import own_code
from .checkpoint import RunProgress
from .data import TrainingData
from .finish import finish
from .job import Job
from .length import FILE_NAME as LENGTH
from .length import Length
from .loop import fit
from .machine import Machine, get_processes, use_device
from .options import Callbacks, TrainOptions
from .origin import Origin
from .pace import Budget, Pace
from .planning.plan import Plan
from .planning.planner import Planner
from .recipe import Recipe, Settings, override, read_recipe, to_yaml
from .setup import make_accelerator
from .start import (
    DATA,
    RECIPE,
    choose_recipe,
    discard_refused,
    lock_run,
    make_job,
    require_same_data,
    require_same_recipe,
    require_settings,
)
from .tracking.page import Standing, write_page
from .tracking.services import require_services


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Run:
    """A finished run: its folder, its Bundle and the Report of its best weights on val."""

    root: Path
    bundle: Bundle
    report: Report

    def __repr__(self) -> str:
        return f"Run({self.root}: {self.report!r} on val)"

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.report._repr_html_()}"


def plan(
    data: Path | str,
    *,
    settings: Settings | None = None,
    budget_s: float | None = None,
    started_s: float | None = None,
    device: str | None = None,
    allow_outside: bool = False,
    accept_licence: bool = False,
    explain: bool = False,
    progress: Progress = silent,
    log: Callable[[str], None] | None = None,
) -> Plan:
    """Measure a dataset and this machine, and plan a recipe.

    Args:
        data: The folder of the dataset, or its dataset.yaml.
        settings: Recipe values by dotted key, say `{"optim.lr": 3e-4}`; they are kept, and
            the rest is planned around them.
        budget_s: Seconds in which a run has to end, its report and its export included.
        started_s: Time on `time.monotonic` from which the budget counts; None for now.
        device: "cpu", "cuda", "cuda:N", "mps" or "xpu"; None for a GPU if there is one.
        allow_outside: Whether paths in dataset.yaml may lead out of its folder.
        accept_licence: The user accepts the licence of the weights to start from.
        explain: Whether to measure what the parts of the run take (`minutes` of the plan).
        progress: Shows how many images have been read.
        log: Gets lines on the weights to start from.

    Raises:
        ConfigError: A setting is wrong, weights to start from are not available or their
            licence has to be accepted, or the budget is too short.
        DataError: The dataset is not fit for training.
    """
    budget = _start_budget(budget_s, started_s)
    use_device(device)
    settings = own_code.admit_settings(settings or {})
    require_settings(settings, budget_s)
    log = log or Callbacks().log
    planner = Planner(
        settings=settings,
        budget=budget,
        accept_licence=accept_licence,
        explain=explain,
        log=log,
    )
    source = TrainingData.read(
        data,
        settings,
        progress,
        allow_outside=allow_outside,
        before_measuring=planner.require_weights,
    )
    log(f"device: {Machine.detect()}")
    planned = planner.plan(source)
    Origin.of_new_run(planner, planned.recipe, source, log)
    planned.remarks = remark_on_task(source.dataset, progress)
    return planned


def train(
    data: Path | str,
    out: Path | str,
    options: TrainOptions | None = None,
    callbacks: Callbacks | None = None,
) -> Run:
    """Train a model on `data` and leave a run with a Bundle in `out`.

    Raises:
        ConfigError: There is a run in `out` already, or the recipe is wrong.
        DataError: The dataset is not fit for training.
        OutputError: Another process trains in `out`, or it cannot be written.
        TrainingError: Training had to stop.
    """
    options, callbacks = options or TrainOptions(), callbacks or Callbacks()
    with _open_start(Path(out), options, callbacks) as start:
        return _train(data, Path(out), start, callbacks)


def train_weights(
    data: Path | str, out: Path, options: TrainOptions, callbacks: Callbacks
) -> None:
    """Train as `train` does, and leave checkpoints alone: no report and no Bundle.

    A budget is that of the training. Raises as `train`.
    """
    with _open_start(out, options, callbacks, finishes=False) as start:
        _fit(data, out, start, callbacks)


@contextmanager
def _open_start(
    out: Path, options: TrainOptions, callbacks: Callbacks, *, finishes: bool = True
) -> Iterator["_Start"]:
    """Check the options, and lock the folder of the run."""
    require_digest(options.trust)
    require_services(options.services)
    budget = _start_budget(options.budget_s, options.started_s)
    use_device(options.device)
    code, options = own_code.admit_options(options)
    given = choose_recipe(out, options)
    is_main = get_processes().is_main_process
    with lock_run(out, options, callbacks.log) if is_main else nullcontext():
        yield _Start(budget, options, given, code, finishes)


@dataclass(frozen=True, slots=True)
class _Start:
    """What `train` begins with: budget, options, the recipe if one is given, user's file.

    A run that `finishes` leaves time for its report and its Bundle.
    """

    budget: Budget | None
    options: TrainOptions
    given: Recipe | None
    code: CodeFile | None
    finishes: bool = True

    def limit(self, length: Length, pace: Pace | None, validation_steps: int) -> None:
        """Let a run end within the budget, if there is one."""
        if pace is not None and not self.finishes:
            pace = replace(pace, export_s=0.0, finish_images=0.0)
        if self.budget is not None:
            length.start(self.budget, pace, validation_steps)

    def make_planner(self, log: Callable[[str], None]) -> Planner:
        """Make what plans the recipe, or completes the given one."""
        return Planner(
            settings=self.options.settings,
            given=self.given,
            budget=self.budget,
            accept_licence=self.options.accept_licence,
            log=log,
        )


def _train(data: Path | str, out: Path, start: _Start, callbacks: Callbacks) -> Run:
    """Train in a folder that this process has locked, and finish the run."""
    job, progress, num_steps = _fit(data, out, start, callbacks)
    processes = get_processes()
    if processes.is_main_process:
        finish(job, callbacks, keep_parity_images=start.options.keep_parity_images)
        standing = Standing("finished", progress.step, num_steps)
        write_page(out, job.card.labels, job.card.input, standing)
    processes.wait_for_everyone()
    return open_run(out)


def _fit(
    data: Path | str, out: Path, start: _Start, callbacks: Callbacks
) -> tuple[Job, RunProgress, int]:
    """Train in a folder that this process has locked; the steps of the run are the last."""
    options = start.options
    job, accelerator, length = _prepare(data, out, start, callbacks)
    progress = fit(
        job,
        accelerator,
        callbacks.on_step,
        length=length,
        resume=options.resume,
        services=options.services,
    )
    if text := length.describe():
        callbacks.log(text)
    return job, progress, length.num_steps


def _prepare(
    data: Path | str, out: Path, start: _Start, callbacks: Callbacks
) -> tuple[Job, Accelerator, Length]:
    """Read the data, write the recipe where the run is new, and make the Job."""
    options, given = start.options, start.given
    planner = start.make_planner(callbacks.log)
    source = TrainingData.read(
        data,
        _split_settings(given, options),
        callbacks.progress,
        allow_outside=options.allow_outside,
        before_measuring=None if options.resume else planner.require_weights,
    )
    for note in _list_notes(source):
        callbacks.log(note)
    callbacks.log(f"device: {Machine.detect()}")
    if given and source.conversion and not options.resume:
        given = override(given, {"input.convert_channels": True})
    if given and not options.resume:
        given = override(given, {"data.train_split": source.split_names[0]})  # of folds
        given = planner.complete(given)
    processes = get_processes()
    written, pace = [], None
    if processes.is_main_process and not options.resume:
        text = "" if given is None else to_yaml(given, {})
        if given is None:
            planned = planner.plan(source)
            text, pace = planned.to_yaml(), planned.pace
            for line in planned.histogram:
                callbacks.log(line)
        for name in (DATA, LENGTH):
            (out / name).unlink(missing_ok=True)  # of a start that left no checkpoint
        written = [out / RECIPE, out / DATA]
        written += own_code.copy_code(start.code, out)
        write_text(out / RECIPE, text)
    with discard_refused(out, written):
        processes.wait_for_everyone()
        recipe = read_recipe(out / RECIPE)
        if options.resume:
            origin = Origin.of_resumed_run(out)
        else:
            origin = Origin.of_new_run(planner, recipe, source, callbacks.log)
        own_code.require_network(recipe, out, len(source.dataset.spec), options.trust)
        callbacks.log(f"recipe: {out / RECIPE}")
        job = make_job(out, recipe, source, origin)
        require_same_data(job, callbacks.log, write=processes.is_main_process)
        require_same_recipe(job, callbacks.log, write=processes.is_main_process)
        length = Length.open(out, job.num_steps)
        start.limit(length, pace, job.validation_steps)
        return job, make_accelerator(recipe), length


def _start_budget(budget_s: float | None, started_s: float | None) -> Budget | None:
    if budget_s is None:
        return None
    now_s = time.monotonic()
    return Budget(total_s=budget_s, started_s=now_s if started_s is None else started_s)


def _list_notes(source: TrainingData) -> Iterator[str]:
    """What opening the dataset has inferred, left out and converted."""
    yield from source.dataset.notes
    yield from (item.to_note() for item in source.dataset.left_out)
    if source.conversion:
        yield source.conversion


def open_run(root: Path) -> Run:
    """Open a finished run.

    Raises:
        BundleError: It has not ended with a Bundle, or the Bundle is damaged.
    """
    bundle = open_bundle(root / "bundle")
    path = bundle.file(REPORT)
    report = Report.from_json(read_json(path), where=str(path))
    return Run(root=root, bundle=bundle, report=report)


def _split_settings(given: Recipe | None, options: TrainOptions) -> Settings:
    if given is None:
        return options.settings
    splits: dict[str, object] = {
        "data.train_split": given.data.train_split,
        "data.val_split": given.data.val_split,
        "input.slices": given.input.slices,
    }
    if given.input.bands:
        splits["input.bands"] = list(given.input.bands)
    if given.input.convert_channels or "input.channels" in options.settings:
        return {**splits, "input.channels": given.input.channels}
    return splits
