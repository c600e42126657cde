from dataclasses import replace

import numpy as np
import pytest

from maskwright.core.errors import ConfigError
from maskwright.training.pace import Budget, Pace
from maskwright.training.planning.plan import Plan
from maskwright.training.planning.rules import make_plan
from maskwright.training.planning.schedule import decide_full_schedule, format_duration

from ..situations import Clock, situation

SETTINGS = {"model.encoder_weights": "none"}
FIXED = SETTINGS | {"optim.precision": "fp32"}
PACE = Pace(step_s=2, image_s=0.5, export_s=20, samples=4, num_val=10, finish_images=40)


def budget(total_s, clock=None, started_s=0.0):
    return Budget(total_s=total_s, started_s=started_s, clock=clock or Clock())


def test_steps_fill_what_validations_and_the_end_leave_of_the_planned_share():
    assert (PACE.validation_s, PACE.finish_s) == (5, 40)
    assert PACE.count_train_seconds(240) == 200
    assert PACE.count_validations(200) == 4  # a tenth of 200 s
    assert PACE.count_steps(240) == 78  # 88 % of 200 s, less 4 x 5 s
    assert PACE.count_validations(1) == 1
    assert PACE.count_validations(1e6) == 10
    assert PACE.count_steps(30) == 0


def test_no_time_is_negative():
    assert PACE.count_train_seconds(-100) == 0
    assert PACE.count_steps(-100) == 0
    assert format_duration(-20) == "0 s"
    assert format_duration(150) == "2.5 min"


def test_without_a_budget_the_device_sets_the_crops_and_at_most_ten_validations():
    plan = Plan({})
    decide_full_schedule(plan, situation())
    assert plan.values == {"schedule.epochs": 160, "schedule.validate_every": 16}
    assert plan.reasons["schedule.validate_every"] == "at most 10 validations"


def test_a_budget_sets_the_epochs_so_that_more_time_gives_more():
    epochs = [
        make_plan(situation(), FIXED, budget=budget(s)).recipe.schedule.epochs
        for s in (200, 20_000)
    ]
    assert epochs[0] * 4 < epochs[1]


def test_measurements_take_a_tenth_of_the_budget():
    clock = Clock()
    slow = situation(clock=clock, step_s=5.0)
    make_plan(slow, SETTINGS, budget=budget(1000, clock))
    assert clock.now_s < 0.1 * 1000 + 5.0  # the last measurement may begin just before
    assert slow.step_seconds.calls >= 2


def test_when_the_time_to_measure_is_over_pixels_scale_what_was_measured():
    clock = Clock()
    slow = situation(clock=clock, step_s=20.0)
    recipe = make_plan(slow, FIXED, budget=budget(600, clock)).recipe
    assert slow.step_seconds.calls == 1
    assert recipe.data.crop_px == (352, 352)  # images are no longer enlarged
    assert recipe.schedule.epochs == 1


def test_a_short_budget_shows_a_part_of_the_images_before_it_is_refused():
    many = situation(counts_NC=np.ones((4000, 3), np.int64), step_s=1.0)
    schedule = make_plan(many, FIXED, budget=budget(120)).recipe.schedule
    assert schedule.epochs == 1
    assert 10 <= schedule.steps_per_epoch < 1000


def test_a_tight_budget_halves_the_scale():
    slow = situation(step_s=6.0)
    recipe = make_plan(slow, FIXED, budget=budget(90)).recipe
    assert recipe.input.scale_ratio == 0.5
    assert recipe.data.crop_px == (192, 192)


@pytest.mark.parametrize("step_s", [0.5, 20.0])
def test_the_smallest_budget_that_is_named_is_planned(step_s):
    with pytest.raises(ConfigError, match=r"^--budget 20s is too short: at least (\d+) s") as e:
        make_plan(situation(step_s=step_s), FIXED, budget=budget(20, started_s=-9.0))
    assert "-" not in str(e.value).removeprefix("--").replace("--budget", "")
    needed_s = int(str(e.value).rpartition("--budget ")[2].split("s")[0])
    assert needed_s > 20
    fits = make_plan(situation(step_s=step_s), FIXED, budget=budget(needed_s, started_s=-9.0))
    assert fits.recipe.schedule.epochs >= 1
    if step_s == 20.0:  # and hardly less would do
        with pytest.raises(ConfigError, match="is too short"):
            make_plan(situation(step_s=step_s), FIXED, budget=budget(needed_s * 0.7))


def test_an_ample_budget_takes_the_usual_widths_and_a_tight_one_fewer_pixels():
    small = FIXED | {"input.scale_ratio": 0.25, "data.batch_size": 1}
    many = situation(counts_NC=np.ones((200, 3), np.int64))
    ample = make_plan(many, small, budget=budget(1e6)).recipe
    assert (ample.model.config, ample.data.crop_px) == ({}, (96, 128))
    few = make_plan(situation(), small, budget=budget(1e6)).recipe
    assert few.model.config != {}
    enlarged = make_plan(situation(step_s=0.5), FIXED, budget=budget(200)).recipe
    assert (enlarged.input.scale_ratio, enlarged.data.crop_px) == (1.0, (352, 352))
    same_size = FIXED | {"input.scale_ratio": 1.0}
    tight = make_plan(situation(step_s=0.5), same_size, budget=budget(200)).recipe
    assert (tight.data.crop_px, tight.model.config["pyramid_channels"]) == ((256, 256), 128)


def test_images_are_not_enlarged_where_each_would_be_seen_hardly_more_than_once():
    found = {}
    for num_images in (50, 2000):
        counts = np.ones((num_images, 3), np.int64)
        plan = make_plan(situation(counts_NC=counts), FIXED, budget=budget(900))
        found[num_images] = plan.recipe.input.scale_ratio
    assert found == {50: 2.0, 2000: 1.0}
    assert plan.reasons["input.scale_ratio"] == (
        "the budget is too short for enlarging (benchmarks/recipes.md)"
    )


def test_reading_is_measured_once_where_the_time_to_measure_is_over():
    clock, read = Clock(), []

    def read_sample(_recipe):
        read.append(clock.now_s)
        clock.now_s += 30.0
        return 0.1

    slow = replace(situation(clock=clock, step_s=6.0), sample_seconds=read_sample)
    assert make_plan(slow, FIXED, budget=budget(300, clock)).recipe.schedule.epochs >= 1
    assert len(read) == 1


def test_a_budget_that_is_over_after_reading_is_refused_before_anything_is_measured():
    slow = situation()
    with pytest.raises(ConfigError) as refusal:
        make_plan(slow, FIXED, budget=budget(90, started_s=-101.0))
    assert str(refusal.value) == (
        "--budget 90s is over before training: 101 s to start and to read the data; give "
        "--budget 405s or more, or end other programs"
    )
    assert slow.step_seconds.calls == 0
