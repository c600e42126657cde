"""`maskwright chart`: whether a measured figure of a line, a lot or a camera is in control."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.versioned import Document
from .console import BAD_VERDICT, Console
from .options import AsJson, Overwrite, Quiet

if TYPE_CHECKING:
    from ..measurement.control.chart import ControlChart
    from ..measurement.control.series import Series

Table = Annotated[
    Path, typer.Argument(metavar="TABLE", help="A table that measure wrote: coverage.csv, ...")
]
Figure = Annotated[str, typer.Option(metavar="COLUMN", help="The column that is charted.")]
Where = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN=VALUE", help="Rows with this value alone; repeatable."),
]
Each = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN|REGEX", help="A chart for each value, or each match in the key."
    ),
]
First = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Limits from the first N values; else from all."),
]


def chart(
    table: Table,
    *,
    figure: Figure,
    where: Where = None,
    each: Each = None,
    first: First = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The page that is written.")] = Path(
        "chart.html"
    ),
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Draw control charts of a figure, in the order of the rows.

    Exit status 3 where a value is out of control.
    """
    console = Console(as_json=as_json, quiet=quiet)
    from ..core.atomic import write_text
    from ..core.errors import DataError, OutputError
    from ..measurement.control.chart import ControlChart
    from ..measurement.control.page import render_charts
    from ..measurement.control.series import parse_where, read_series

    if out.exists() and not overwrite:
        raise OutputError(f"{out}: exists; replace it with --overwrite, or choose another -o")
    chosen = parse_where(where or [])
    charts = {}
    for group, series in read_series(table, figure, where=chosen, by=each).items():
        try:
            charts[group] = (
                series,
                ControlChart.from_values(series.values, num_baseline=first),
            )
        except DataError as error:
            raise DataError(f"{table}: {group or figure}: {error}") from error
    subtitle = ", ".join((str(table), *(f"{name} {value}" for name, value in chosen.items())))
    write_text(out, render_charts(figure, charts, subtitle))
    for line in _describe(figure, charts):
        console.say(line)
    console.say(f"page  {out}")
    console.result({group: _to_json(*each) for group, each in charts.items()})
    if any(one.signals for _, one in charts.values()):
        raise typer.Exit(BAD_VERDICT)


def _describe(
    figure: str, charts: "Mapping[str, tuple[Series, ControlChart]]"
) -> Iterator[str]:
    from ..measurement.control.chart import RULES

    for group, (series, one) in charts.items():
        low, high = one.limits
        yield (
            f"{group or figure}: {len(one.values_N)} values, mean {one.center:.4g}, limits "
            f"{low:.4g} to {high:.4g}"
        )
        for signal in one.signals:
            value = one.values_N[signal.index]
            yield f"  {series.keys[signal.index]}: {value:.4g}, {RULES[signal.rule]}"


def _to_json(series: "Series", one: "ControlChart") -> Document:
    return {
        "center": one.center,
        "limits": list(one.limits),
        "range_limit": one.range_limit,
        "num_values": len(one.values_N),
        "signals": [
            {"image": series.keys[signal.index], "rule": signal.rule} for signal in one.signals
        ],
    }
