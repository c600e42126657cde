"""Judge: whether what a Bundle sees now differs from what it saw first, by a Monitor.

At first the reference is the baseline of the Bundle, observations of its validation images,
where it has one that makes enough groups. Then it is the first images of the Bundle: a
thousand, and more until they make the groups that a judgement needs; where they differ so much
from the baseline that there is an alarm, only after an operator has acknowledged it. Images are
judged in their order; what was counted is kept in the store, so that a server goes on where the
one before has ended.
"""

import base64
import json
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ...core.errors import DataError, MaskwrightError
from ...core.observation import OF_SERVER, Observation, parse_observations
from ...monitoring.groups import MIN_GROUPS, Observed, measure_times
from ...monitoring.monitor import Monitor, Status
from ...monitoring.reference import join_values
from ...monitoring.saved import restore_state, save_state
from ...pages.text import format_count
from ...store.alarms import list_alarms
from ...store.database import Connection, Database, read_meta, write_meta
from ...store.records import (
    Record,
    RecordFilter,
    count_records,
    find_newest,
    list_bundles,
    list_records,
    mark_reference,
    read_records,
)
from ..log import Log, ignore

FIRST_REFERENCE = 1000
"""The images with which a reference begins."""

LEAST_MEASURED = 100
"""Images that tell how alike neighbours are, before any is compared with a baseline."""

_MOST_REFERENCE, _GROWTH = 50_000, 1.5
_MOST_ROWS, _TRACED_ROWS, _MOST_TRACED = 2000, 25, 2000
"""Rows that are judged before others may write."""

_MOST_ALARMS = 1000
_DAY_S = 86_400.0

Statuses = Mapping[str, Status]


class Traced(NamedTuple):
    """How near to an alarm each family of a scope was: 0 to 1, by the logarithm of evidence."""

    at: float
    scope: str
    families: Mapping[str, float]


@dataclass(slots=True)
class Judged:
    """One Bundle: its reference of `num_reference` images, and what is known of each scope.

    `has_baseline` says whether the reference is the baseline of the Bundle, and `num_tried` how
    many first images make too few groups. `left_out` are families that some images lack, and
    `reported` the statuses of which alarms have told.
    `baseline` says why the baseline is not the reference yet, and `problem` why images are not
    judged, where they are not.
    """

    model: str
    bundle: str
    num_reference: int = 0
    reference: Observed | None = None
    monitor: Monitor | None = None
    last_n: int = 0
    num_judged: int = 0
    num_saved: int = 0
    num_tried: int = 0
    num_measured: int = 0
    has_baseline: bool = False
    left_out: frozenset[str] = frozenset()
    trace: list[Traced] = field(default_factory=list)
    statuses: Statuses = field(default_factory=dict)
    reported: Statuses = field(default_factory=dict)
    baseline: str = ""
    problem: str = ""

    def leave_out(self, families: Iterable[str]) -> None:
        """Forget what was judged: all begins anew without these families."""
        self.left_out |= {*families}
        self.monitor, self.trace = None, []
        self.num_tried = self.num_measured = self.num_judged = self.num_saved = 0


