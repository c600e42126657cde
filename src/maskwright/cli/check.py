"""`maskwright check`: find what in a dataset harms training."""

from pathlib import Path
from typing import Annotated

import typer

from .console import BAD_VERDICT, Console, print_text
from .options import (
    AllowOutside,
    AsJson,
    Data,
    Form,
    KeepIds,
    MappingFile,
    Overwrite,
    ProposeMapping,
    Quiet,
    adopt_mapping_option,
    out_option,
)


def check(
    data: Data,
    *,
    form: Form = None,
    out: Annotated[
        Path | None, out_option("Folder for a contact sheet: images with labels, findings.")
    ] = None,
    mapping: MappingFile = None,
    propose_mapping: ProposeMapping = None,
    overwrite: Overwrite = False,
    _keep_ids: KeepIds = False,
    allow_outside: AllowOutside = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Find what in DATA harms training; exit status 3 if any."""
    from ..core.results import WriteMode
    from ..data.check.audit import audit
    from ..data.check.merges import list_merges
    from ..data.check.sheet import PAGE
    from ..data.classes.proposal import write_proposal

    console = Console(as_json=as_json, quiet=quiet)
    adopt_mapping_option(data, mapping, console, allow_outside=allow_outside)
    report = audit(
        data,
        console.progress,
        form=form,
        allow_outside=allow_outside,
        out=out,
        mode=WriteMode(overwrite=overwrite),
    )
    console.result(report.to_json())
    if not as_json:
        print_text(report.to_text())
    if out is not None:
        console.say(f"{out / PAGE} shows the images")
    if propose_mapping is not None:
        console.say(write_proposal(propose_mapping, report.spec, list_merges(report)))
    if report.harmful:
        raise typer.Exit(BAD_VERDICT)
