"""`maskwright convert` and `maskwright diff`: data sets written anew, and their versions."""

from pathlib import Path
from typing import Annotated

import typer

from .console import AsJson, Console, Quiet


def register(app: typer.Typer) -> None:
    """Add `convert` and `diff`."""
    app.command()(convert)
    app.command()(diff)


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
    from ..data.conversion.convert import convert as run
    from ..data.dataset import opened_as_is

    console = Console(as_json=as_json, quiet=quiet)
    with opened_as_is(source, form=form, progress=console.progress) as dataset:
        account = run(
            dataset, target, to=to, classes=classes, verify=verify, progress=console.progress
        )
    console.result(account.to_json())
    console.say(account.to_text())


def diff(
    a: Annotated[Path, typer.Argument(metavar="A", help="The old version of a data set.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The new version.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the page.")] = Path(
        "diff"
    ),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say what changed between two versions of a data set: classes, images, pixels."""
    from ..core.atomic import require_writable
    from ..data.dataset import opened_as_is
    from ..evaluation.diff.diff import diff as run
    from ..evaluation.diff.page import summary, write_difference

    console = Console(as_json=as_json, quiet=quiet)
    require_writable(out)
    with opened_as_is(a) as old, opened_as_is(b) as new:
        found = run(old, new, console.progress)
    write_difference(found, out)
    console.say(summary(found))
    console.say(f"{out / 'diff.html'} shows it; the numbers: diff.json")
    console.result(found.to_json())
