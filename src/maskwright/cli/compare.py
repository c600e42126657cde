"""`maskwright compare`: is one report better than another, and where?"""

from pathlib import Path
from typing import Annotated

import typer

from .console import BAD_VERDICT, Console, print_text
from .options import AsJson, Group, Overwrite, Quiet, out_option


def compare(
    a: Annotated[
        Path,
        typer.Argument(metavar="A", help="Report folder written by `score` or `evaluate`."),
    ],
    b: Annotated[
        Path,
        typer.Argument(metavar="B", help="Report folder on the same data, compared with A."),
    ],
    *,
    out: Annotated[Path, out_option("Folder for the comparison.")] = Path("comparison"),
    group: Group = None,
    fail_if_worse: Annotated[
        bool, typer.Option("--fail-if-worse", help="Exit status 3 when B is worse than A.")
    ] = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compare two reports of the same data.

    Prints differences with intervals and p-values, class by class.
    """
    console = Console(as_json=as_json, quiet=quiet)
    from ..core.results import WriteMode, open_results
    from ..evaluation.compare.compare import compare as run
    from ..evaluation.compare.compare import require_power
    from ..evaluation.compare.page import add_comparison
    from ..evaluation.compare.text import summarize

    with open_results(out, "compare", WriteMode(overwrite=overwrite)) as results:
        comparison = run(a, b, group=group)
        if fail_if_worse:
            require_power(comparison)
        add_comparison(results, comparison)
    console.say(summarize(comparison))
    console.say(f"{out / 'compare.html'} shows it; the numbers: compare.json")
    console.result(comparison.to_json())
    if fail_if_worse and comparison.worse:
        print_text(f"B is worse than A in {', '.join(comparison.worse)}", err=True)
        raise typer.Exit(BAD_VERDICT)
