"""`maskwright chart`: whether a measured figure of a line, a lot or a camera is in control."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.versioned import Document
from .console import BAD_VERDICT, Console
from .options import AsJson, Overwrite, Quiet

if TYPE_CHECKING:
    from ..measurement.control.chart import ControlChart
    from ..measurement.control.series import Series

_SQLITE = b"SQLite format 3"
Table = Annotated[
    str,
    typer.Argument(
        metavar="TABLE", help="A table that measure wrote, or the store of a server."
    ),
]
Figure = Annotated[
    str,
    typer.Option(metavar="NAME", help="The column that is charted; of a store, a figure."),
]
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
    from ..measurement.control.series import parse_where

    if out.exists() and not overwrite:
        raise OutputError(f"{out}: exists; replace it with --overwrite, or choose another -o")
    chosen = parse_where(where or [])
    charts, left_out = {}, []
    for group, series in _read(table, figure, chosen, each).items():
        try:
            charts[group] = (
                series,
                ControlChart.from_values(series.values, num_baseline=first),
            )
        except DataError as error:
            left_out.append(f"{group or (f'rows without {each}' if each else figure)}: {error}")
    if not charts:
        raise DataError(f"{_name(table)}: {left_out[0]}")
    title = _name(table)
    subtitle = ", ".join((title, *(f"{name} {value}" for name, value in chosen.items())))
    write_text(out, render_charts(figure, charts, subtitle))
    for line in _describe(figure, charts):
        console.say(line)
    console.say_all(f"left out: {line}" for line in left_out)
    console.say(f"page  {out}")
    console.result({group: _to_json(*each) for group, each in charts.items()})
    if any(one.signals for _, one in charts.values()):
        raise typer.Exit(BAD_VERDICT)


def _is_store(table: str) -> bool:
    if "://" in table:
        return True
    with suppress(OSError), Path(table).open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE
    return False


def _name(table: str) -> str:
    """The table, or the store without its password."""
    from ..store.place import find_place, name_place

    return name_place(find_place(table)) if _is_store(table) else table


def _read(
    table: str, figure: str, where: "Mapping[str, str]", by: str | None
) -> "Mapping[str, Series]":
    from ..measurement.control.series import read_series

    if not _is_store(table):
        return read_series(Path(table), figure, where=where, by=by)
    from ..serving.watch.control import read_stored_series
    from ..store.database import Database

    database = Database.open(table)
    try:
        with database.read() as connection:
            return read_stored_series(connection, figure, where=where, by=by)
    finally:
        database.close()


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
