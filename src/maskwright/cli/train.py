"""`maskwright train`: train a model, with a live table of its progress."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.duration import budget_seconds
from ..core.errors import ConfigError
from ..core.results import is_in_partial
from ..pages.text import format_share
from .console import Console, print_text
from .options import (
    AcceptLicence,
    AllowOutside,
    AsJson,
    Budget,
    Data,
    Device,
    KeepIds,
    MappingFile,
    NoParityImages,
    Quiet,
    Resume,
    Trust,
    adopt_mapping_option,
    out_option,
)
from .recipe_values import ReadValues, takes_recipe_values

if TYPE_CHECKING:
    from ..training.options import Callbacks, TrainOptions
    from ..training.run import Run


@takes_recipe_values
def train(
    data: Data,
    *,
    out: Annotated[Path, out_option("The run folder.")],
    recipe: Annotated[
        Path | None, typer.Option("--recipe", help="Use this recipe instead of planning one.")
    ] = None,
    values: ReadValues,
    budget: Budget = None,
    device: Device = None,
    mapping: MappingFile = None,
    resume: Resume = False,
    no_parity_images: NoParityImages = False,
    trust: Trust = None,
    _keep_ids: KeepIds = False,
    allow_outside: AllowOutside = False,
    accept_licence: AcceptLicence = False,
    tracker: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Send the run to wandb, mlflow, or both, too."),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(metavar="N", help="Train with N seeds: mean, spread and the best run."),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train a model on DATA; writes a Bundle to OUT/bundle."""
    started_s = time.monotonic()  # before torch is imported
    budget_s = budget_seconds(budget)
    console = make_console(as_json=as_json, quiet=quiet)
    from ..training.options import TrainOptions

    options = TrainOptions(
        recipe=recipe,
        settings=values(),
        budget_s=budget_s,
        started_s=started_s,
        device=device,
        resume=resume,
        keep_parity_images=not no_parity_images,
        trust=trust,
        allow_outside=allow_outside,
        accept_licence=accept_licence,
        services=tuple(tracker.split(",")) if tracker else (),
    )
    if resume and mapping is not None:
        raise ConfigError("--resume goes on with the classes of the run; leave out --mapping")
    adopt_mapping_option(data, mapping, console, allow_outside=allow_outside)
    if seeds is None:
        train_shown(data, out, options, console)
    else:
        train_seeds_shown(data, out, seeds, options, console)


def make_console(*, as_json: bool, quiet: bool) -> Console:
    """The console of a training; of the processes of accelerate launch, the first speaks."""
    is_first = os.environ.get("RANK", "0") == "0"
    return Console(as_json=as_json and is_first, quiet=quiet or not is_first)


def train_shown(data: Path, out: Path, options: "TrainOptions", console: Console) -> None:
    """Train with a live table, and tell how it ended or how it can go on."""
    from ..training.run import train as run_training

    show_training(data, out, options, console, partial(run_training, data, out))


def show_training(
    data: Path,
    out: Path,
    options: "TrainOptions",
    console: Console,
    run_training: "Callable[[TrainOptions, Callbacks], Run]",
) -> None:
    """Do what trains in `out` with a live table, and tell how it ended or can go on."""
    from ..training.start import has_checkpoint

    def resume() -> str:
        # demo's folder is removed
        is_left = has_checkpoint(out) and not is_in_partial(out)
        return _resume(data, out, options) if is_left else ""

    with show_live(console, resume) as callbacks:
        run = run_training(options, callbacks)
    _tell(run, console)


def train_seeds_shown(
    data: Path, out: Path, num: int, options: "TrainOptions", console: Console
) -> None:
    """Train with several seeds, and tell the scores of all."""
    from ..training.seeds import name_seed, train_seeds

    def resume() -> str:
        is_left = any(out.glob("seed-*/last"))
        return f"{_resume(data, out, options)} --seeds {num}" if is_left else ""

    with show_live(console, resume) as callbacks:
        found = train_seeds(data, out, num, options, callbacks)
    for seed, report in found.reports.items():
        console.say(f"{name_seed(seed)}  validation mIoU {format_share(report.miou, 2)}")
    console.say(f"mean and spread  {found.miou} points")
    console.say(f"best  {found.root / name_seed(found.best)}")
    console.result(found.to_json())


@contextmanager
def show_live(console: Console, resume: Callable[[], str]) -> Iterator["Callbacks"]:
    """Show the steps of a training; on Ctrl-C, the command that `resume` gives, if any."""
    from ..training.options import Callbacks
    from .live import Live

    live = Live(console)
    try:
        yield Callbacks(log=console.say, progress=console.progress, on_step=live.show)
    except KeyboardInterrupt as stop:
        live.stop()
        if command := resume():
            print_text(f"{str(stop) or 'stopped'}; resume with: {command}", err=True)
        raise
    finally:
        live.stop()


def _tell(run: "Run", console: Console) -> None:
    from ..evaluation.report.text import list_failures

    console.say(f"best validation mIoU {format_share(run.report.miou, 2)}")
    for failure in list_failures(run.report):
        console.say(failure)
    console.say(f"report  {run.root / 'report' / 'report.html'}")
    console.say(f"bundle  {run.bundle.root}  ({run.bundle.model_id})")
    console.result(
        {
            "run": str(run.root),
            "bundle": str(run.bundle.root),
            "model_id": run.bundle.model_id,
            "graphs": [graph.to_json() for graph in run.bundle.graphs],
            "scores": run.report.to_json()["scores"],
        }
    )


def _resume(data: Path, out: Path, options: "TrainOptions") -> str:
    more = "" if options.keep_parity_images else " --no-parity-images"
    more += " --allow-outside" if options.allow_outside else ""
    more += f" --tracker {','.join(options.services)}" if options.services else ""
    more += f" --device {options.device}" if options.device else ""
    return f"maskwright train {data} -o {out} --resume{more}"
