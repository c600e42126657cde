"""`maskwright check`: find what in a dataset spoils training."""

import typer

from .console import BAD_VERDICT, Console
from .options import AsJson, Data, Quiet


def check(data: Data, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Find what in DATA harms training; exit status 3 if any."""
    from ..data.check.audit import audit

    console = Console(as_json=as_json, quiet=quiet)
    found = audit(data, console.progress)
    console.result(found.to_json())
    if not as_json:
        typer.echo(found.to_text())
    if found.harmful:
        raise typer.Exit(BAD_VERDICT)
