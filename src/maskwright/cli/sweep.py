"""`maskwright sweep`: search for the values of a recipe that score best."""

from pathlib import Path
from typing import Annotated

import typer

from ..core.duration import budget_seconds
from ..pages.text import text_table
from .console import Console
from .options import (
    AcceptLicence,
    AllowOutside,
    AsJson,
    Data,
    Device,
    KeepIds,
    Quiet,
    ResumeFolder,
    out_option,
)
from .recipe_values import ReadValues, takes_recipe_values


@takes_recipe_values
def sweep(
    data: Data,
    *,
    out: Annotated[Path, out_option("The folder of the search.")],
    over: Annotated[
        list[str],
        typer.Option(metavar="KEY=VALUES", help="A,B or LOW:HIGH or LOW:HIGH:log; repeatable."),
    ],
    limit: Annotated[
        str, typer.Option("--time", metavar="TIME", help="Time for the search: 30m, 8h or 1d.")
    ],
    values: ReadValues,
    trial_time: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Time for each run (default: a tenth of --time)."),
    ] = None,
    device: Device = None,
    resume: ResumeFolder = False,
    _keep_ids: KeepIds = False,
    allow_outside: AllowOutside = False,
    accept_licence: AcceptLicence = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Search over values of the recipe of DATA; bad runs end early.

    OUT gets the runs, a table of them as a page, and the best recipe.
    """
    time_s = budget_seconds(limit, option="--time")
    trial_s = budget_seconds(trial_time, option="--trial-time")
    console = Console(as_json=as_json, quiet=quiet)
    from ..training.options import TrainOptions
    from ..training.sweep.search import SweepOptions
    from ..training.sweep.search import sweep as search
    from .train import show_live

    options = TrainOptions(
        settings=values(),
        budget_s=trial_s,
        device=device,
        allow_outside=allow_outside,
        accept_licence=accept_licence,
    )
    asked = SweepOptions(over=tuple(over), time_s=time_s or 0, options=options, resume=resume)

    def tell_resume() -> str:
        spaces = " ".join(f"--over {space}" for space in over)
        return f"maskwright sweep {data} {spaces} --time {limit} -o {out} --resume"

    with show_live(console, tell_resume) as callbacks:
        trials = search(data, out, asked, callbacks)
    heads, rows = trials.list_rows()
    console.say_all(text_table(heads, rows, words=(0, len(heads) - 1)))
    console.say(f"best recipe  {out / 'recipe.yaml'}")
    console.say(f"page  {out / 'index.html'}")
    console.result(trials.to_json())
