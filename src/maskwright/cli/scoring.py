"""Options of the scores and the printed table, for `score` and `evaluate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import Console

if TYPE_CHECKING:
    from ..core.report import Report
    from ..metrics.family import ScoreDetail


TOLERANCE = "0.75%"

Attributes = Annotated[
    Path | None,
    typer.Option(
        metavar="CSV",
        help="Table with 'key' and other columns: scores for each value of a column.",
    ),
]
Tolerance = Annotated[
    str,
    typer.Option(help="Of boundary scores: pixels ('3px') or percent of the diagonal."),
]
Surface = Annotated[
    float | None,
    typer.Option(
        metavar="TOLERANCE",
        help="Score surfaces too; TOLERANCE of surface Dice in mm (px without spacing).",
    ),
]
Spacing = Annotated[
    str | None,
    typer.Option(
        help="Pixel size in mm for --surface: '0.5', H x W '0.5x0.7', D x H x W '3x0.5x0.7' "
        "(default: from medical headers)."
    ),
]


def parse_detail(
    *, full: bool, tolerance: str, surface: float | None, spacing: str | None
) -> "ScoreDetail":
    """Read from the options what to count beside the region scores.

    Raises:
        ConfigError: A tolerance or spacing cannot be read, or --surface is missing.
    """
    from ..core.errors import ConfigError
    from ..metrics.boundary import BoundaryTolerance
    from ..metrics.family import ScoreDetail
    from ..metrics.surface import Ruler

    if surface is None and spacing is not None:
        raise ConfigError(f"--spacing {spacing} is for --surface; add for example --surface 2")
    return ScoreDetail(
        full=full,
        tolerance=BoundaryTolerance.parse(tolerance),
        ruler=None if surface is None else Ruler.parse(surface, spacing),
    )


def print_report(
    report: "Report",
    out: Path,
    console: Console,
    *,
    propose_mapping: Path | None = None,
    has_gallery: bool = False,
) -> None:
    """Print the table of classes and the scores of the set; with `--json` the whole report.

    A mapping file for classes that are not told apart is written to `propose_mapping`.
    """
    from ..evaluation.report.text import summarize

    console.say(summarize(report))
    if propose_mapping is not None:
        from ..data.classes.proposal import write_proposal
        from ..evaluation.confusable import list_merges

        merges = list_merges(report.confusable)
        console.say(write_proposal(propose_mapping, report.labels, merges))
    console.say(f"{out / 'report.html'} shows it with pictures; the numbers: report.json")
    if has_gallery:
        console.say(f"{out / 'gallery.html'} shows every prediction")
    console.result(report.to_json())
