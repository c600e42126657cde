"""Watch a stream: what is written to the folder of results beside the files of the stream.

events.csv          one row per event, written when it ends; no `end_s` where it still lasts
events.ndjson       one line whenever an event begins, ends or is left open, as it happens
events/<n>.jpg      the frame of the peak of an event with its classes, and the zone or region
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import IO, Protocol

from ...core.errors import ConfigError
from ...core.labels import IGNORE, LabelSpec
from ...core.stream import LabelledFrame, StreamObserver
from ...pages.csvfile import WriteRow, write_rows
from ...pages.display import Display
from ...pages.pictures import draw_overlay, encode_jpeg
from ..mapjudge import make_scale
from ..output.pictures import draw_rois
from ..series import open_rois
from .baseline import Baseline
from .baselinewatch import BaselineWatch
from .event import Change, Event, State
from .intervals import FrameTimes
from .rulewatch import RuleWatch
from .webhook import Webhook

COLUMNS = (
    *("event", "kind", "name", "zone", "classes", "limit", "start_s", "raised_s", "end_s"),
    *("peak", "unit", "peak_s", "peak_frame", "left", "top", "width", "height"),
    *("dropped", "unseen_s", "picture"),
)


STAY_S = 10.0


class Watch(Protocol):
    """Finds events of one kind in the frames of a stream."""

    def update(self, one: LabelledFrame, *, away_s: float) -> Iterator[Change]:
        """See the next frame, before which the stream was away for `away_s`."""
        ...

    def finish(self) -> Iterator[Change]:
        """The events that last at the end of the stream."""
        ...

    def describe(self) -> list[str]:
        """Lines on what was watched."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOptions:
    """What to watch in a stream.

    Args:
        rules: rules.yaml, see `rules.rules`.
        roi: A GeoJSON file with regions of interest, in pixels.
        mm_per_px: Side of a pixel in mm, for limits in mm, cm or m.
        webhook: Address to which events are posted, see `webhook`.
        baseline: A file of `Baseline`, with which frames are compared.
        stay_s: How long a region differs until it is an event; `STAY_S` unless given.
        min_area: Smaller regions are left out, in the unit of areas.

    Raises ConfigError where something is given that nothing uses.
    """

    rules: Path | None = None
    roi: Path | None = None
    mm_per_px: float | None = None
    webhook: str | None = None
    baseline: Path | None = None
    stay_s: float | None = None
    min_area: float = 0.0

    def __post_init__(self) -> None:
        for name in ("roi", "mm_per_px", "webhook"):
            if not self.is_watching and getattr(self, name) is not None:
                option = name.replace("_", "-")
                raise ConfigError(
                    f"--{option}: only with --rules or --baseline; there are no events without"
                )
        if self.stay_s is not None and self.baseline is None:
            raise ConfigError(
                "--stay: only with --baseline; the time of a rule is its 'for' in rules.yaml"
            )
        if not 0 <= self.min_area < float("inf"):
            raise ConfigError(f"--min-area {self.min_area}: give 0 or an area above it")
        if self.mm_per_px is not None and not 0 < self.mm_per_px < float("inf"):
            raise ConfigError(f"--mm-per-px {self.mm_per_px}: give a number above 0")

    @property
    def is_watching(self) -> bool:
        """Whether there is anything to watch."""
        return self.rules is not None or self.baseline is not None


def open_watcher(options: WatchOptions, spec: LabelSpec, display: Display) -> "Watcher":
    """Open what `options` name, for the classes of a model.

    Raises:
        DataError, ConfigError: As `RuleWatch.open`, `Baseline.read`, `open_rois` and `Webhook`.
    """
    rois, numbers = open_rois(options.roi, options.rules), count(1)
    scale = make_scale(options.mm_per_px)
    watches: list[Watch] = []
    if options.rules is not None:
        watches.append(
            RuleWatch.open(
                options.rules,
                spec,
                scale,
                rois=rois,
                numbers=numbers,
                min_area=options.min_area,
            )
        )
    if options.baseline is not None:
        baseline = Baseline.read(options.baseline)
        baseline.require_fit(spec, where=str(options.baseline))
        watches.append(
            BaselineWatch(
                baseline=baseline,
                spec=spec,
                scale=scale,
                rois=rois,
                numbers=numbers,
                stay_s=STAY_S if options.stay_s is None else options.stay_s,
                min_area=options.min_area,
            )
        )
    webhook = None if options.webhook is None else Webhook(url=options.webhook)
    return Watcher(watches=watches, spec=spec, display=display, webhook=webhook)


