"""`plan` and `train`: argument parsing, and what a person sees while training."""

import os
import re
from pathlib import Path
from typing import Annotated

import typer

from ..core.atomic import write_text
from ..core.errors import ConfigError
from .console import AsJson, Console, Quiet

Data = Annotated[
    Path, typer.Argument(metavar="DATA", help="A dataset folder, or its dataset.yaml.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="One recipe value, say optim.lr=3e-4."),
]
Budget = Annotated[
    str | None, typer.Option("--budget", help="Time for the whole run: 90s, 40m or 2.5h.")
]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command("plan")(_plan)
    app.command("train")(_train)


def _plan(
    data: Data,
    out: Annotated[Path, typer.Option("-o", "--out", help="Where to write.")] = Path(
        "recipe.yaml"
    ),
    settings: Settings = None,
    budget: Budget = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a recipe for DATA and this machine, with reasons."""
    budget_s = _seconds(budget)
    console = Console(as_json=as_json, quiet=quiet)
    from ..training.recipe import parse_settings
    from ..training.run import plan

    made = plan(
        data,
        settings=parse_settings(settings or []),
        budget_s=budget_s,
        progress=console.progress,
    )
    write_text(out, made.to_yaml())
    console.say(made.to_yaml())
    console.say(f"written to {out}; train with: maskwright train {data} --recipe {out} -o RUN")
    console.result(
        {
            "recipe": made.recipe.model_dump(mode="json"),
            "reasons": made.reasons,
            "path": str(out),
        }
    )


def _train(
    data: Data,
    out: Annotated[Path, typer.Option("-o", "--out", help="The run folder.")],
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
    budget_s = _seconds(budget)
    speaks = os.environ.get("RANK", "0") == "0"  # of the processes of accelerate launch
    console = Console(as_json=as_json and speaks, quiet=quiet or not speaks)
    from ..training.options import Callbacks, TrainOptions
    from ..training.recipe import parse_settings
    from ..training.run import train
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
        run = train(data, out, options, callbacks)
    except KeyboardInterrupt as stop:
        live.stop()
        typer.echo(f"{stop or 'stopped'}; go on with: {_resume(data, out)}", err=True)
        raise
    finally:
        live.stop()
    console.say(f"best validation mIoU {run.report.miou:.2%}")
    console.say(f"report  {run.root / 'report' / 'report.html'}")
    console.say(f"bundle  {run.bundle.root}  ({run.bundle.model_id})")
    console.result(
        {
            "run": str(run.root),
            "bundle": str(run.bundle.root),
            "model_id": run.bundle.model_id,
            "parity": run.bundle.parity,
            "scores": run.report.to_json()["scores"],
        }
    )


def _resume(data: Path, out: Path) -> str:
    return f"maskwright train {data} -o {out} --resume"


def _seconds(budget: str | None) -> float | None:
    """`40m` -> 2400."""
    if budget is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh])", budget.strip())
    if match is None or not float(match[1]):
        raise ConfigError(f"--budget {budget!r}: write a number and s, m or h, say 40m")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]
