"""`maskwright plan`: write a recipe for a dataset and this machine."""

from pathlib import Path
from typing import Annotated

from ..core.atomic import write_text
from .console import Console
from .options import (
    AllowOutside,
    AsJson,
    Budget,
    Data,
    Fold,
    Quiet,
    Settings,
    budget_seconds,
    fold_settings,
    out_option,
)


def plan(
    data: Data,
    *,
    out: Annotated[Path, out_option("The recipe file.")] = Path("recipe.yaml"),
    settings: Settings = None,
    budget: Budget = None,
    fold: Fold = None,
    allow_outside: AllowOutside = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a recipe for DATA and this machine, with reasons."""
    budget_s = budget_seconds(budget)
    console = Console(as_json=as_json, quiet=quiet)
    from ..training.recipe import parse_settings
    from ..training.run import plan as run

    planned = run(
        data,
        settings=parse_settings(settings or []) | fold_settings(fold),
        budget_s=budget_s,
        allow_outside=allow_outside,
        progress=console.progress,
    )
    write_text(out, planned.to_yaml())
    console.say(planned.to_yaml())
    console.say(f"written to {out}; train with: maskwright train {data} --recipe {out} -o RUN")
    console.result(
        {
            "recipe": planned.recipe.to_json(),
            "reasons": planned.reasons,
            "path": str(out),
        }
    )
