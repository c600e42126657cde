"""`maskwright convert`: write a dataset in another format."""

from pathlib import Path
from typing import Annotated

import typer

from .console import Console
from .options import AsJson, Quiet


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
        str | None, typer.Option("--from", help="Format of SRC (default: detected).")
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
    """Write the dataset SRC in another format.

    Ends with an account of what the format cannot hold.
    """
    from ..data.conversion.convert import convert as run
    from ..data.dataset import open_unpacked

    console = Console(as_json=as_json, quiet=quiet)
    with open_unpacked(source, form=form, progress=console.progress) as dataset:
        account = run(
            dataset, target, to=to, classes=classes, verify=verify, progress=console.progress
        )
    console.result(account.to_json())
    console.say(account.to_text())
