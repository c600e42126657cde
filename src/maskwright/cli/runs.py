"""`maskwright runs`: training runs side by side."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..pages.text import DASH, format_share, text_table
from .console import Console
from .options import AsJson, Quiet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..training.overview import RunSummary

_HEADS = ("run", "val mIoU", "95 % interval", "lowest class", "epochs", "steps", "minutes", "")
_WORDS = (0, 3, 7)


def runs(
    folders: Annotated[
        list[Path], typer.Argument(metavar="FOLDERS", help="Runs, or folders that hold runs.")
    ],
    *,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """List runs: scores, times, and where their recipes differ.

    The best comes first. A run that has not ended shows its best validation so far.
    """
    console = Console(as_json=as_json, quiet=quiet)
    from ..training.overview import find_differing_keys, summarize_runs

    found = summarize_runs(folders)
    differing = find_differing_keys(found)
    for line in text_table(_HEADS, [_cells(run) for run in found], words=_WORDS):
        console.say(line)
    for line in _list_differences(found, differing):
        console.say(line)
    console.result({"runs": [run.to_json(differing) for run in found]})


def _cells(run: "RunSummary") -> tuple[str, ...]:
    report, interval, lowest = run.report, "", ""
    if report is not None:
        ends = report.scores["miou"].interval
        interval = f"{100 * ends[0]:.1f} to {100 * ends[1]:.1f}" if ends else DASH
        ious = {name: iou for name, iou in (run.ious or {}).items() if iou is not None}
        worst = min(ious, key=lambda name: ious[name], default=None)
        lowest = f"{worst} {format_share(ious[worst])}" if worst else ""
    miou = report.miou if report is not None else run.best_miou
    numbers = (str(run.epochs), str(run.steps), f"{run.seconds / 60:.1f}")
    state = "" if run.report else run.state
    return (str(run.path), format_share(miou), interval, lowest, *numbers, state)


def _list_differences(runs: "Sequence[RunSummary]", keys: "Sequence[str]") -> list[str]:
    """For each run the values that are not alike in all."""
    if not keys:
        return ["", "Their recipes are alike."] if len(runs) > 1 else []
    lines = ["", "Where the recipes differ:"]
    for run in runs:
        values = ", ".join(f"{key}={run.recipe[key]}" for key in keys if key in run.recipe)
        lines.append(f"  {run.path}: {values or 'its recipe cannot be read'}")
    return lines
