"""`maskwright convert`: a data set of one format written in another."""

from pathlib import Path
from typing import Annotated

import typer

from .console import AsJson, Console, Quiet


def register(app: typer.Typer) -> None:
    """Add `convert`."""
    app.command()(convert)


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SRC", help="A folder of any format, its dataset.yaml, a ZIP or a TAR."
        ),
    ],
    target: Annotated[Path, typer.Argument(metavar="DST", help="A new folder.")],
    *,
    to: Annotated[str, typer.Option(help="The format to write.")],
    form: Annotated[
        str | None, typer.Option("--from", help="The format of SRC; found by looking.")
    ] = None,
    classes: Annotated[
        Path | None,
        typer.Option(help="A mapping file: classes merged, renamed, reordered, ignored."),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read all back and count pixels that differ.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write the data set SRC in another format; ends with an account of what was lost."""
    from ..data.convert import convert as run
    from ..data.dataset import opened_as_is

    console = Console(as_json=as_json, quiet=quiet)
    with opened_as_is(source, form=form, progress=console.progress) as dataset:
        account = run(
            dataset, target, to=to, classes=classes, verify=verify, progress=console.progress
        )
    console.result(account.to_json())
    console.say(account.to_text())
