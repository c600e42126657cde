"""`maskwright diff`: compare two versions of a dataset."""

from pathlib import Path
from typing import Annotated

import typer

from .console import Console
from .options import AllowOutside, AsJson, KeepIds, Overwrite, Quiet, out_option


def diff(
    a: Annotated[Path, typer.Argument(metavar="A", help="The old version of the dataset.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The new version.")],
    *,
    out: Annotated[Path, out_option("Folder for the page.")] = Path("diff"),
    overwrite: Overwrite = False,
    _keep_ids: KeepIds = False,
    allow_outside: AllowOutside = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """List what changed between two versions of a dataset.

    Classes, images and pixels, with a page that shows them.
    """
    from ..core.results import WriteMode, open_results
    from ..data.dataset import open_unpacked
    from ..evaluation.diff.diff import diff as run
    from ..evaluation.diff.page import add_difference, summarize

    console = Console(as_json=as_json, quiet=quiet)
    with open_results(out, "diff", WriteMode(overwrite=overwrite)) as results:
        with (
            open_unpacked(a, allow_outside=allow_outside) as old,
            open_unpacked(b, allow_outside=allow_outside) as new,
        ):
            difference = run(old, new, console.progress)
        add_difference(results, difference)
    console.say(summarize(difference))
    console.say(f"{out / 'diff.html'} shows it; the numbers: diff.json")
    console.result(difference.to_json())
