"""Events of one condition, against the definition written out for all frames at once."""

from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskwright.measurement.events.event import Seen, State, Tracker

PLACE = np.ones((2, 2), np.bool_)


def follow(make_frames, holds, *, for_s, clear_s, values=None, away=None, **how):
    tracker = Tracker(
        kind="rule",
        name="n",
        zone="",
        limit="> 1",
        unit="%",
        for_s=for_s,
        clear_s=clear_s,
        numbers=count(1),
    )
    changes = []
    for index, one in enumerate(make_frames([np.zeros((2, 2))] * len(holds), **how)):
        value = 1.0 if values is None else values[index]
        seen = Seen(
            holds=bool(holds[index]),
            value=value,
            badness=value,
            place_HW=PLACE,
            classes=("car",),
        )
        changes += tracker.update(one, seen, away_s=away[index] if away else 0.0)
    return [*changes, *tracker.finish()]


def find_events(holds, num_for, num_clear):
    """First and end frame of each event: frame i is `num` frames after the first of its row."""
    events, start = [], None
    raised = False
    for i in range(len(holds)):
        row = next((k for k in range(i + 1) if holds[i - k] != holds[i]), i + 1)
        if holds[i] and not raised and row > num_for:
            start, raised = i - row + 1, True
        elif not holds[i] and raised and row > num_clear:
            events.append((start, i - row + 1))
            raised = False
    return events + ([(start, None)] if raised else [])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(0, 4), st.integers(0, 4))
def test_events_are_those_of_the_definition(make_frames, holds, num_for, num_clear):
    changes = follow(make_frames, holds, for_s=num_for / 10, clear_s=num_clear / 10)
    last = {change.event.number: change for change in changes}
    found = [
        (
            round(10 * c.event.start_s),
            None if c.event.end_s is None else round(10 * c.event.end_s),
        )
        for c in last.values()
    ]
    assert found == find_events(holds, num_for, num_clear)
    assert all((c.state is State.OPEN) == (c.event.end_s is None) for c in last.values())


def test_the_frame_exactly_five_seconds_later_raises(make_frames):
    holds = [False, *[True] * 51, *[False] * 31]
    began, ended = follow(make_frames, holds, for_s=5, clear_s=3)
    assert (began.state, began.event.start_s, began.event.raised_s) == ("began", 0.1, 5.1)
    assert (ended.state, ended.event.end_s) == ("ended", 5.2)
    assert follow(make_frames, holds[:51], for_s=5, clear_s=3) == []
    (_, left_open) = follow(make_frames, holds[:-1], for_s=5, clear_s=3)
    assert (left_open.state, left_open.event.end_s) == ("open", None)


def test_the_peak_is_the_worst_value_with_its_frame(make_frames):
    began, ended = follow(
        make_frames, [1, 1, 1, 1, 0], for_s=0.2, clear_s=0, values=[5, 9, 7, 9, 99]
    )
    assert (began.event.peak, ended.event.peak, ended.event.peak_s) == (9, 9, 0.1)
    assert ended.peak.frame.key == ended.event.peak_frame == "000001"


def test_a_time_without_frames_does_not_count_before_an_event(make_frames):
    times = [0, 0.1, 30, 30.1, 30.2]
    away = [0, 0, 29.9, 0, 0]
    found = follow(make_frames, [1] * 5, for_s=1, clear_s=0, times=times, away=away)
    assert found == []
    began, ended = follow(
        make_frames,
        [1, 1, 1, 0, 0],
        for_s=0,
        clear_s=0.1,
        times=times,
        away=away,
        dropped=[0, 2, 3, 1, 0],
    )
    assert (began.event.start_s, ended.event.end_s) == (0, 30.1)
    assert (ended.event.unseen_s, ended.event.dropped) == (pytest.approx(29.9), 6)
