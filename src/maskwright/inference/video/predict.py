"""Predict a stream: frames are decoded, labelled and written in threads of their own.

The folder of results is written as every other (`core.results`): what was written before a
failure is removed. A camera has no end: Ctrl-C or a duration ends it, with whole results.
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from ...core.atomic import write_bytes, write_json
from ...core.errors import ConfigError, DataError, OutputError, UnknownNameError
from ...core.labels import LabelMap
from ...core.progress import Progress, silent
from ...core.results import NEW, FailedInput, Results, WriteMode, open_results
from ...core.stream import Frame, LabelledFrame, StreamObserver
from ...core.versioned import Document, Schema
from ...pages.display import Display
from ...pages.legend import draw_legend, list_classes
from ...pages.pictures import encode_png
from ..engine import describe_run
from ..overlap import Arrived, read_ahead, write_behind
from ..predictor import Predictor
from .encoder import find_codec
from .labeller import EachFrame, Labeller
from .outputs import (
    DEFAULT_KINDS,
    LAYOUTS,
    OVERLAY,
    STREAM_WRITERS,
    StreamTarget,
    StreamWriter,
    require_kinds,
)
from .source import Source

SCHEMA = Schema(kind="summary of a stream", version=1)
_REPORT_S = 5.0
_MOST_LATENCIES = 10_000
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """How a stream is predicted.

    Args:
        write: Kinds of files, see `outputs`.
        layout: Of the video: `overlay`, or `side` for the picture beside the overlay.
        codec: Of the video, see `encoder`.
        duration_s: Frames after this time are not read.
        realtime: Frames that would be late are dropped; a file is read at its own pace.

    Raises ConfigError for an unknown name or a duration that is not above 0.
    """

    write: tuple[str, ...] = DEFAULT_KINDS
    layout: str = OVERLAY
    codec: str = "av1"
    duration_s: float | None = None
    realtime: bool = False

    def __post_init__(self) -> None:
        require_kinds(self.write)
        find_codec(self.codec)
        if self.layout not in LAYOUTS:
            raise UnknownNameError("layout", self.layout, LAYOUTS)
        if self.duration_s is not None and not self.duration_s > 0:
            raise ConfigError(f"a duration of {self.duration_s:g} s; give one above 0")


DEFAULTS = StreamOptions()


@dataclass(slots=True, kw_only=True)
class StreamSummary:
    """What was done with a stream.

    `latency_ms` is from the arrival of a frame to its class map, of the last 10,000 frames.
    """

    source: str
    num_frames: int = 0
    dropped: int = 0
    seconds: float = 0.0
    latency_ms: list[float] = field(default_factory=list)
    failed: Sequence[FailedInput] = ()
    notes: Sequence[str] = ()
    num_events: int | None = None
    """What observers found; None without observers."""

    @property
    def fps(self) -> float:
        """Frames per second that were labelled."""
        return self.num_frames / self.seconds if self.seconds else 0.0

    def add(self, arrived: Arrived[Frame], now_s: float) -> None:
        """Count a frame that was labelled."""
        self.num_frames += 1
        self.dropped += arrived.dropped
        self.latency_ms.append(1000 * (now_s - arrived.at_s))
        del self.latency_ms[:-_MOST_LATENCIES]

    def to_text(self) -> str:
        """One line: frames, frames per second, latency, dropped frames."""
        dropped = f", {self.dropped:,} dropped" if self.dropped else ""
        return (
            f"{self.num_frames:,} frames, {self.fps:.1f} per second, latency "
            f"{self._percentile(50):.0f} ms (p95 {self._percentile(95):.0f} ms){dropped}"
        )

    def to_json(self) -> Document:
        """An object of all figures."""
        return SCHEMA.stamp(
            {
                "source": self.source,
                "frames": self.num_frames,
                "dropped": self.dropped,
                "seconds": round(self.seconds, 3),
                "fps": round(self.fps, 2),
                "latency_ms": {
                    "p50": round(self._percentile(50), 1),
                    "p95": round(self._percentile(95), 1),
                },
                "failed": [one.to_json() for one in self.failed],
                "notes": list(self.notes),
            }
            | ({} if self.num_events is None else {"events": self.num_events})
        )

    def _percentile(self, percent: float) -> float:
        return float(np.percentile(self.latency_ms, percent)) if self.latency_ms else 0.0


def predict_stream(
    model: Predictor,
    source: Source,
    out: Path | str,
    options: StreamOptions = DEFAULTS,
    *,
    labeller: Labeller | None = None,
    observers: Sequence[StreamObserver] = (),
    mode: WriteMode = NEW,
    progress: Progress = silent,
    say: Say = lambda _: None,
) -> StreamSummary:
    """Predict every frame of `source` and write the outputs to the new folder `out`.

    Args:
        model: From `open_model`.
        source: From `open_source`.
        out: See `core.results`.
        options: What is written, and how.
        labeller: How frames are labelled; each by itself unless given.
        observers: See every labelled frame, in the thread that writes.
        mode: What to do with a folder that exists.
        progress: Called with every frame of a source whose length is known.
        say: Called every 5 s with frames per second and latency, of a live stream.

    Raises:
        DataError: The source cannot be read, or has no frame.
        OutputError: `out` exists and `mode` does not allow it, or it cannot be written.
    """
    labeller = labeller or EachFrame(model)
    summary = StreamSummary(source=source.name)
    with open_results(Path(out), "video", mode) as results:
        _write_legend(model, results.folder)
        for observer in observers:
            observer.open(results.folder, source=source.name)
        run = _Run(
            results=results,
            summary=summary,
            labeller=labeller,
            observers=observers,
            progress=progress,
            say=say,
        )
        _run(model, source, options, run)
        if not summary.num_frames:
            raise DataError(f"{source.name}: has no frame")
        summary.failed = tuple(source.failed)
        found = [line for observer in observers for line in observer.describe()]
        summary.notes = (*source.notes, *labeller.describe(), *found)
        if observers:
            summary.num_events = sum(observer.num_events for observer in observers)
        results.num_read, results.remarks = summary.num_frames, summary.notes
        results.model = describe_run(model.model_id, model.engine)
        results.failed.extend(source.failed)
        write_json(results.folder / "stream.json", summary.to_json())
    return summary


def label_frames(
    source: Source,
    labeller: Labeller,
    *,
    duration_s: float | None = None,
    progress: Progress = silent,
) -> Iterator[LabelledFrame]:
    """Yield the frames of `source` with their class maps; reading runs in another thread.

    Raises:
        DataError: The source cannot be read.
    """
    frames = _choose_frames(source, StreamOptions(duration_s=duration_s))
    with read_ahead(frames) as arriving:
        shown = _show(arriving, source, progress)
        for arrived, labels_HW in _label_all(labeller, shown, may_wait=not source.is_live):
            yield LabelledFrame(frame=arrived.item, labels_HW=labels_HW)


def _run(
    model: Predictor,
    source: Source,
    options: StreamOptions,
    run: "_Run",
) -> None:
    """Read, label and write all frames; Ctrl-C ends a live source."""
    results, summary, labeller = run.results, run.summary, run.labeller
    started_s = time.monotonic()
    frames = _choose_frames(source, options)
    with ExitStack() as stack:
        writers: list[StreamWriter | StreamObserver] = [
            STREAM_WRITERS[name](_find_target(model, source, options, results.folder))
            for name in dict.fromkeys(options.write)
        ]
        writers += run.observers

        def write(one: LabelledFrame) -> None:
            for writer in writers:
                writer.write(one)

        stack.push(partial(_close_on_error, writers))
        give = stack.enter_context(write_behind(write))
        arriving = stack.enter_context(read_ahead(frames, drop_stale=options.realtime))
        reporter = _Reporter(run.say, is_live=source.is_live or options.realtime)
        shown = _show(arriving, source, run.progress)
        may_wait = not (source.is_live or options.realtime)
        try:
            for arrived, labels_HW in _label_all(labeller, shown, may_wait=may_wait):
                summary.add(arrived, time.monotonic())
                summary.seconds = time.monotonic() - started_s
                give(
                    LabelledFrame(
                        frame=arrived.item, labels_HW=labels_HW, dropped=arrived.dropped
                    )
                )
                reporter.report(summary)
        except KeyboardInterrupt:
            if not source.is_live or not summary.num_frames:
                raise
    for writer in writers:
        writer.close()
    summary.seconds = time.monotonic() - started_s


def _label_all(
    labeller: Labeller, arriving: Iterator[Arrived[Frame]], *, may_wait: bool
) -> Iterator[tuple[Arrived[Frame], LabelMap]]:
    """Each frame that arrived, with its class map."""
    waiting = deque[Arrived[Frame]]()

    def take() -> Iterator[Frame]:
        for arrived in arriving:
            waiting.append(arrived)
            yield arrived.item

    for labels_HW in labeller.label_all(take(), may_wait=may_wait):
        yield waiting.popleft(), labels_HW


def _close_on_error(
    writers: Sequence[StreamWriter | StreamObserver], kind: object, *_: object
) -> None:
    """Close the files of a stream that failed; they are removed next."""
    if kind is not None:
        for writer in writers:
            with suppress(OutputError, OSError):
                writer.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What `_run` works with besides the stream."""

    results: Results
    summary: StreamSummary
    labeller: Labeller
    observers: Sequence[StreamObserver]
    progress: Progress
    say: Say


