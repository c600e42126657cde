"""`maskwright compress`: the graph and the engine that are fast enough and keep the score."""

from pathlib import Path
from typing import Annotated

import typer

from ..core.duration import budget_seconds
from .console import BAD_VERDICT, Console
from .export import Qat
from .options import (
    AsJson,
    Data,
    Engines,
    MaxDrop,
    Model,
    Overwrite,
    Quiet,
    Size,
    out_option,
    parse_engines,
    parse_size,
)


def compress(
    model: Model,
    data: Data,
    *,
    target_ms: Annotated[
        float, typer.Option(metavar="MS", help="Time of one image that is wanted.", min=0.01)
    ],
    out: Annotated[Path, out_option("Folder for the page and the Bundle.")],
    max_drop: MaxDrop = None,
    qat: Qat = None,
    engines: Engines = "all",
    size: Size = "512x512",
    threads: Annotated[
        int | None, typer.Option(metavar="N", help="Threads (default: all cores).", min=1)
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Find the fastest way to run MODEL that keeps its score.

    Every precision on every engine is scored on the validation split of DATA and timed.
    """
    console = Console(as_json=as_json, quiet=quiet)
    from ..core.results import WriteMode
    from ..core.threads import count_cores
    from ..export.compress.candidates import Wish
    from ..export.compress.output import list_lines
    from ..export.compress.search import compress_model
    from ..export.quantize.search import MAX_DROP_POINTS

    found = compress_model(
        model,
        data,
        out,
        Wish(
            target_ms,
            MAX_DROP_POINTS if max_drop is None else max_drop,
            budget_seconds(qat, option="--qat"),
        ),
        engines=parse_engines(engines),
        size_HW=parse_size(size),
        threads=threads or count_cores(),
        mode=WriteMode(overwrite=overwrite),
        progress=console.progress,
        log=console.say,
    )
    console.say_all(list_lines(found))
    console.say(f"bundle  {out / 'bundle'}")
    console.result({"out": str(out)} | found.to_json())
    if not found.is_met:
        raise typer.Exit(BAD_VERDICT)
