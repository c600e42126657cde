"""Control: control charts of what the rules of a server measure, in one view and for a verb.

A point is an image where a view has few of them, else the mean of the images of a column of
time; or the mean of a lot. The limits come from the first images of the scope that are kept:
those of the reference of the Bundle, which stay, where they have the figure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.errors import UnknownNameError
from ...measurement.control.chart import LEAST_VALUES, ControlChart
from ...measurement.control.series import Series, find_group
from ...pages.timechart import TimeAxis
from ...store.database import Connection
from ...store.records import FigureRow, RecordFilter, list_figures
from .view import Columns, View

BY_LOT = "lot"
"""Of the query `points`: a point is the mean of a lot."""

MOST_POINTS = 200
"""Images of a view that are points of their own."""

NUM_BASELINE, _MOST_BASELINE = 100, 1000
"""First images that give the limits, and those that do so where points are means."""

COLUMNS = ("image", "source", "lot", "model")
"""What a row of a store says of an image."""

_MOST_ROWS, _MOST_FIGURES, _NUM_LOTS = 20_000, 12, 25

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Control:
    """One figure: the points of a view, and the chart, whose last points they are.

    `points` says what a point is. `chart` is None where too few images came for limits.
    """

    figure: str
    points: str
    times_N: Values
    names: Sequence[str]
    values_N: Values
    chart: ControlChart | None

    @property
    def signals(self) -> dict[int, list[int]]:
        """The rules that each point of the view breaks, by its index."""
        if self.chart is None:
            return {}
        first = len(self.chart.values_N) - len(self.values_N)
        found: dict[int, list[int]] = {}
        for signal in self.chart.signals:
            if signal.index >= first:
                found.setdefault(signal.index - first, []).append(signal.rule)
        return found


def read_controls(
    connection: Connection, view: View, columns: Columns, *, by_lot: bool
) -> list[Control]:
    """The charts of a view, those with the most signals first; by lot, where that is asked."""
    chosen = RecordFilter(bundle=view.bundle, scope=view.scope)
    first = list_figures(connection, chosen, oldest=_MOST_BASELINE)
    known = columns.total.figures
    names = list(known)[:_MOST_FIGURES]
    rows: list[FigureRow] = []
    if by_lot or any(known[name].num <= MOST_POINTS for name in names):
        inside = RecordFilter(
            bundle=view.bundle, scope=view.scope, since=view.start, until=view.end
        )
        rows = list_figures(connection, inside, newest=_MOST_ROWS)
    drawn = []
    for name in names:
        if by_lot:
            drawn.append(_chart_lots(name, rows))
        elif known[name].num <= MOST_POINTS:
            drawn.append(_chart_images(name, first, rows))
        else:
            drawn.append(_chart_columns(name, first, columns))
    return sorted(drawn, key=lambda each: -len(each.signals))


def read_stored_series(
    connection: Connection,
    figure: str,
    *,
    where: Mapping[str, str] | None = None,
    by: str | None = None,
) -> dict[str, Series]:
    """The values of a figure by group, as `read_series` reads them of a table of `measure`.

    The columns of a row are `image`, `source`, `lot` and `model`.

    Raises:
        UnknownNameError: No row has the figure, or there is no such column.
        ConfigError: As `find_group`.
    """
    found: dict[str, tuple[list[str], list[float]]] = {}
    names: dict[str, None] = {}
    for name in where or {}:
        if name not in COLUMNS:
            raise UnknownNameError("column", name, COLUMNS)
    for row in list_figures(connection):
        cells = dict(zip(COLUMNS, (row.key, row.source, row.lot, row.model), strict=True))
        names |= dict.fromkeys(row.figures)
        value = row.figures.get(figure)
        if value is None or any(cells[name] != text for name, text in (where or {}).items()):
            continue
        keys, values = found.setdefault(find_group(cells, by), ([], []))
        keys.append(row.key)
        values.append(value)
    if not found:
        raise UnknownNameError("figure", figure, list(names))
    return {group: Series(tuple(keys), tuple(v)) for group, (keys, v) in found.items()}


def _chart_images(name: str, first: Sequence[FigureRow], rows: Sequence[FigureRow]) -> Control:
    here = _keep_known(name, rows)
    oldest = _keep_known(name, first)[:NUM_BASELINE]
    every = [row for _, row in sorted({row.n: row for row in (*oldest, *here)}.items())]
    return Control(
        figure=name,
        points="a point is an image",
        times_N=np.array([row.at for row in here], float),
        names=[row.key for row in here],
        values_N=np.array(_take_values(name, here), float),
        chart=_judge(_take_values(name, every), NUM_BASELINE),
    )


def _chart_columns(name: str, first: Sequence[FigureRow], columns: Columns) -> Control:
    sums = [window.figures.get(name) for window in columns.windows]
    known = [index for index, one in enumerate(sums) if one is not None and one.num]
    values = [one.mean for one in sums if one is not None and one.num]
    size = max(1, int(np.median([one.num for one in sums if one is not None and one.num])))
    before_N = np.array(_take_values(name, _keep_known(name, first)))
    num_groups, groups = len(before_N) // size, []
    if num_groups >= LEAST_VALUES:
        groups = [float(each.mean()) for each in np.array_split(before_N, num_groups)]
    axis, times_N = TimeAxis(columns.view.start, columns.view.end), columns.middles_N[known]
    minutes = columns.view.column_s / 60
    span = f"{minutes:g} minutes" if minutes < 60 else f"{minutes / 60:g} hours"
    return Control(
        figure=name,
        points=f"a point is the mean of {span}",
        times_N=times_N,
        names=[axis.describe(at) for at in times_N.tolist()],
        values_N=np.array(values),
        chart=_judge([*groups, *values], len(groups) or len(values)),
    )


def _chart_lots(name: str, rows: Sequence[FigureRow]) -> Control:
    lots: dict[str, list[FigureRow]] = {}
    for row in _keep_known(name, rows):
        if row.lot:
            lots.setdefault(row.lot, []).append(row)
    values = [float(np.mean(_take_values(name, each))) for each in lots.values()]
    return Control(
        figure=name,
        points="a point is the mean of a lot",
        times_N=np.array([each[0].at for each in lots.values()], float),
        names=list(lots),
        values_N=np.array(values, float),
        chart=_judge(values, _NUM_LOTS),
    )


def _judge(values: Sequence[float], most: int) -> ControlChart | None:
    """The chart with limits from the first values, `most` of them; None for too few."""
    num = min(most, len(values))
    if num < LEAST_VALUES:
        return None
    return ControlChart.from_values(values, num_baseline=num)


def _keep_known(name: str, rows: Sequence[FigureRow]) -> list[FigureRow]:
    return [row for row in rows if row.figures.get(name) is not None]


def _take_values(name: str, rows: Sequence[FigureRow]) -> list[float]:
    return [value for row in rows if (value := row.figures.get(name)) is not None]
