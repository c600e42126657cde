"""`maskwright diff`: compare two versions of a dataset."""

from pathlib import Path
from typing import Annotated

import typer

from .console import Console
from .options import AsJson, Quiet, out_option


def diff(
    a: Annotated[Path, typer.Argument(metavar="A", help="The old version of the dataset.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The new version.")],
    *,
    out: Annotated[Path, out_option("Folder for the page.")] = Path("diff"),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """List what changed between two versions of a dataset.

    Classes, images and pixels, with a page that shows them.
    """
    from ..core.atomic import require_writable
    from ..data.dataset import open_unpacked
    from ..evaluation.diff.diff import diff as run
    from ..evaluation.diff.page import summarize, write_difference

    console = Console(as_json=as_json, quiet=quiet)
    require_writable(out)
    with open_unpacked(a) as old, open_unpacked(b) as new:
        difference = run(old, new, console.progress)
    write_difference(difference, out)
    console.say(summarize(difference))
    console.say(f"{out / 'diff.html'} shows it; the numbers: diff.json")
    console.result(difference.to_json())
