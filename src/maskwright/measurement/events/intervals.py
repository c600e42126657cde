"""Times between the frames of a stream, and when it was away."""

import statistics
from collections import deque
from dataclasses import dataclass, field

_AWAY_S, _AWAY_INTERVALS = 2.0, 4.0
_MOST_INTERVALS = 32


@dataclass(slots=True)
class FrameTimes:
    """How long a stream was away between two frames, by their times.

    It was away where more than 2 s and more than four usual intervals are between them; the
    usual interval is the median of the last 32. `away_s` is the sum, `was_away` is of the last
    frame.
    """

    away_s: float = 0.0
    num_away: int = 0
    was_away: bool = False
    _last_s: float | None = None
    _intervals_s: deque[float] = field(default_factory=lambda: deque(maxlen=_MOST_INTERVALS))

    def add(self, time_s: float) -> float:
        """The time since the frame before in s; 0 for the first."""
        interval_s = 0.0 if self._last_s is None else time_s - self._last_s
        self._last_s = time_s
        usual_s = statistics.median(self._intervals_s) if self._intervals_s else interval_s
        self.was_away = interval_s > max(_AWAY_S, _AWAY_INTERVALS * usual_s)
        if self.was_away:
            self.away_s += interval_s
            self.num_away += 1
        elif interval_s:
            self._intervals_s.append(interval_s)
        return interval_s
