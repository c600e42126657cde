"""Figures: all that the dashboard shows, read from the store in one state of it."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...core.observation import Levels
from ...monitoring.estimate import Estimator
from ...monitoring.monitor import Status
from ...monitoring.window import Window, add_windows
from ...store.alarms import Alarm, Delivery, find_alarm, list_alarms, list_failed
from ...store.database import Database, read_meta
from ...store.records import (
    Record,
    RecordFilter,
    list_bundles,
    list_records,
    list_sources,
    list_uncertain,
)
from .accuracy import Accuracy, measure_accuracy
from .control import BY_LOT, Control, read_controls
from .estimates import Estimates, estimate_columns
from .judge import Judge, Judged, name_estimator
from .view import LENGTHS, Columns, View, read_columns

MOST_ALARMS, MOST_IMAGES = 30, 8
_MOST_FAILED, _FAILED_S = 10, 7 * 86_400.0
"""Deliveries that failed, and for how long one that was given up is shown at least."""

_MOST_FIRST = 100
"""First images whose histograms are shown beside those of now."""

_GROUPS, _ENDS = 20, (0.025, 0.975)
_LOOK_S = 2.0
"""Seconds after which images are judged again when somebody looks."""

Band = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one view shows.

    `bands` has, by family and name, the values between which 95 % of the means of as many
    images lie in the reference, and `groups` these means in their order. `failed` are
    deliveries that failed, with their alarms. `worst` are the kept images of the least
    confidence. `controls` are the control charts of the figures of rules, by `points`, and
    `levels` the mean histograms of the first images.
    """

    now: float
    bundles: Sequence[tuple[str, str]]
    sources: Sequence[str]
    columns: Columns
    judged: Judged | None
    bands: Mapping[tuple[str, str], Band]
    groups: Mapping[tuple[str, str], NDArray[np.float64]]
    alarms: Sequence[Alarm]
    failed: Sequence[tuple[Delivery, Alarm | None]]
    worst: Sequence[Record]
    accuracy: Accuracy | None
    estimates: Estimates | None
    controls: Sequence[Control]
    points: str
    levels: Levels

    @property
    def view(self) -> View:
        """The span of time and whose images."""
        return self.columns.view

    @property
    def model(self) -> str:
        """The name of the model; "" without rows."""
        return {bundle: model for model, bundle in self.bundles}.get(self.view.bundle, "")

    @property
    def status(self) -> Status | None:
        """That of the scope of the view; None while the reference is incomplete."""
        return None if self.judged is None else self.judged.statuses.get(self.view.scope)


def gather_figures(database: Database, judge: Judge, query: Mapping[str, str]) -> Figures:
    """Read what a view shows; raises ServingError as `View.of_query`."""
    now = time.time()
    judge.look(least_s=_LOOK_S)
    with database.read() as connection:
        bundles = list_bundles(connection)
        view = View.of_query(query, [bundle for _, bundle in bundles], now)
        alarms = list_alarms(
            connection, most=MOST_ALARMS, since=now - LENGTHS[view.length].seconds
        )
        kept = RecordFilter(
            bundle=view.bundle, scope=view.scope, since=view.start, until=view.end, kept=True
        )
        worst = list_uncertain(connection, kept, MOST_IMAGES)
        columns = read_columns(connection, view)
        scored = list_records(connection, replace(kept, kept=False, scored=True))
        sources = list_sources(connection, view.bundle)
        failed = list_failed(
            connection, since=min(view.start, now - _FAILED_S), most=_MOST_FAILED
        )
        failed_of = {one.alarm: find_alarm(connection, one.alarm) for one in failed}
        scope = RecordFilter(bundle=view.bundle, scope=view.scope)
        first = list_records(connection, scope, oldest=_MOST_FIRST)
        by_lot = query.get("points") == BY_LOT
        controls = read_controls(connection, view, columns, by_lot=by_lot)
        estimator = read_meta(connection, name_estimator(view.bundle))
    judged = {one.bundle: one for one in judge.list_judged()}.get(view.bundle)
    groups = _average_reference(judged, columns)
    return Figures(
        now=now,
        bundles=bundles,
        sources=sources,
        columns=columns,
        judged=judged,
        bands=_find_bands(groups),
        groups=groups,
        alarms=alarms,
        failed=[(one, failed_of[one.alarm]) for one in failed],
        worst=worst,
        accuracy=measure_accuracy(scored, view, len(columns.windows)),
        estimates=_estimate(estimator, judged, columns),
        controls=controls,
        points=BY_LOT if by_lot else "time",
        levels=add_windows(
            Window.of_image({}, 0.0, levels=row.levels) for row in first
        ).average_levels(),
    )


def _estimate(text: str | None, judged: Judged | None, columns: Columns) -> Estimates | None:
    """By the estimator that the store has of the Bundle, if it has one.

    Neighbouring images are alike: a part has the images of a group that is judged, or more.
    """
    if text is None:
        return None
    estimator = Estimator.from_json(json.loads(text), where="the estimator of the Bundle")
    status = None if judged is None else judged.statuses.get(columns.view.scope)
    size = 0 if status is None else status.group_size
    return estimate_columns(estimator, columns, max(size, estimator.group_images))


def _average_reference(
    judged: Judged | None, columns: Columns
) -> dict[tuple[str, str], NDArray[np.float64]]:
    """The means of groups of the reference, of as many images as a column has."""
    if judged is None or judged.reference is None:
        return {}
    reference, view = judged.reference, columns.view
    chosen_N = np.array([view.shows(source) for source in reference.sources])
    counts = [window.num for window in columns.windows if window.num]
    size = max(1, min(int(np.median(counts)) if counts else 1, int(chosen_N.sum()) // _GROUPS))
    found: dict[tuple[str, str], NDArray[np.float64]] = {}
    for family, names in reference.names.items():
        values_NF = reference.values[family][chosen_N]
        if len(values_NF) < _GROUPS:
            continue
        groups = np.array_split(values_NF, len(values_NF) // size)
        means_GF = np.array([each.mean(0) for each in groups])
        found |= {(family, name): means_GF[:, k] for k, name in enumerate(names)}
    return found


def _find_bands(
    groups: Mapping[tuple[str, str], NDArray[np.float64]],
) -> dict[tuple[str, str], Band]:
    bands = {}
    for key, means_G in groups.items():
        low, high = np.quantile(means_G, _ENDS).tolist()
        bands[key] = low, high
    return bands
