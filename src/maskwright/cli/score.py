"""`maskwright score`: score the class maps of any framework against truth."""

from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from .console import Console
from .options import (
    Align,
    AsJson,
    Group,
    KeepIds,
    Overwrite,
    ProposeMapping,
    Quiet,
    Spec,
    out_option,
)
from .scoring import (
    TOLERANCE,
    Attributes,
    Spacing,
    Surface,
    Tolerance,
    parse_detail,
    print_report,
)

RawPredictions = Annotated[
    bool,
    typer.Option(
        "--raw-predictions",
        help="PREDICTIONS hold raw values, as TRUTH does, not class indices.",
    ),
]
SkipUndecided = Annotated[
    bool,
    typer.Option(
        "--skip-undecided",
        help="Leave pixels out that PREDICTIONS ignore, as maps of an annotator may.",
    ),
]

Merge = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Merge the classes of both by this mapping file."),
]
Full = Annotated[
    bool,
    typer.Option("--full", help="Score boundaries, distances and objects too; slower."),
]

Predictions = Annotated[
    Path,
    typer.Argument(metavar="PREDICTIONS", help="A folder of class maps, or one class map."),
]
Truth = Annotated[
    Path,
    typer.Argument(metavar="TRUTH", help="A folder with the same names, or one class map."),
]


def score(
    predictions: Predictions,
    truth: Truth,
    *,
    spec: Spec = None,
    raw_predictions: RawPredictions = False,
    skip_undecided: SkipUndecided = False,
    align: Align = False,
    group: Group = None,
    attributes: Attributes = None,
    mapping: Merge = None,
    full: Full = False,
    tolerance: Tolerance = TOLERANCE,
    surface: Surface = None,
    spacing: Spacing = None,
    out: Annotated[Path, out_option("Folder for the report.")] = Path("report"),
    propose_mapping: ProposeMapping = None,
    overwrite: Overwrite = False,
    _keep_ids: KeepIds = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Score class maps in PREDICTIONS against TRUTH."""
    console = Console(as_json=as_json, quiet=quiet)
    from ..core.report import FILE_NAME
    from ..core.results import WriteMode, open_results
    from ..data.entries.walk import results_below
    from ..evaluation.report.page import add_report
    from ..evaluation.score import ScoreOptions
    from ..evaluation.score import score as run

    detail = parse_detail(full=full, tolerance=tolerance, surface=surface, spacing=spacing)
    mode = WriteMode(overwrite=overwrite)
    with open_results(out, "score", mode, former=FILE_NAME) as results:
        report = run(
            predictions,
            truth,
            options=ScoreOptions(
                spec=spec,
                raw_predictions=raw_predictions,
                group=group,
                attributes=attributes,
                skip_undecided=skip_undecided,
                mapping=mapping,
                align=align,
            ),
            detail=detail,
            progress=console.progress,
        )
        searched = (folder for folder in (predictions, truth) if folder.is_dir())
        results.pass_over(chain.from_iterable(map(results_below, searched)))
        add_report(results, report)
    print_report(report, out, console, propose_mapping=propose_mapping)
