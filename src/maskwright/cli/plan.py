"""`maskwright plan`: write a recipe for a dataset and this machine."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ..core.atomic import write_text
from ..core.duration import budget_seconds
from .console import Console
from .options import (
    AcceptLicence,
    AllowOutside,
    AsJson,
    Budget,
    Data,
    Device,
    KeepIds,
    MappingFile,
    Quiet,
    adopt_mapping_option,
    out_option,
)
from .recipe_values import ReadValues, takes_recipe_values


@takes_recipe_values
def plan(
    data: Data,
    *,
    out: Annotated[Path, out_option("The recipe file.")] = Path("recipe.yaml"),
    values: ReadValues,
    budget: Budget = None,
    device: Device = None,
    mapping: MappingFile = None,
    _keep_ids: KeepIds = False,
    allow_outside: AllowOutside = False,
    accept_licence: AcceptLicence = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show how a run spends its minutes.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a recipe for DATA and this machine, with reasons."""
    started_s = time.monotonic()  # before torch is imported
    budget_s = budget_seconds(budget)
    console = Console(as_json=as_json, quiet=quiet)
    from ..data.check.text import format_findings
    from ..training.planning.minutes import list_minutes
    from ..training.run import plan as run

    adopt_mapping_option(data, mapping, console, allow_outside=allow_outside)
    planned = run(
        data,
        settings=values(),
        budget_s=budget_s,
        started_s=started_s,
        device=device,
        allow_outside=allow_outside,
        accept_licence=accept_licence,
        explain=explain,
        progress=console.progress,
        log=console.say,
    )
    write_text(out, planned.to_yaml())
    console.say(planned.to_yaml())
    console.say_all(planned.histogram)
    console.say_all(list_minutes(planned.minutes) if planned.minutes else ())
    console.say_all(format_findings(remark.to_json() for remark in planned.remarks))
    console.say(f"written to {out}; train with: maskwright train {data} --recipe {out} -o RUN")
    console.result(
        {
            "recipe": planned.recipe.to_json(),
            "reasons": planned.reasons,
            "path": str(out),
            "histogram": list(planned.histogram),
            "minutes": [asdict(part) for part in planned.minutes],
            "remarks": [remark.to_json() for remark in planned.remarks],
        }
    )