class Judge:
    """Judges the Bundles of a store; `look` is called again and again by one thread.

    `report` is called with each Bundle and its statuses before and after a look.
    """

    def __init__(
        self,
        database: Database,
        report: Callable[[Judged, Statuses], None] | None = None,
        log: Log = ignore,
    ) -> None:
        self._database, self._log = database, log
        self._report = report
        self._judged: dict[str, Judged] = {}
        self._looking = threading.Lock()
        self._looked_s = -math.inf

    def list_judged(self) -> list[Judged]:
        """What is known, the Bundle that answered last first."""
        return list(self._judged.values())

    def look(self, *, least_s: float = 0.0) -> None:
        """Judge the images that have come, where the last look is so many seconds ago."""
        with self._looking:
            if time.monotonic() - self._looked_s >= least_s:
                self._look()
                self._looked_s = time.monotonic()

    def _look(self) -> None:
        with self._database.read() as connection:
            bundles = list_bundles(connection)
        known = {b: self._judged.get(b) or Judged(model, b) for model, b in bundles}
        for judged in known.values():
            self._look_at(judged)
            if self._report is not None:
                self._report(judged, judged.reported)  # again, where the store fails now
                judged.reported = judged.statuses
        self._judged = known

    def save(self) -> None:
        """Keep what was counted, where that has changed."""
        with self._looking:
            self._save()

    def _save(self) -> None:
        for judged in self.list_judged():
            if judged.monitor is not None and judged.num_judged != judged.num_saved:
                state = base64.b64encode(save_state(judged.monitor)).decode()
                document = {
                    "reference": judged.num_reference,
                    "group_size": judged.monitor.scopes[""].reference.size,
                    "last_n": judged.last_n,
                    "trace": judged.trace,
                    "state": state,
                }
                with self._database.write() as connection:
                    write_meta(connection, _name(judged.bundle), json.dumps(document))
                judged.num_saved = judged.num_judged

    def _look_at(self, judged: Judged) -> None:
        judged.problem = ""
        try:
            if judged.monitor is None or judged.has_baseline:
                self._compare_with_baseline(judged)
                self._take(judged)
            while judged.monitor is None or judged.has_baseline or _needs_more(judged.monitor):
                if not self._start(judged):
                    break
            self._take(judged)
        except DataError as error:
            judged.problem = str(error)
        except (MaskwrightError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - a bug: other Bundles and the page go on
            judged.problem = "images are not judged: internal error, see the log of the server"
            self._log({"event": "judge", "bundle": judged.bundle, "error": repr(error)})

    def _take(self, judged: Judged) -> None:
        while judged.monitor is not None and (rows := self._read_new(judged)):
            if lacking := _list_lacking(judged.monitor.names, rows):
                judged.leave_out(lacking)
                return
            for part in _split(rows):
                judged.last_n = part[-1].n
                judged.num_judged += len(part)
                observations = [to_observation(row, judged.monitor.names) for row in part]
                judged.statuses = judged.monitor.update(observations)
                judged.trace += _trace(judged.monitor, part[-1].at)
            del judged.trace[:-_MOST_TRACED]

    def _compare_with_baseline(self, judged: Judged) -> None:
        """Start with the baseline of the Bundle, or again as neighbours are more alike.

        A group of the images that come has to tell as much as one of the baseline: it is longer
        by the ratio of their autocorrelation times.
        """
        chosen = RecordFilter(bundle=judged.bundle)
        with self._database.read() as connection:
            num = count_records(connection, chosen)
            text = read_meta(connection, name_baseline(judged.bundle))
            if text is None or not num or num < 2 * judged.num_measured:
                return
            rows = list_records(connection, chosen, oldest=FIRST_REFERENCE)
            saved = json.loads(read_meta(connection, _name(judged.bundle)) or "{}")
        found = Observed.gather(
            parse_observations(text, where="the baseline of the Bundle"), where="the baseline"
        )
        shared = _list_shared(found.names, rows[0], rows[-1])
        found = found.select(name for name in shared if name not in judged.left_out)
        baseline = replace(found, sources=("",) * len(found))
        days = max(rows[-1].at - rows[0].at, 1.0) / _DAY_S
        per_day = len(rows) / days
        monitor = Monitor.start(baseline, images_per_day=per_day)
        judged.baseline = _explain_baseline(monitor, len(baseline), num)
        if _needs_more(monitor):
            judged.num_measured = num
            return
        if num < LEAST_MEASURED:
            return
        seen = Observed.gather(
            (to_observation(row, found.names) for row in rows), where="images to judge"
        )
        times_F = measure_times(join_values(seen), seen.sources)
        ratio = (times_F / measure_times(join_values(found), found.sources)).max()
        size = math.ceil(monitor.scopes[""].reference.size * max(1.0, float(ratio)))
        judged.num_measured = num
        if judged.monitor is not None and judged.monitor.scopes[""].reference.size >= size:
            return
        is_saved = saved.get("reference") == 0
        size = saved["group_size"] if is_saved else size
        monitor = Monitor.start(baseline, images_per_day=per_day, group_size=size)
        judged.last_n, judged.num_reference, judged.has_baseline = 0, 0, True
        if is_saved and judged.monitor is None:
            _restore(judged, monitor, saved)
        judged.reference = baseline
        judged.monitor, judged.statuses = monitor, monitor.statuses

    def _start(self, judged: Judged) -> bool:
        """Start with the first images of a Bundle, where enough for a reference have come.

        A reference that has too few groups is made again of more images.
        """
        chosen = RecordFilter(bundle=judged.bundle, reference=True)
        with self._database.read() as connection:
            there = count_records(connection, chosen)
            wanted = max(FIRST_REFERENCE, there)
            if judged.num_tried:
                wanted = min(round(_GROWTH * judged.num_tried), _MOST_REFERENCE)
            num_all = count_records(connection, RecordFilter(bundle=judged.bundle))
            is_refused = judged.has_baseline and self._is_refused(connection, judged)
        if not judged.has_baseline:
            judged.num_reference = there or min(num_all, FIRST_REFERENCE)
        if is_refused or num_all < wanted or judged.num_tried == wanted:
            return False
        with self._database.write() as connection:
            mark_reference(connection, judged.bundle, wanted)
            saved = read_meta(connection, _name(judged.bundle))
        places: list[tuple[float, int]] = []
        with self._database.read() as connection:
            (oldest,) = list_records(connection, chosen, oldest=1)
            last = find_newest(connection, chosen)
            shared = _list_shared(oldest.families, last)
            names = [name for name in shared if name not in judged.left_out]
            rows = read_records(connection, chosen)
            reference = Observed.gather(_note(rows, places, names), where="the reference")
        (first_at, _), (last_at, last_n) = places[0], places[-1]
        days = max(last_at - first_at, 1.0) / _DAY_S
        monitor = Monitor.start(reference, images_per_day=len(reference) / days)
        judged.num_tried = len(reference)
        if judged.has_baseline and _needs_more(monitor):
            return True
        judged.last_n, judged.has_baseline = last_n, False
        document = json.loads(saved or "{}")
        if document.get("reference") == len(reference):
            _restore(judged, monitor, document)
        judged.reference, judged.num_reference = reference, len(reference)
        judged.monitor, judged.statuses = monitor, monitor.statuses
        return True

    def _is_refused(self, connection: Connection, judged: Judged) -> bool:
        """Whether images differ from the baseline, and nobody has acknowledged that."""
        if judged.statuses[""].state != "alarm":
            return False
        topic = name_drift(judged.bundle, "")
        known = [a for a in list_alarms(connection, most=_MOST_ALARMS) if a.topic == topic]
        return not known or known[0].acknowledged is None

    def _read_new(self, judged: Judged) -> list[Record]:
        reference = None if judged.has_baseline else False
        chosen = RecordFilter(bundle=judged.bundle, reference=reference, after=judged.last_n)
        with self._database.read() as connection:
            return list_records(connection, chosen, oldest=_MOST_ROWS)


def _needs_more(monitor: Monitor) -> bool:
    """Whether all images together make too few groups."""
    return monitor.scopes[""].state == "learning"


def to_observation(record: Record, names: Iterable[str]) -> Observation:
    """The Observation of a row, with those of the named families that it has."""
    families = {name: record.families[name] for name in names if name in record.families}
    return Observation(
        key=record.key, model=record.bundle, source=record.source, families=families
    )


def _list_shared(families: Mapping[str, Iterable[str]], *rows: Record) -> list[str]:
    """The families that rows have with the same numbers, but those that drift leaves out.

    Graphs and versions differ in what they give: the features of the encoder, for example.
    """
    return [
        name
        for name, numbers in families.items()
        if name not in OF_SERVER
        and all([*numbers] == [*row.families.get(name, ())] for row in rows)
    ]


def _list_lacking(names: Mapping[str, Sequence[str]], rows: Sequence[Record]) -> set[str]:
    """Families that not all rows have: graphs of one Bundle may give other ones."""
    return {
        family
        for family, numbers in names.items()
        if any([*row.families.get(family, ())] != [*numbers] for row in rows)
    }


def _explain_baseline(monitor: Monitor, num_images: int, num_seen: int) -> str:
    """Why the images that come are not compared with the baseline, "" where they are."""
    whole = monitor.scopes[""].reference
    if whole.is_learning:
        return (
            f"its {num_images:,} validation images make "
            f"{format_count(len(whole.features_GF), 'group')} of the {MIN_GROUPS} that a "
            f"baseline needs, as {whole.size} that follow each other are alike"
        )
    if num_seen < LEAST_MEASURED:
        return (
            f"it is compared with {num_images:,} validation images when {LEAST_MEASURED} "
            f"images tell how alike neighbours are, {num_seen:,} are there"
        )
    return ""


def _note(
    records: Iterable[Record], places: list[tuple[float, int]], names: Iterable[str]
) -> Iterator[Observation]:
    """The Observations of records, whose times and numbers are added to `places`."""
    for record in records:
        places.append((record.at, record.n))
        yield to_observation(record, names)


def _restore(judged: Judged, monitor: Monitor, saved: Mapping[str, Any]) -> None:
    """Go on with what was counted, unless it was counted with other families."""
    with suppress(DataError):
        restore_state(monitor, base64.b64decode(saved["state"]))
        judged.last_n = saved["last_n"]
        judged.trace = [Traced(*each) for each in saved["trace"]]


def _split(rows: Sequence[Record]) -> Iterator[Sequence[Record]]:
    for first in range(0, len(rows), _TRACED_ROWS):
        yield rows[first : first + _TRACED_ROWS]


def _trace(monitor: Monitor, at: float) -> Iterator[Traced]:
    for name, scope in monitor.scopes.items():
        if scope.state != "learning":
            top = math.log1p(scope.limit)
            found = scope.evidence.weigh_families()
            yield Traced(at, name, {f: min(1.0, math.log1p(e) / top) for f, e in found.items()})


def name_drift(bundle: str, scope: str) -> str:
    """The topic of an alarm of drift."""
    return f"drift {bundle} {scope}"


def name_baseline(bundle: str) -> str:
    """The name under which the store keeps the baseline of a Bundle."""
    return f"baseline {bundle}"


def name_estimator(bundle: str) -> str:
    """The name under which the store keeps the estimator of a Bundle."""
    return f"estimator {bundle}"


def _name(bundle: str) -> str:
    """The name under which the store keeps what was counted."""
    return f"monitor {bundle}"
