"""`maskwright prune`: remove channels from a network, and train what is left."""

import time
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ..core.duration import budget_seconds
from .opening import Threads
from .options import (
    AllowOutside,
    AsJson,
    Budget,
    Data,
    Device,
    Engine,
    Model,
    NoParityImages,
    Quiet,
    Size,
    out_option,
    parse_size,
)
from .recipe_values import ReadValues, takes_recipe_values
from .train import make_console, show_training


@takes_recipe_values
def prune(
    model: Model,
    data: Data,
    *,
    out: Annotated[Path, out_option("The run folder of the smaller network.")],
    target_flops: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Share of the multiplications that is left."),
    ] = None,
    target_ms: Annotated[
        float | None,
        typer.Option(metavar="MS", help="Time of one image that is wanted.", min=0.01),
    ] = None,
    importance: Annotated[
        str, typer.Option(help="What decides on channels: taylor or magnitude.")
    ] = "taylor",
    rounds: Annotated[
        int | None,
        typer.Option(metavar="N", help="Rounds of pruning, each with training.", min=1),
    ] = None,
    engine: Engine = None,
    threads: Threads = None,
    size: Size = "512x512",
    values: ReadValues,
    budget: Budget = None,
    device: Device = None,
    no_parity_images: NoParityImages = False,
    allow_outside: AllowOutside = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Remove channels from MODEL, and train what is left on DATA.

    A run that was stopped goes on with `maskwright train DATA -o OUT --resume`.
    """
    started_s = time.monotonic()  # before torch is imported
    budget_s = budget_seconds(budget)
    console = make_console(as_json=as_json, quiet=quiet)
    from ..compression.pruning.latency import USUAL, Latency
    from ..compression.pruning.prune import PruneOptions, prune_model
    from ..training.options import TrainOptions

    wanted = PruneOptions(
        target_flops=target_flops,
        target_ms=target_ms,
        importance=importance,
        rounds=rounds,
        latency=Latency(engine or USUAL, threads, parse_size(size)),
    )
    options = TrainOptions(
        settings=values(),
        budget_s=budget_s,
        started_s=started_s,
        device=device,
        keep_parity_images=not no_parity_images,
        allow_outside=allow_outside,
    )
    show_training(data, out, options, console, partial(prune_model, model, data, out, wanted))
