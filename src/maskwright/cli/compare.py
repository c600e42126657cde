"""`maskwright compare`: is one report better than another, and where?"""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import BAD_VERDICT, Console
from .options import AsJson, Quiet, out_option

if TYPE_CHECKING:
    from ..evaluation.compare.changes import Change
    from ..evaluation.compare.compare import Comparison


def compare(
    a: Annotated[
        Path, typer.Argument(metavar="A", help="Report folder of `score` or `evaluate`.")
    ],
    b: Annotated[
        Path, typer.Argument(metavar="B", help="Report folder on the same data, to judge.")
    ],
    out: Annotated[Path, out_option("Folder for the comparison.")] = Path("comparison"),
    fail_if_worse: Annotated[
        bool, typer.Option("--fail-if-worse", help="Exit status 3 when B is worse than A.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compare two reports of the same data.

    Differences with their intervals and p-values, class by class.
    """
    console = Console(as_json=as_json, quiet=quiet)
    from ..core.atomic import require_writable
    from ..evaluation.compare.compare import compare as run
    from ..evaluation.compare.compare import require_power
    from ..evaluation.compare.page import write_comparison

    require_writable(out)
    comparison = run(a, b)
    if fail_if_worse:
        require_power(comparison)
    write_comparison(comparison, out)
    console.say(_text(comparison))
    console.say(f"{out / 'compare.html'} shows it; the numbers: compare.json")
    console.result(comparison.to_json())
    if fail_if_worse and comparison.worse:
        typer.echo(f"B is worse than A in {', '.join(comparison.worse)}", err=True)
        raise typer.Exit(BAD_VERDICT)


def _text(comparison: "Comparison") -> str:
    from ..evaluation.drawing.wording import wording

    names = [*comparison.labels.names, *(wording(name).name for name in comparison.scores)]
    width = max(map(len, names))
    lines = [f"{'IoU of class':{width}}       A       B   B - A   95 % interval  p (Holm)"]
    pairs = zip(comparison.labels.names, comparison.classes, strict=True)
    lines += [_line(f"{name:{width}}", found["iou"]) for name, found in pairs]
    lines += [
        _line(f"{wording(name).name:{width}}", change)
        for name, change in comparison.scores.items()
    ]
    verdict = ", ".join(comparison.worse)
    lines.append(f"B is worse in {verdict}." if verdict else "B is not shown to be worse.")
    lines += comparison.notes
    return "\n".join(lines)


def _line(name: str, change: "Change") -> str:
    low, high = _points(change.low), _points(change.high)
    ends = f"{low} to {high}" if low != "–" else "–"
    p = "–" if math.isnan(change.p_holm) else f"{change.p_holm:.4f}"
    return (
        f"{name}  {_percent(change.a):>6}  {_percent(change.b):>6}  "
        f"{_points(change.difference):>6}  {ends:>14}  {p:>8}"
    )


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.1f}"


def _points(value: float) -> str:
    """In percentage points with a sign, which 0.0 has not."""
    text = "–" if math.isnan(value) else f"{100 * value:+.1f}"
    return "0.0" if text in {"+0.0", "-0.0"} else text
