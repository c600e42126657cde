"""`maskwright tune-refine`: choose the refiners of a model on validation images."""

from pathlib import Path
from typing import Annotated

import typer

from .console import Console
from .options import (
    AllowOutside,
    AsJson,
    Data,
    Engine,
    Group,
    Model,
    Overwrite,
    Quiet,
    out_option,
)


def tune_refine(
    model: Model,
    data: Data,
    *,
    out: Annotated[Path, out_option("chain.yaml, or a Bundle to write with the chain.")],
    split: Annotated[str, typer.Option(help="The split to choose on; not test.")] = "val",
    family: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=A+B",
            help="Classes of which a thing has one: vehicle=car+bus; repeatable (default: the "
            "things).",
        ),
    ] = None,
    group: Group = None,
    engine: Engine = None,
    overwrite: Overwrite = False,
    allow_outside: AllowOutside = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Choose the refiners of a model, if any helps.

    They are chosen on half of the groups, and kept if they gain beyond chance on the others.
    """
    console = Console(as_json=as_json, quiet=quiet)
    from ..core.results import WriteMode
    from ..data.dataset import open_dataset
    from ..evaluation.refining.candidates import parse_families
    from ..evaluation.refining.tune import TuneOptions
    from ..evaluation.refining.tune import tune_refine as run

    options = TuneOptions(split=split, group=group, families=parse_families(family or []))
    tuning = run(
        model,
        open_dataset(data, allow_outside=allow_outside, progress=console.progress),
        out,
        options=options,
        engine=engine,
        mode=WriteMode(overwrite=overwrite),
        progress=console.progress,
    )
    for line in tuning.to_lines():
        console.say(line)
    if tuning.chain is not None:
        console.say(f"written to {out}")
    console.result({"out": None if tuning.chain is None else str(out)} | tuning.to_json())
