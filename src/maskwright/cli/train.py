"""`maskwright train`: train a model, with a live table of its progress."""

import os
from pathlib import Path
from typing import Annotated

import typer

from ..pages.text import format_share
from .console import Console
from .options import AsJson, Budget, Data, Quiet, Settings, budget_seconds, out_option


def train(
    data: Data,
    out: Annotated[Path, out_option("The run folder.")],
    recipe: Annotated[
        Path | None, typer.Option("--recipe", help="Train by this instead of planning.")
    ] = None,
    settings: Settings = None,
    budget: Budget = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train a model on DATA; ends with a Bundle in OUT/bundle."""
    budget_s = budget_seconds(budget)
    speaks = os.environ.get("RANK", "0") == "0"  # of the processes of accelerate launch
    console = Console(as_json=as_json and speaks, quiet=quiet or not speaks)
    from ..training.options import Callbacks, TrainOptions
    from ..training.recipe import parse_settings
    from ..training.run import train as run_training
    from .live import Live

    options = TrainOptions(
        recipe=recipe,
        settings=parse_settings(settings or []),
        budget_s=budget_s,
        resume=resume,
    )
    live = Live(console)
    callbacks = Callbacks(log=console.say, progress=console.progress, on_step=live.show)
    try:
        run = run_training(data, out, options, callbacks)
    except KeyboardInterrupt as stop:
        live.stop()
        typer.echo(f"{stop or 'stopped'}; go on with: {_resume(data, out)}", err=True)
        raise
    finally:
        live.stop()
    console.say(f"best validation mIoU {format_share(run.report.miou, 2)}")
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


def _resume(data: Path, out: Path) -> str:
    return f"maskwright train {data} -o {out} --resume"
