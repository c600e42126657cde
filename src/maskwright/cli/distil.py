"""`maskwright distil`: train a small network that learns from a large one."""

import time
from pathlib import Path
from typing import Annotated

import typer

from ..core.duration import budget_seconds
from .options import (
    AcceptLicence,
    AllowOutside,
    AsJson,
    Budget,
    Data,
    Device,
    NoParityImages,
    Quiet,
    out_option,
)
from .recipe_values import ReadValues, takes_recipe_values
from .train import make_console, train_shown


@takes_recipe_values
def distil(
    data: Data,
    *,
    teacher: Annotated[
        list[str],
        typer.Option(
            metavar="MODEL",
            help="A Bundle, run or checkpoint with the classes of DATA; repeatable: several "
            "are an ensemble.",
        ),
    ],
    out: Annotated[Path, out_option("The run folder of the student.")],
    unlabelled: Annotated[
        Path | None, typer.Option(help="Folder of images without labels to learn from too.")
    ] = None,
    values: ReadValues,
    budget: Budget = None,
    device: Device = None,
    no_parity_images: NoParityImages = False,
    allow_outside: AllowOutside = False,
    accept_licence: AcceptLicence = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train a small network that learns from a large one.

    A run that was stopped goes on with `maskwright train DATA -o OUT --resume`.
    """
    started_s = time.monotonic()  # before torch is imported
    budget_s = budget_seconds(budget)
    console = make_console(as_json=as_json, quiet=quiet)
    from ..training.options import TrainOptions

    settings = values() | {"distil.teachers": teacher}
    if unlabelled is not None:
        settings["distil.unlabelled"] = str(unlabelled)
    options = TrainOptions(
        settings=settings,
        budget_s=budget_s,
        started_s=started_s,
        device=device,
        keep_parity_images=not no_parity_images,
        allow_outside=allow_outside,
        accept_licence=accept_licence,
    )
    train_shown(data, out, options, console)
