"""A comparison as text for the console: a table of scores, then the verdict."""

import math

from ...pages.text import format_number, format_points, format_share, text_table
from ..drawing.wording import wording
from .changes import ScoreChange
from .compare import Comparison

_HEADS = ("IoU of class", "A", "B", "B - A", "95 % interval", "p corrected", "groups")


def summarize(comparison: Comparison) -> str:
    """The IoU of each class, the scores of the set, the verdict and the notes."""
    pairs = zip(comparison.labels.names, comparison.classes, strict=True)
    rows = [
        (*_row(name, changes["iou"]), str(groups))
        for (name, changes), groups in zip(pairs, comparison.truth_groups, strict=True)
    ]
    rows += [
        (*_row(wording(name).name, change), "") for name, change in comparison.scores.items()
    ]
    worse = ", ".join(comparison.worse)
    verdict = f"B is worse in {worse}." if worse else "B is not shown to be worse."
    return "\n".join([*text_table(_HEADS, rows), verdict, *comparison.notes])


def _row(name: str, change: ScoreChange) -> tuple[str, ...]:
    low, high = format_points(change.low), format_points(change.high)
    if not math.isnan(change.interval_of):
        high += f" of {format_points(change.interval_of)}"
    return (
        name,
        format_share(change.a),
        format_share(change.b),
        format_points(change.difference),
        "" if change.estimate.interval is None else f"{low} to {high}",
        format_number(change.p_corrected, 4),
    )
