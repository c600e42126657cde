"""Fatigue: how right and how fast a person is by the time since a session began.

A session ends with a pause of more than 30 minutes, or where the clock is set back.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ..store.judgements import Score
from .judging import estimate_iou

ENDS_MIN = (15, 30, 60, 120)
"""Of the spans of a session, in minutes; the last span has no end."""

_PAUSE = timedelta(minutes=30)


@dataclass
class Sessions:
    """What one person did in which span of a session."""

    active_s: Counter[int] = field(default_factory=Counter)
    images: Counter[int] = field(default_factory=Counter)
    span_by_item: dict[int, int] = field(default_factory=dict)
    _began: datetime | None = None
    _last: datetime | None = None

    def add_edit(self, at: datetime, active_s: float) -> None:
        """Count an edit, and the active seconds that it took."""
        self.active_s[self._find_span(at)] += round(active_s)

    def add_submit(self, at: datetime, item_id: int) -> None:
        """Count an image that is submitted for the first time."""
        span = self._find_span(at)
        self.images[span] += item_id not in self.span_by_item
        self.span_by_item.setdefault(item_id, span)

    def _find_span(self, at: datetime) -> int:
        goes_on = self._last is not None and timedelta() <= at - self._last <= _PAUSE
        if self._began is None or not goes_on:
            self._began = at
        self._last = at
        minutes = (at - self._began).total_seconds() / 60
        return sum(minutes >= end for end in ENDS_MIN)

    def to_json(self, scores: Iterable[Score]) -> list[dict[str, object]]:
        """Numbers of each span in which something was submitted; None where nothing is."""
        by_span: dict[int, list[Score]] = {}
        for score in scores:
            by_span.setdefault(self.span_by_item.get(score.item_id, -1), []).append(score)
        return [
            {
                "from_min": (0, *ENDS_MIN)[span],
                "to_min": (*ENDS_MIN, None)[span],
                "images": self.images[span],
                "seconds_per_image": round(self.active_s[span] / self.images[span], 1),
                "iou": _score(by_span.get(span, [])),
            }
            for span in sorted(self.images)
            if self.images[span]
        ]


def _score(scores: Sequence[Score]) -> float | None:
    return estimate_iou([score.counts for score in scores]).value if scores else None
