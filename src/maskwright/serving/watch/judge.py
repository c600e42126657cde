"""Judge: whether what a Bundle sees now differs from what it saw first, by a Monitor.

The first images of a Bundle are its reference: a thousand, and more until they make the
groups that a judgement needs. Those that follow are judged in their order; what was counted is
kept in the store, so that a server goes on where the one before has ended.
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ...core.errors import DataError
from ...core.observation import Observation
from ...monitoring.groups import Observed
from ...monitoring.monitor import Monitor, Status
from ...monitoring.saved import restore_state, save_state
from ...store.database import Database, read_meta, write_meta
from ...store.records import (
    Record,
    RecordFilter,
    count_records,
    list_bundles,
    list_records,
    mark_reference,
)

FIRST_REFERENCE = 1000
"""The images with which a reference begins."""

_MOST_REFERENCE, _GROWTH = 50_000, 1.5
_MOST_ROWS = 2000
"""Rows that are judged before others may write."""

_DAY_S = 86_400.0

Statuses = Mapping[str, Status]


@dataclass(slots=True)
class Judged:
    """One Bundle: its reference of `num_reference` images, and what is known of each scope.

    `problem` says why images are not judged, where they are not.
    """

    model: str
    bundle: str
    num_reference: int = 0
    reference: Observed | None = None
    monitor: Monitor | None = None
    last_n: int = 0
    num_judged: int = 0
    num_saved: int = 0
    statuses: Statuses = field(default_factory=dict)
    problem: str = ""


class Judge:
    """Judges the Bundles of a store; `look` is called again and again by one thread.

    `report` is called with each Bundle and its statuses before and after a look.
    """

    def __init__(
        self,
        database: Database,
        report: Callable[[Judged, Statuses], None] | None = None,
    ) -> None:
        self._database = database
        self._report = report
        self._judged: dict[str, Judged] = {}

    def list_judged(self) -> list[Judged]:
        """What is known, the Bundle that answered last first."""
        return list(self._judged.values())

    def look(self) -> None:
        """Judge the images that have come."""
        with self._database.read() as connection:
            bundles = list_bundles(connection)
        known = {b: self._judged.get(b) or Judged(model, b) for model, b in bundles}
        for judged in known.values():
            before = judged.statuses
            self._look_at(judged)
            if self._report is not None:
                self._report(judged, before)
        self._judged = known

    def save(self) -> None:
        """Keep what was counted, where that has changed."""
        for judged in self.list_judged():
            if judged.monitor is not None and judged.num_judged != judged.num_saved:
                state = base64.b64encode(save_state(judged.monitor)).decode()
                document = {
                    "reference": judged.num_reference,
                    "last_n": judged.last_n,
                    "state": state,
                }
                with self._database.write() as connection:
                    write_meta(connection, _name(judged.bundle), json.dumps(document))
                judged.num_saved = judged.num_judged

    def _look_at(self, judged: Judged) -> None:
        try:
            while judged.monitor is None or _needs_more(judged.monitor):
                if not self._start(judged):
                    break
            while judged.monitor is not None and (rows := self._read_new(judged)):
                judged.last_n = rows[-1].n
                judged.num_judged += len(rows)
                judged.statuses = judged.monitor.update([*map(to_observation, rows)])
        except DataError as error:
            judged.problem = str(error)

    def _start(self, judged: Judged) -> bool:
        """Start the monitor of a Bundle, where enough images have come for its reference.

        One that has too few groups starts again with a larger reference.
        """
        chosen = RecordFilter(bundle=judged.bundle, reference=True)
        with self._database.read() as connection:
            there = count_records(connection, chosen)
            wanted = max(FIRST_REFERENCE, there)
            if judged.monitor is not None:
                wanted = min(round(_GROWTH * there), _MOST_REFERENCE)
            num_all = count_records(connection, RecordFilter(bundle=judged.bundle))
        judged.num_reference = there or min(num_all, FIRST_REFERENCE)
        if num_all < wanted or (judged.monitor is not None and there == wanted):
            return False
        with self._database.write() as connection:
            mark_reference(connection, judged.bundle, wanted)
            rows = list_records(connection, chosen)
            saved = read_meta(connection, _name(judged.bundle))
        days = max(rows[-1].at - rows[0].at, 1.0) / _DAY_S
        reference = Observed.gather(map(to_observation, rows), where="the reference")
        monitor = Monitor.start(reference, images_per_day=len(rows) / days)
        judged.last_n = rows[-1].n
        document = json.loads(saved or "{}")
        if document.get("reference") == len(rows):
            restore_state(monitor, base64.b64decode(document["state"]))
            judged.last_n = document["last_n"]
        judged.reference, judged.num_reference = reference, len(rows)
        judged.monitor, judged.statuses = monitor, monitor.statuses
        return True

    def _read_new(self, judged: Judged) -> list[Record]:
        chosen = RecordFilter(bundle=judged.bundle, reference=False, after=judged.last_n)
        with self._database.read() as connection:
            return list_records(connection, chosen, oldest=_MOST_ROWS)


def _needs_more(monitor: Monitor) -> bool:
    """Whether all images together make too few groups."""
    return monitor.scopes[""].state == "learning"


def to_observation(record: Record) -> Observation:
    """The Observation of a row."""
    return Observation(
        key=record.key, model=record.bundle, source=record.source, families=record.families
    )


def _name(bundle: str) -> str:
    """The name under which the store keeps what was counted."""
    return f"monitor {bundle}"
