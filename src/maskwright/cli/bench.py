"""`maskwright bench`: how fast each engine runs a model on this machine."""

import re
from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import ConfigError
from ..core.threads import count_cores
from .console import Console
from .models import show_architectures
from .options import (
    AsJson,
    Engines,
    Overwrite,
    OwnSize,
    Quiet,
    Trust,
    parse_engines,
    parse_size,
)

Archs = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="In place of MODEL: time and memory of architectures, or 'all', on torch.",
    ),
]


def bench(
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="Bundle or run.", show_default=False)
    ] = None,
    *,
    archs: Archs = None,
    engines: Engines = "all",
    size: OwnSize = None,
    threads: Annotated[
        str | None,
        typer.Option(
            metavar="N,N", help="Threads of the engine, each measured (default: all cores)."
        ),
    ] = None,
    batch: Annotated[
        int, typer.Option(metavar="N", help="Images in one call of the network.")
    ] = 1,
    rounds: Annotated[
        int, typer.Option(metavar="N", help="Rounds in which the engines take turns.")
    ] = 5,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for JSON, CSV and a picture.")
    ] = None,
    trust: Trust = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure how fast each engine runs MODEL, or architectures.

    Time and memory of the network alone, as ratio to torch where the weights are there.
    """
    console = Console(as_json=as_json, quiet=quiet)
    if (model is None) == (archs is None):
        raise ConfigError("give MODEL, a Bundle or a run, or architectures by --archs NAMES")
    if model is None:
        names = parse_engines(archs or "all")
        show_architectures(names or (), console, bench=True)
        return
    from ..core.results import WriteMode
    from ..inference.bench.bench import bench_model
    from ..inference.bench.output import list_lines, write_bench

    found = bench_model(
        model,
        engines=parse_engines(engines),
        size_HW=None if size is None else parse_size(size),
        threads=_read_threads(threads),
        batch=batch,
        num_rounds=rounds,
        trust=trust,
        progress=console.progress,
    )
    console.say_all(list_lines(found))
    if out is not None:
        write_bench(found, out, WriteMode(overwrite=overwrite))
        console.say(f"bench  {out}")
    console.result(found.to_json())


def _read_threads(text: str | None) -> list[int]:
    if text is None:
        return [count_cores()]
    if not re.fullmatch(r"[1-9]\d{0,3}(,[1-9]\d{0,3})*", text, re.ASCII):
        raise ConfigError(f"--threads {text!r}: expected numbers, such as 1,2")
    return [int(number) for number in text.split(",")]
