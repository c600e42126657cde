"""`maskwright convert`: write a dataset in another format."""

from pathlib import Path
from typing import Annotated

import typer

from .console import Console
from .options import Align, AllowOutside, AsJson, Form, KeepIds, Overwrite, Quiet, ResumeFolder


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SRC", help="A dataset of any format: folder, dataset.yaml, ZIP or TAR."
        ),
    ],
    target: Annotated[Path, typer.Argument(metavar="DST", help="The folder to write.")],
    *,
    to: Annotated[str, typer.Option(metavar="FORMAT", help="The format to write.")],
    form: Form = None,
    classes: Annotated[
        Path | None,
        typer.Option(help="A mapping file that merges, renames, reorders or ignores classes."),
    ] = None,
    polygons: Annotated[
        bool,
        typer.Option(
            "--polygons",
            help="Write all regions as polygons, without holes, for tools that read no masks.",
        ),
    ] = False,
    align: Align = False,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Read the result back and count the pixels that differ."),
    ] = False,
    overwrite: Overwrite = False,
    resume: ResumeFolder = False,
    _keep_ids: KeepIds = False,
    allow_outside: AllowOutside = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write the dataset SRC in another format.

    Prints an account of what the format cannot hold.
    """
    from ..core.results import WriteMode
    from ..data.conversion.convert import convert as run
    from ..data.dataset import open_unpacked

    console = Console(as_json=as_json, quiet=quiet)
    with open_unpacked(
        source, form=form, allow_outside=allow_outside, progress=console.progress
    ) as dataset:
        account = run(
            dataset,
            target,
            to=to,
            classes=classes,
            polygons=polygons,
            align=align,
            verify=verify,
            mode=WriteMode(overwrite=overwrite, resume=resume),
            progress=console.progress,
        )
    console.result(account.to_json())
    console.say(account.to_text())
