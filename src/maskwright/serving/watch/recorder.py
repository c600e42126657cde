"""Recorder: write a row per predicted image to the store, and never let a request wait for it.

Requests put rows into a queue of a fixed length; one thread writes what is there in one
transaction, about once a second. Where the store cannot be written, the thread tries again and
the queue fills; rows that do not fit are dropped, counted, and the log says so.
"""

import queue
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ...core.errors import MaskwrightError, OutputError
from ...monitoring.window import FAILED, Window
from ...store.database import Connection, Database
from ...store.records import Record, add_records, forget_images
from ...store.windows import MINUTE_S, Span, read_windows, write_windows
from ..log import Log
from .keeper import Keeper, KeptFiles

OTHERS = "(others)"
"""The source of images where a server has seen too many sources."""

_MOST_WAITING, _MOST_HELD_BYTES, _MOST_SOURCES = 5000, 256 << 20, 500
_MOST_ROWS = 500
_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
_STOP_S = 5.0


@dataclass(frozen=True, slots=True)
class Failure:
    """A request for a prediction that got another answer."""

    at: float
    model: str
    bundle: str
    source: str


Row = Record | Failure


@dataclass(frozen=True, slots=True)
class _Waiting:
    row: Row
    files: KeptFiles | None

    @property
    def num_bytes(self) -> int:
        return 0 if self.files is None else self.files.num_bytes


class Recorder:
    """Takes rows from the requests of one server and writes them to its store.

    `num_dropped` rows, and the files of `num_files_dropped`, did not fit into the queue or
    could not be written.
    """

    def __init__(self, database: Database, log: Log, keeper: Keeper | None = None) -> None:
        self._database = database
        self._log = log
        self._keeper = keeper
        self._sources: set[str] = set()
        self._waiting: queue.Queue[_Waiting | None] = queue.Queue(_MOST_WAITING)
        self._held_bytes = 0
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self.num_written = self.num_dropped = self.num_files_dropped = 0
        self._num_told = 0

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def add(self, row: Row, files: KeptFiles | None = None) -> None:
        """Take a row with its files, or drop them where too much waits already."""
        waiting = _Waiting(self._limit_sources(row), files)
        if self._held_bytes + waiting.num_bytes > _MOST_HELD_BYTES:
            self.num_files_dropped += 1
            waiting = _Waiting(waiting.row, None)
        try:
            self._waiting.put_nowait(waiting)
        except queue.Full:
            self.num_dropped += 1
        else:
            self._held_bytes += waiting.num_bytes

    def _limit_sources(self, row: Row) -> Row:
        """The row, of no source where there are too many: each has windows of its own."""
        if row.source not in self._sources:
            if len(self._sources) >= _MOST_SOURCES:
                return replace(row, source=OTHERS)
            self._sources.add(row.source)
        return row

    def stop(self) -> None:
        """Write what waits, for a few seconds at most."""
        if self._thread.is_alive():
            self.add_end()
            self._thread.join(_STOP_S)

    def add_end(self) -> None:
        """Let the thread end after what waits now."""
        try:
            self._waiting.put(None, timeout=_STOP_S)
        except queue.Full:
            self._log({"event": "records", "error": "the store was not written at the end"})

    def _run(self) -> None:
        is_over = False
        while not is_over:
            taken, is_over = self._take()
            rows, left = self._save_files(taken)
            self._write_surely(rows, left, is_over=is_over)
            if self.num_dropped > self._num_told:
                new, self._num_told = self.num_dropped - self._num_told, self.num_dropped
                self._log(
                    {"event": "records", "dropped": new, "error": "the store is too slow"}
                )
            if not is_over and len(taken) < _MOST_ROWS:  # else more are waiting
                time.sleep(_PAUSE_S)

    def _take(self) -> tuple[list[_Waiting], bool]:
        """Wait for a row and take what is there with it; True after the last one."""
        taken: list[_Waiting] = []
        while len(taken) < _MOST_ROWS:
            try:
                waiting = self._waiting.get(block=not taken)
            except queue.Empty:
                break
            if waiting is None:
                return taken, True
            taken.append(waiting)
        return taken, False

    def _save_files(self, taken: Iterable[_Waiting]) -> tuple[list[Row], list[str]]:
        """The rows with the names of their files, and the names of those that had to leave."""
        rows: list[Row] = []
        left: list[str] = []
        for waiting in taken:
            self._held_bytes -= waiting.num_bytes
            row, files = waiting.row, waiting.files
            if self._keeper is not None and files is not None and isinstance(row, Record):
                try:
                    name, others = self._keeper.save(row.uncertainty, row.at, files)
                except OutputError as error:
                    self.num_files_dropped += 1
                    self._log({"event": "kept images", "error": str(error)})
                else:
                    left += others
                    row = replace(row, image=name)
            rows.append(row)
        return rows, left

    def _write_surely(self, rows: list[Row], left: list[str], *, is_over: bool) -> None:
        """Write, again and again where the store cannot be written, but once at the end."""
        pause_s = _PAUSE_S
        while rows:
            try:
                self._write(rows, left)
            except MaskwrightError as error:
                self._log(
                    {
                        "event": "records",
                        "error": str(error),
                        "waiting": len(rows) + self._waiting.qsize(),
                        "dropped": self.num_dropped,
                    }
                )
                if is_over:
                    self.num_dropped += len(rows)
                    return
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                continue
            self.num_written += len(rows)
            return

    def _write(self, rows: list[Row], left: list[str]) -> None:
        with self._database.write() as connection:
            add_records(connection, [row for row in rows if isinstance(row, Record)])
            forget_images(connection, left)
            add_to_windows(connection, sum_by_minute(rows))


def sum_by_minute(rows: Iterable[Row]) -> dict[Span, Window]:
    """The windows of rows, by minute, model, Bundle and source."""
    windows: dict[Span, Window] = {}
    for row in rows:
        start = row.at // MINUTE_S * MINUTE_S
        span = Span(start, MINUTE_S, row.model, row.bundle, row.source)
        new = FAILED
        if isinstance(row, Record):
            new = Window.of_image(
                row.families, row.seconds, levels=row.levels, figures=row.figures
            )
        windows[span] = windows.get(span, Window()) + new
    return windows


def add_to_windows(connection: Connection, windows: Mapping[Span, Window]) -> None:
    """Add windows to those that the store has."""
    known = {
        span: Window.from_json(document, where="the store")
        for span, document in read_windows(connection, windows).items()
    }
    total = {span: known.get(span, Window()) + new for span, new in windows.items()}
    write_windows(connection, {span: one.to_json() for span, one in total.items()})
