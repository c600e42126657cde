import pytest

from maskwright.training.pace import Budget
from maskwright.training.planning.minutes import list_minutes
from maskwright.training.planning.rules import make_plan

from ..situations import FREE, Clock, situation


def test_every_part_of_a_run_has_its_time():
    settings = FREE | {"schedule.epochs": 4, "data.batch_size": 5, "schedule.validate_every": 2}
    planned = make_plan(situation(step_s=0.3, image_s=0.5), settings, explain=True)
    parts = {part.name: part for part in planned.minutes}
    assert list(parts) == ["data", "steps", "validation", "report", "export"]
    step_s = parts["steps"].seconds / 40
    assert parts["steps"].detail == f"40 steps of 5 crops, {step_s:.3g} s each"
    assert parts["data"].detail.startswith("200 crops, ")
    num_val = situation().num_val
    image_s = parts["validation"].seconds / (2 * num_val)
    assert parts["validation"].detail == f"2 x {num_val} images, {image_s:.3g} s each"


def test_the_parts_of_a_budget_add_up_to_it():
    clock = Clock()
    budget = Budget(total_s=600.0, started_s=0.0, clock=clock)
    clock.now_s = 20.0
    planned = make_plan(situation(clock=clock), FREE, budget=budget, explain=True)
    names = [part.name for part in planned.minutes]
    assert (names[0], names[-1]) == ("start", "reserve")
    assert sum(part.seconds for part in planned.minutes) == pytest.approx(600)
    assert planned.minutes[0].seconds >= 20
    assert planned.minutes[-1].seconds > 0
    lines = list_minutes(planned.minutes)
    assert lines[0].split() == ["part", "minutes"]
    assert lines[-1].split() == ["sum", "10.0"]


def test_nothing_is_told_unless_asked():
    assert make_plan(situation(), FREE).minutes == ()