@dataclass(slots=True, kw_only=True)
class Watcher(StreamObserver):
    """Writes the events that its watches find; see the module."""

    watches: Sequence[Watch]
    spec: LabelSpec
    display: Display
    webhook: Webhook | None = None
    num_events: int = field(default=0, init=False)
    _folder: Path = field(default=Path(), init=False)
    _source: str = field(default="", init=False)
    _times: FrameTimes = field(default_factory=FrameTimes, init=False)
    _counts: Counter[str] = field(default_factory=Counter, init=False)
    _files: list[IO[str]] = field(default_factory=list, init=False)
    _write_row: WriteRow = field(default=lambda _: None, init=False)

    def open(self, folder: Path, *, source: str) -> None:
        """Begin `events.csv` and `events.ndjson`."""
        self._folder, self._source = folder, source
        (folder / "events").mkdir()
        self._files = [
            (folder / name).open("w", encoding="utf-8", newline="", errors="surrogateescape")
            for name in ("events.csv", "events.ndjson")
        ]
        self._write_row = write_rows(self._files[0])
        self._write_row(COLUMNS)

    def write(self, one: LabelledFrame) -> None:
        """Watch the next frame; raises as the watches."""
        interval_s = self._times.add(one.frame.time_s)
        away_s = interval_s if self._times.was_away else 0.0
        for watch in self.watches:
            for change in watch.update(one, away_s=away_s):
                self._record(change)

    def close(self) -> None:
        """Write the events that still last, and wait for the webhook."""
        for watch in self.watches:
            for change in watch.finish():
                self._record(change)
        for file in self._files:
            file.close()
        if self.webhook is not None:
            self.webhook.close()

    def describe(self) -> list[str]:
        """The number of events by name, times that the stream was away, and the webhook."""
        names = ", ".join(f"{number} of {name!r}" for name, number in self._counts.items())
        lines = [line for watch in self.watches for line in watch.describe()]
        lines.append(f"events: {names or 'none'}")
        if self._times.num_away:
            lines.append(
                f"nothing is known of {self._times.away_s:.1f} s in {self._times.num_away} "
                f"gaps of the stream"
            )
        return lines if self.webhook is None else [*lines, self.webhook.describe()]

    def _record(self, change: Change) -> None:
        event = change.event
        if change.state is State.BEGAN:
            self.num_events += 1
            self._counts[event.name] += 1
        else:
            (self._folder / event.picture).write_bytes(self._draw(change))
            self._write_row(_list_cells(event))
        document = {"state": change.state, "source": self._source, **event.to_json()}
        if change.state is not State.BEGAN:
            document["picture"] = event.picture
        self._files[1].write(json.dumps(document) + "\n")
        for file in self._files:
            file.flush()
        if self.webhook is not None:
            self.webhook.send(document)

    def _draw(self, change: Change) -> bytes:
        one = change.peak
        rgb_HW3 = self.display.draw(one.frame.image_HWC, one.labels_HW != IGNORE)
        picture_HW3 = draw_overlay(rgb_HW3, one.labels_HW, self.spec.palette)
        return encode_jpeg(draw_rois(picture_HW3, {change.event.name: change.place_HW}))


def _list_cells(event: Event) -> list[object]:
    """The cells of an event in the order of `COLUMNS`."""
    document = event.to_json()
    box = dict(zip(("left", "top", "width", "height"), event.box_px or [None] * 4, strict=True))
    cells = document | box | {"classes": ", ".join(event.classes), "picture": event.picture}
    return [cells[column] for column in COLUMNS]
