"""Event: a condition that held for long enough in a stream, and the Tracker that finds it.

- Time is that of the frames. An event begins at the frame from which on the condition holds in
  every frame for `for_s`, and ends at the frame from which on it holds in none for `clear_s`; a
  frame that lies exactly that long after the first counts.
- While a stream is away nothing is known: what did not hold for long enough before begins anew,
  and so does the time to clear. The seconds are counted in the event.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from ...core.stream import LabelledFrame
from ...core.versioned import Document
from ..ground.roi import Mask

_ROUNDING_S = 1e-6
"""Times of frames are sums of decimals, such as 0.1, that no float holds."""


class State(StrEnum):
    """What became of an event at a frame; `OPEN` where the stream ends before the event."""

    BEGAN = "began"
    ENDED = "ended"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event, from its beginning to what is known last.

    `kind` is `rule` or `baseline`, `name` that of the rule. `raised_s` is the time at which
    `for_s` was over, `end_s` is None while the event lasts. `peak` is the worst value, in
    `unit`, and None where it is unknown or infinite. `box_px` is left, top, width and height.
    `dropped` counts frames that were not labelled, `unseen_s` is how long the stream was away.
    """

    number: int
    kind: str
    name: str
    zone: str
    classes: tuple[str, ...]
    limit: str
    unit: str
    start_s: float
    raised_s: float
    end_s: float | None = None
    peak: float | None = None
    peak_s: float
    peak_frame: str
    box_px: tuple[int, int, int, int] | None = None
    dropped: int = 0
    unseen_s: float = 0.0

    @property
    def picture(self) -> str:
        """The file with the picture of the peak, in the folder of results."""
        return f"events/{self.number:04d}.jpg"

    def to_json(self) -> Document:
        """An object of all fields; times in seconds with milliseconds."""
        return {
            "event": self.number,
            "kind": self.kind,
            "name": self.name,
            "zone": self.zone,
            "classes": list(self.classes),
            "limit": self.limit,
            "start_s": round(self.start_s, 3),
            "raised_s": round(self.raised_s, 3),
            "end_s": None if self.end_s is None else round(self.end_s, 3),
            "peak": self.peak,
            "unit": self.unit,
            "peak_s": round(self.peak_s, 3),
            "peak_frame": self.peak_frame,
            "box_px": None if self.box_px is None else list(self.box_px),
            "dropped": self.dropped,
            "unseen_s": round(self.unseen_s, 3),
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Change:
    """An event that began or ended, and the frame of its peak with the place, H x W."""

    state: State
    event: Event
    peak: LabelledFrame
    place_HW: Mask


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """A condition in one frame: whether it holds, its value and where it is.

    `badness` orders values: the peak is the value of the largest. `since_s` is the time from
    which on it holds, where that is earlier than the frame.
    """

    holds: bool
    value: float | None
    badness: float
    place_HW: Mask
    classes: tuple[str, ...]
    box_px: tuple[int, int, int, int] | None = None
    since_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Episode:
    """What is known since a condition holds: its Event, the frame and the place of the peak."""

    event: Event
    badness: float
    peak: LabelledFrame
    place_HW: Mask


@dataclass(slots=True, kw_only=True)
class Tracker:
    """Follows one condition through the frames of a stream; see the module.

    `numbers` counts the events of all Trackers of a stream.
    """

    kind: str
    name: str
    zone: str
    limit: str
    unit: str
    for_s: float
    clear_s: float
    numbers: Iterator[int]
    is_raised: bool = field(default=False, init=False)
    """Whether an event lasts."""
    _episode: _Episode | None = field(default=None, init=False)
    _kept_since_s: float | None = field(default=None, init=False)

    def update(
        self, one: LabelledFrame, seen: Seen, *, away_s: float = 0.0
    ) -> Iterator[Change]:
        """See the next frame; `away_s` is how long the stream was away before it."""
        self._count_unseen(one, away_s)
        time_s, episode = one.frame.time_s, self._episode
        if seen.holds:
            self._kept_since_s = None
            self._episode = episode = self._add(episode, one, seen)
            if not self.is_raised and _lasts(episode.event.start_s, time_s, self.for_s):
                self.is_raised = True
                event = replace(episode.event, number=next(self.numbers), raised_s=time_s)
                self._episode = episode = replace(episode, event=event)
                yield _change(State.BEGAN, episode)
        elif episode is None or not self.is_raised:
            self._forget()
        else:
            if self._kept_since_s is None:
                self._kept_since_s = time_s
            if _lasts(self._kept_since_s, time_s, self.clear_s):
                ended = replace(episode.event, end_s=self._kept_since_s)
                yield _change(State.ENDED, replace(episode, event=ended))
                self._forget()

    def finish(self) -> Iterator[Change]:
        """The event that lasts at the end of the stream, if one does."""
        if self.is_raised and self._episode is not None:
            yield _change(State.OPEN, self._episode)
        self._forget()

    def _count_unseen(self, one: LabelledFrame, away_s: float) -> None:
        if away_s:
            self._kept_since_s = None
            if not self.is_raised:
                self._forget()
        if self._episode is not None:
            event = self._episode.event
            event = replace(
                event,
                dropped=event.dropped + one.dropped,
                unseen_s=event.unseen_s + away_s,
            )
            self._episode = replace(self._episode, event=event)

    def _add(self, episode: _Episode | None, one: LabelledFrame, seen: Seen) -> _Episode:
        """Begin an episode, or raise its peak."""
        if episode is not None and seen.badness <= episode.badness:
            return episode
        begun = Event(
            number=0,
            kind=self.kind,
            name=self.name,
            zone=self.zone,
            classes=seen.classes,
            limit=self.limit,
            unit=self.unit,
            start_s=one.frame.time_s if seen.since_s is None else seen.since_s,
            raised_s=one.frame.time_s,
            peak_s=one.frame.time_s,
            peak_frame=one.frame.key,
        )
        event = replace(
            begun if episode is None else episode.event,
            peak=seen.value,
            peak_s=one.frame.time_s,
            peak_frame=one.frame.key,
            classes=seen.classes,
            box_px=seen.box_px,
        )
        return _Episode(event=event, badness=seen.badness, peak=one, place_HW=seen.place_HW)

    def _forget(self) -> None:
        self._episode, self._kept_since_s, self.is_raised = None, None, False


def _lasts(since_s: float, now_s: float, needed_s: float) -> bool:
    return now_s - since_s >= needed_s - _ROUNDING_S


def _change(state: State, episode: _Episode) -> Change:
    return Change(
        state=state, event=episode.event, peak=episode.peak, place_HW=episode.place_HW
    )
