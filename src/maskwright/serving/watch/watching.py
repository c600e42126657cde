"""Watch: what a server does with each prediction beside answering: a row, and kept images."""

import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...core.bundle import BASELINE, ESTIMATOR, find_bundle, open_bundle
from ...core.observation import measure_uncertainty
from ...store.database import Database, write_meta
from ...store.records import Record
from ..errors import ServingError
from ..log import Log
from ..messages import RAW, Outcome, Task
from ..models import Version
from .alarmfile import AlarmFile
from .alarmist import Alarmist
from .judge import Judge, name_baseline, name_estimator
from .keeper import Keeper, KeepOptions, KeptFiles
from .origin import Origin
from .recorder import Failure, Recorder
from .retention import forget_old
from .rounds import Rounds

_JUDGE_S, _SAVE_S, _FORGET_S, _CHECK_S, _SEND_S = 15.0, 300.0, 3600.0, 60.0, 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOptions:
    """Where rows go, by a path or a URL, for how long, and which images are kept.

    Without `records` rows are only read: a server of models writes them, and tells people of
    alarms. `alarms` says what is an alarm beside drift, and who is told.
    """

    store: Path | str
    keep: KeepOptions | None = None
    rows_s: float = 30 * 86_400.0
    records: bool = True
    alarms: AlarmFile = field(default_factory=AlarmFile)


class Watch:
    """The store of a server and what writes to it; `open` before use, `close` after."""

    def __init__(self, options: WatchOptions, log: Log) -> None:
        self._options = options
        self._log = log
        self._stack = ExitStack()
        self._paths: dict[str, str] = {}
        self._known: set[str] = set()
        self.keeper = None if options.keep is None else Keeper(options.keep)

    def open(self) -> None:
        """Open the store and the folder of images, and begin to write.

        Raises:
            ConfigError: As `Database.open`.
            OutputError: The store or the folder cannot be opened.
        """
        if self.keeper is not None:
            self.keeper.open()
        self.database = Database.open(self._options.store)
        self._stack.callback(self.database.close)
        alarmist = Alarmist(self.database, self._options.alarms, time.time())
        report = alarmist.report if self._options.records else None
        self.judge = Judge(self.database, report, self._log)
        self.recorder = Recorder(self.database, self._log, self.keeper)
        rounds, sending = Rounds(self._log), Rounds(self._log)  # sending waits for others
        if self._options.records:
            self.recorder.start()
            self._stack.callback(self.recorder.stop)
            rounds.add(_FORGET_S, self._forget)
            rounds.add(_CHECK_S, alarmist.check_service)
            rounds.add(_CHECK_S, alarmist.check_truth)
            sending.add(_SEND_S, alarmist.deliver)
        rounds.add(_JUDGE_S, self._learn_bundles)
        rounds.add(_JUDGE_S, self.judge.look)
        rounds.add(_SAVE_S, self.judge.save)
        self._stack.callback(self.judge.save)
        for each in (rounds, sending):
            each.start()
            self._stack.callback(each.stop)

    def describe(self) -> list[str]:
        """Lines on the store for the dashboard."""
        lines = [f"Rows are in {self.database.name}."]
        if self._options.records:
            recorder = self.recorder
            lines.append(
                f"Since this server started, {recorder.num_written:,} rows were written and "
                f"{recorder.num_dropped:,} dropped."
            )
        if self.keeper is not None:
            lines.append(
                f"Kept images have {self.keeper.num_bytes / 1e6:,.0f} MB; "
                f"{self.recorder.num_files_dropped:,} could not be kept."
            )
        return lines

    def _learn_bundles(self) -> None:
        """Keep what judges the images of a Bundle in the store, where others see it too."""
        while self._paths:
            bundle, path = self._paths.popitem()
            self._known.add(bundle)
            if (root := find_bundle(Path(path))) is None:
                continue
            opened = open_bundle(root)
            for file, name in ((BASELINE, name_baseline), (ESTIMATOR, name_estimator)):
                if file in opened.files:
                    text = opened.file(file).read_text(encoding="utf-8")
                    with self.database.write() as connection:
                        write_meta(connection, name(bundle), text)

    def _forget(self) -> None:
        with self.database.write() as connection:
            names = forget_old(connection, time.time(), self._options.rows_s)
        if self.keeper is not None:
            for name in names:
                self.keeper.remove(name)

    def close(self) -> None:
        """Write what waits, and close the store."""
        self._stack.close()

    def prepare(self, task: Task) -> Task:
        """The task with the wish for an observation, and for a class map to keep."""
        above = None
        if self.keeper is not None and task.suffix != RAW:  # bare pixels are no file
            above = self.keeper.above
        return replace(task, observe=True, map_above=above)

    def add(
        self, version: Version, task: Task, outcome: Outcome, body: bytes, origin: Origin
    ) -> None:
        """Take note of a prediction."""
        if outcome.families is None:
            return
        uncertainty = measure_uncertainty(outcome.families)
        files = None
        if self.keeper is not None:
            self.keeper.note(uncertainty)
            if outcome.class_map:
                files = KeptFiles(body, task.suffix, outcome.class_map, outcome.view)
        if version.facts.bundle not in self._known:
            self._paths[version.facts.bundle] = version.child.choice.path
        record = Record(
            at=time.time(),
            model=version.child.choice.name,
            version=version.number,
            bundle=version.facts.bundle,
            source=origin.source,
            key=origin.key,
            seconds=sum(outcome.seconds.values()),
            engine_s=outcome.seconds.get("engine", outcome.seconds.get("predict", 0.0)),
            num_px=outcome.size_HW[0] * outcome.size_HW[1],
            uncertainty=uncertainty,
            families=outcome.families,
            levels=outcome.levels,
            figures=outcome.figures,
            lot=origin.lot,
        )
        self.recorder.add(record, files)

    def add_failure(self, version: Version, origin: Origin) -> None:
        """Take note of a request that got no prediction."""
        facts = version.child.facts
        self.recorder.add(
            Failure(
                time.time(),
                version.child.choice.name,
                "" if facts is None else facts.bundle,
                origin.source,
            )
        )


def require_watch(watch: Watch | None) -> Watch:
    """The store of a server.

    Raises:
        ServingError: 501, it has none.
    """
    if watch is None:
        raise ServingError(501, "this server writes no rows; start it without --store none")
    return watch
