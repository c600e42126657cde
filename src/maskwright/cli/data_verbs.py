"""`maskwright check` and `maskwright split`: what is in the data, and who learns from what."""

from pathlib import Path
from typing import Annotated

import typer

from .console import AsJson, Console, Quiet

Data = Annotated[
    Path,
    typer.Argument(metavar="DATA", help="A folder of images and masks, or its dataset.yaml."),
]


def register(app: typer.Typer) -> None:
    """Add `check` and `split`."""
    app.command()(check)
    app.command()(split)


def check(data: Data, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Find what in DATA would harm training; exit status 1 if any."""
    from ..data.check.audit import audit

    console = Console(as_json=as_json, quiet=quiet)
    found = audit(data, console.progress)
    console.result(found.to_json())
    if not as_json:
        typer.echo(found.to_text())
    if found.harmful:
        raise typer.Exit(1)


def split(
    data: Data,
    *,
    val: Annotated[float, typer.Option(help="Share of images for val.")] = 0.15,
    test: Annotated[float, typer.Option(help="Share of images for test.")] = 0.15,
    group: Annotated[
        str | None,
        typer.Option(help="Regular expression: what it finds in a key is never split apart."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed draws other splits.")] = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Draw train, val and test by group, rare classes in each."""
    from ..data.splits import make_split

    console = Console(as_json=as_json, quiet=quiet)
    drawn = make_split(
        data, val=val, test=test, group=group, seed=seed, progress=console.progress
    )
    for name, keys in drawn.file.splits.items():
        missing = drawn.missing[name]
        lacks = f", without {', '.join(missing)}: too few groups have it" if missing else ""
        console.say(f"{name}: {len(keys)} images{lacks}")
    console.say(f"{drawn.num_groups} groups; written to {drawn.path}")
    console.result(drawn.to_json())
