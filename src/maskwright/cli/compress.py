"""`maskwright compress`: network, graph and engine that are fast enough and keep the score."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.duration import budget_seconds
from .console import BAD_VERDICT, Console
from .export import Qat
from .opening import Threads
from .options import (
    AllowOutside,
    AsJson,
    Budget,
    Data,
    Device,
    Engines,
    MaxDrop,
    Model,
    NoParityImages,
    Overwrite,
    OwnSize,
    Quiet,
    ResumeFolder,
    out_option,
    parse_engines,
    parse_size,
)
from .recipe_values import ReadValues, takes_recipe_values
from .train import make_console, show_live

if TYPE_CHECKING:
    from ..compression.compress.output import Compression

TargetMs = Annotated[
    float, typer.Option(metavar="MS", help="Time of one image that is wanted.", min=0.01)
]


@takes_recipe_values
def compress(
    model: Model,
    data: Data,
    *,
    target_ms: TargetMs,
    out: Annotated[Path, out_option("Folder for the page, the networks and the Bundle.")],
    max_drop: MaxDrop = None,
    budget: Budget = None,
    qat: Qat = None,
    values: ReadValues,
    engines: Engines = "all",
    size: OwnSize = None,
    threads: Threads = None,
    device: Device = None,
    no_parity_images: NoParityImages = False,
    allow_outside: AllowOutside = False,
    overwrite: Overwrite = False,
    resume: ResumeFolder = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Find the fastest way to run MODEL that keeps its score.

    Every precision on every engine is scored on the validation split of DATA and timed. With
    --budget, so are smaller networks that are made of MODEL and trained: channels removed in
    steps, and a student (--arch) that learns from it.
    """
    started_s = time.monotonic()  # before torch is imported
    budget_s = budget_seconds(budget)
    console = make_console(as_json=as_json, quiet=quiet)
    from ..compression.compress.candidates import Wish
    from ..compression.compress.search import compress_model
    from ..core.results import WriteMode
    from ..core.threads import count_cores
    from ..export.quantize.search import MAX_DROP_POINTS
    from ..training.options import TrainOptions

    most = MAX_DROP_POINTS if max_drop is None else max_drop
    training = TrainOptions(
        settings=values(),
        budget_s=budget_s,
        started_s=started_s,
        device=device,
        keep_parity_images=not no_parity_images,
        allow_outside=allow_outside,
    )
    with show_live(console, lambda: "") as callbacks:
        found = compress_model(
            model,
            data,
            out,
            Wish(target_ms, most, budget_seconds(qat, option="--qat")),
            training=training,
            engines=parse_engines(engines),
            size_HW=None if size is None else parse_size(size),
            threads=threads or count_cores(),
            mode=WriteMode(overwrite=overwrite, resume=resume),
            callbacks=callbacks,
        )
    _show(found, out, console)


def _show(found: "Compression", out: Path, console: Console) -> None:
    """Print what was found; exit status 3 where it is not what was wanted."""
    from ..compression.compress.output import list_lines

    console.say_all(list_lines(found))
    console.say(f"page  {out / 'index.html'}")
    console.say(f"bundle  {out / 'bundle'}")
    console.result({"out": str(out)} | found.to_json())
    if not found.is_met:
        raise typer.Exit(BAD_VERDICT)
