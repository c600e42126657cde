"""A run corrects its steps to end within its budget, and a resumed one corrects them alike."""

import pytest

from maskwright.core.jsonfile import read_json
from maskwright.training.length import Length
from maskwright.training.pace import Budget, Pace

from .situations import Clock

PACE = Pace(step_s=1.0, validation_s=2.0, finish_s=30.0, samples=4)


def train(length, clock, step_s, *, first=0):
    """Steps of `step_s(step)` seconds until the length ends; returns the step it ended at."""
    length.go_to(first)
    step = first
    while step < length.num_steps:
        step += 1
        clock.now_s += step_s(step)
        length.replay(step)
        if length.budget is not None and length.is_check(step):
            length.correct(step, length.propose(step), write=True)
    return step


def start(run, total_s, clock):
    length = Length.open(run, PACE.count_steps(total_s))
    length.start(Budget(total_s=total_s, started_s=0.0, clock=clock), PACE)
    return length


@pytest.mark.parametrize("slower", [1.0, 1.5, 2.5, 0.6])
def test_a_run_ends_near_its_budget_whatever_its_pace(tmp_path, slower):
    clock = Clock()
    train(start(tmp_path, 200, clock), clock, lambda step: slower)
    clock.now_s += max(1.0, slower) * (PACE.validation_s + PACE.finish_s)
    assert 200 * 0.8 < clock.now_s <= 200


def test_load_that_comes_later_shortens_the_run(tmp_path):
    clock = Clock()
    length = start(tmp_path, 400, clock)
    train(length, clock, lambda step: 1.0 if step < 100 else 2.0)
    clock.now_s += 2.0 * (PACE.validation_s + PACE.finish_s)
    assert 400 * 0.85 < clock.now_s <= 400 * 1.02
    assert length.describe().startswith(f"{length.num_steps} steps instead of the ")


def test_at_the_planned_pace_nothing_is_corrected(tmp_path):
    clock = Clock()
    length = Length.open(tmp_path, 100)
    assert train(length, clock, lambda step: 5.0) == 100  # no budget
    assert length.describe() == ""
    assert not (tmp_path / "length.json").exists()


def test_a_resumed_run_makes_the_same_corrections_at_the_same_steps(tmp_path):
    clock = Clock()
    ended = train(start(tmp_path, 200, clock), clock, lambda step: 1.7)
    document = read_json(tmp_path / "length.json")
    assert document["corrections"]
    for first in (0, ended // 2, ended - 1):
        resumed = Length.open(tmp_path, PACE.count_steps(200))
        assert resumed.most_steps >= ended
        assert train(resumed, Clock(), lambda step: 9.9, first=first) == ended


def test_a_budget_that_is_over_ends_the_run_after_the_fewest_steps(tmp_path):
    clock = Clock(now_s=500.0)
    assert train(start(tmp_path, 200, clock), clock, lambda step: 1.0) == 10


def test_the_slow_first_step_does_not_shorten_a_run(tmp_path):
    clock = Clock()
    length = start(tmp_path, 200, clock)
    train(length, clock, lambda step: 20.0 if step == 1 else 1.0)
    assert length.num_steps > 0.8 * length.planned
