"""What `score` and `evaluate` share: options of the scores, and the table they print."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import Console

if TYPE_CHECKING:
    from ..core.report import Report
    from ..evaluation.counting import ScoreDetail


TOLERANCE = "0.75%"

Attributes = Annotated[
    Path | None,
    typer.Option(help="CSV with 'key' and any columns: scores of each part of the set."),
]
Tolerance = Annotated[
    str, typer.Option(help="Of boundary scores: '3px', or a share of the diagonal.")
]
Surface = Annotated[
    float | None,
    typer.Option(
        metavar="TOLERANCE",
        help="Surface distances too; surface Dice at a tolerance in mm (px without spacing).",
    ),
]
Spacing = Annotated[
    str | None,
    typer.Option(
        help="Size of a pixel in mm for --surface: '0.5', or height x width '0.5x0.7'. "
        "Default: what medical headers say."
    ),
]


def detail_of(
    tolerance: str | None, surface: float | None, spacing: str | None
) -> "ScoreDetail":
    """What the options ask to count beside the regions.

    Raises:
        ConfigError: A tolerance or spacing that is none, or a spacing without --surface.
    """
    from ..core.errors import ConfigError
    from ..evaluation.counting import ScoreDetail
    from ..metrics.boundary import Tolerance as BoundaryTolerance
    from ..metrics.surface import Ruler

    if surface is None and spacing is not None:
        raise ConfigError(f"--spacing {spacing} is for --surface; add --surface 2, say")
    return ScoreDetail(
        tolerance=None if tolerance is None else BoundaryTolerance.parse(tolerance),
        ruler=None if surface is None else Ruler.parse(surface, spacing),
    )


def tell(report: "Report", out: Path, console: Console) -> None:
    """The table of classes and the scores of the set, or the whole report with `--json`."""
    console.say(_score_table(report))
    console.say(f"{out / 'report.html'} shows it with pictures; the numbers: report.json")
    console.result(report.to_json())


def _score_table(report: "Report") -> str:
    document = report.to_json()
    scores, intervals = document["scores"], document["intervals"]
    width = max(len(c["name"]) for c in document["classes"])
    lines = [f"{'class':{width}}     IoU       95 %       precision  recall    Dice"]
    for c in document["classes"]:
        iou, precision, recall, dice = (
            _percent(c[key]) for key in ("iou", "precision", "recall", "dice")
        )
        between = _between(c["intervals"]["iou"])
        lines.append(
            f"{c['name']:{width}}  {iou:>6}  {between:^13}     {precision:>6}  {recall:>6}  "
            f"{dice:>6}"
        )
    lines.append(
        f"mIoU {_percent(scores['miou'])} % {_between(intervals['miou'])}, pixel accuracy "
        f"{_percent(scores['pixel_accuracy'])} %, frequency-weighted IoU "
        f"{_percent(scores['frequency_weighted_iou'])} %; mean over images of their mIoU "
        f"{_percent(scores['image_mean_miou'])} %"
    )
    absent = document["absent_classes"]
    if absent:
        lines.append(f"{document['absent_rule']} Absent here: {', '.join(absent)}.")
    if not document["uncertainty"]["enough_groups"]:
        lines.append(
            f"No intervals: {document['uncertainty']['groups']} groups of images are too few."
        )
    return "\n".join(lines)


def _between(interval: list[float] | None) -> str:
    return "" if interval is None else f"({_percent(interval[0])}-{_percent(interval[1])})"


def _percent(value: Any) -> str:
    return "–" if value is None else f"{100 * value:.1f}"
