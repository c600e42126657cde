"""A run corrects its steps to end within its budget, and a resumed one corrects them alike."""

from dataclasses import replace

import pytest

from maskwright.core.jsonfile import read_json
from maskwright.training.length import Length
from maskwright.training.pace import Budget, Pace

from .situations import Clock

PACE = Pace(step_s=1.0, image_s=0.2, export_s=20.0, samples=4, num_val=10, finish_images=50)


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
    length.start(Budget(total_s=total_s, started_s=0.0, clock=clock), PACE, 50)
    return length


@pytest.mark.parametrize("slower", [1.0, 1.5, 2.5, 0.6])
def test_a_run_ends_near_its_budget_whatever_its_pace(tmp_path, slower):
    clock = Clock()
    train(start(tmp_path, 200, clock), clock, lambda step: slower)
    clock.now_s += max(1.0, slower) * (PACE.validation_s + PACE.finish_s)
    assert 200 * 0.8 < clock.now_s <= 200


def test_a_kept_graph_leaves_its_time_to_training(tmp_path):
    clock = Clock()
    length = start(tmp_path, 200, clock)
    length.expect_kept_graph()
    train(length, clock, lambda step: 1.0)
    finish_s = PACE.finish_s - 0.7 * 20
    clock.now_s += PACE.validation_s + finish_s
    assert length.num_steps > length.planned
    assert 200 * 0.92 < clock.now_s <= 200


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


def test_a_delay_of_one_step_does_not_end_a_run(tmp_path):
    clock = Clock()
    length = start(tmp_path, 200, clock)
    train(length, clock, lambda step: 3.0 if step == 60 else 1.0)
    assert length.num_steps > 0.95 * length.planned


def test_a_last_epoch_that_is_cut_short_leaves_no_whole_one_before_it(tmp_path):
    length = Length(tmp_path, 21, 31)
    assert not length.has_whole_epoch(21, 21)  # 10 steps follow: validated after them alone
    length.num_steps = 42
    assert length.has_whole_epoch(21, 21)
    assert not length.has_whole_epoch(42, 21)


def test_validations_between_two_ends_of_a_run_take_steps_from_it():
    assert PACE.count_more_steps(130, 4) == 57  # 88 % of 100 s, less 2 s, at 1.5 s each
    assert PACE.count_more_steps(130, 2000) == 85
    assert PACE.count_more_steps(31, 4) == 0


@pytest.mark.parametrize("validation_steps", [20, 50])
def test_validations_of_a_lengthened_run_are_paid_from_its_budget(tmp_path, validation_steps):
    clock = Clock()
    pace = replace(PACE, image_s=1.2, export_s=0.0, finish_images=25)
    length = Length.open(tmp_path, 100)
    length.start(Budget(total_s=200, started_s=0.0, clock=clock), pace, validation_steps)

    def step_s(step):  # the validation after a step is not part of its time
        if step % validation_steps == 1 and length.has_whole_epoch(step - 1, validation_steps):
            clock.now_s += pace.validation_s
            length.add_validation(pace.validation_s, pace.image_s)
        return 0.7

    length.go_to(0)
    train(length, clock, lambda step: step_s(step) if step > 1 else 1.0)
    clock.now_s += pace.validation_s + pace.finish_s
    assert 200 * 0.85 < clock.now_s <= 200 * 1.02


def test_a_run_pays_for_an_end_as_slow_as_its_steps(tmp_path):
    clock = Clock()
    pace = replace(PACE, export_s=90.0)
    length = Length.open(tmp_path, pace.count_steps(300))
    length.start(Budget(total_s=300, started_s=0.0, clock=clock), pace, 1000)
    train(length, clock, lambda step: 1.5)
    clock.now_s += 1.5 * (pace.validation_s + pace.finish_s)
    assert 300 * 0.85 < clock.now_s <= 300 * 1.02


@pytest.mark.parametrize("ratio", [0.7, 1.6])
@pytest.mark.parametrize("step_s", [1.0, 1.3])
def test_images_timed_in_the_run_tell_how_long_its_end_takes(tmp_path, ratio, step_s):
    clock = Clock()
    pace = replace(PACE, image_s=2.0, finish_images=65)
    length = Length.open(tmp_path, pace.count_steps(600))
    length.start(Budget(total_s=600, started_s=0.0, clock=clock), pace, 1000)
    image_s = ratio * step_s * pace.image_s
    assert not length.needs_image_time  # no step is timed yet

    def take_step(step):
        if length.needs_image_time:
            clock.now_s += 3.0
            length.add_validation(3.0, image_s)
            assert not length.needs_image_time
        return step_s

    train(length, clock, take_step)
    clock.now_s += image_s * (pace.num_val + pace.finish_images) + step_s * pace.export_s
    assert 600 * 0.9 < clock.now_s <= 600 * 1.02


def test_without_a_budget_no_image_is_timed(tmp_path):
    length = Length.open(tmp_path, 100)
    train(length, Clock(), lambda step: 1.0)
    assert not length.needs_image_time


def test_a_moment_of_load_does_not_end_a_run_whose_end_takes_most_of_its_budget(tmp_path):
    clock = Clock()
    pace = replace(PACE, export_s=60.0)
    length = Length.open(tmp_path, pace.count_steps(120))
    length.start(Budget(total_s=120, started_s=0.0, clock=clock), pace, 1000)
    train(length, clock, lambda step: 2.0 if 8 < step <= 10 else 1.0)
    assert length.num_steps > 0.85 * length.planned