@dataclass(slots=True)
class _Reporter:
    """Says the figures of a live stream every few seconds."""

    say: Say
    is_live: bool
    last_s: float = field(default_factory=time.monotonic)

    def report(self, summary: StreamSummary) -> None:
        if self.is_live and time.monotonic() - self.last_s > _REPORT_S:
            self.last_s = time.monotonic()
            self.say(summary.to_text())


def _show(
    arriving: Iterator[Arrived[Frame]], source: Source, progress: Progress
) -> Iterator[Arrived[Frame]]:
    if source.num_frames is None or source.is_live:
        return arriving
    return progress(arriving, total=source.num_frames, what="predicting")


def _choose_frames(source: Source, options: StreamOptions) -> Generator[Frame, None, None]:
    """The frames up to the end of the duration; of a file in real time, at its own pace."""
    started_s = time.monotonic()
    for frame in source.frames():
        if options.duration_s is not None and frame.time_s >= options.duration_s:
            return
        if options.realtime and not source.is_live:
            time.sleep(max(0.0, started_s + frame.time_s - time.monotonic()))
        yield frame


def _find_target(
    model: Predictor, source: Source, options: StreamOptions, folder: Path
) -> StreamTarget:
    return StreamTarget(
        folder=folder,
        labels=model.card.labels,
        display=Display.from_input(model.card.input),
        codec=find_codec(options.codec),
        layout=options.layout,
        fps=source.fps,
    )


def _write_legend(model: Predictor, folder: Path) -> None:
    legend_HW3 = draw_legend(list_classes(model.card.labels))
    write_bytes(folder / "legend.png", encode_png(legend_HW3))
