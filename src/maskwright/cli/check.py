"""`maskwright check`: find what in a dataset harms training."""

import typer

from .console import BAD_VERDICT, Console, print_text
from .options import AllowOutside, AsJson, Data, Form, Quiet


def check(
    data: Data,
    *,
    form: Form = None,
    allow_outside: AllowOutside = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Find what in DATA harms training; exit status 3 if any."""
    from ..data.check.audit import audit

    console = Console(as_json=as_json, quiet=quiet)
    report = audit(data, console.progress, form=form, allow_outside=allow_outside)
    console.result(report.to_json())
    if not as_json:
        print_text(report.to_text())
    if report.harmful:
        raise typer.Exit(BAD_VERDICT)
