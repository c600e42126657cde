import numpy as np
import pytest

from maskwright.core.errors import ConfigError
from maskwright.training.planning.plan import Plan
from maskwright.training.planning.rules import make_plan
from maskwright.training.planning.schedule import Budget, Pace, decide_full_schedule

from ..situations import situation

SETTINGS = {
    "model.encoder_weights": "none",
    "model.config": {"pyramid_channels": 8, "decoder_channels": 32},
    "data.crop_px": [64, 64],
}


def test_epochs_fill_what_validations_leave_of_the_planned_share():
    pace = Pace(epoch_s=10, validation_s=5)
    assert pace.count_validations(200) == 4  # a tenth of 200 s
    assert pace.count_epochs(200) == 15  # 88 % of 200 s, less 4 x 5 s
    assert pace.count_validations(1) == 2
    assert pace.count_validations(1e6) == 10
    assert pace.count_epochs(11) == 0


def test_without_a_budget_the_device_sets_the_crops_and_at_most_ten_validations():
    plan = Plan({})
    decide_full_schedule(plan, situation())
    assert plan.values == {"schedule.epochs": 160, "schedule.validate_every": 16}
    assert plan.reasons["schedule.validate_every"] == "at most 10 validations"


def test_a_budget_sets_the_epochs_so_that_more_time_gives_more():
    epochs = [
        make_plan(
            situation(), SETTINGS | {"optim.precision": "fp32"}, budget=Budget(s)
        ).recipe.schedule.epochs
        for s in (200, 20_000)
    ]
    assert epochs[0] * 4 < epochs[1]


def test_a_budget_too_short_for_an_epoch_says_what_is_needed_in_seconds():
    with pytest.raises(
        ConfigError,
        match=r"^--budget 0\.01s is too short: at least \d+ s are needed, 9 s to read",
    ):
        make_plan(situation(), SETTINGS | {"optim.precision": "fp32"}, budget=Budget(0.01, 9))


@pytest.mark.slow
def test_an_ample_budget_takes_the_usual_widths_and_a_tight_one_fewer_pixels():
    settings = {"model.encoder_weights": "none", "optim.precision": "fp32"}
    settings |= {"data.batch_size": 1}
    small = settings | {"input.scale_ratio": 0.25}
    many = situation(counts_NC=np.ones((200, 3), np.int64))
    ample = make_plan(many, small, budget=Budget(1e6)).recipe
    assert (ample.model.config, ample.data.crop_px) == ({}, (96, 128))
    assert (
        make_plan(situation(), small, budget=Budget(1e6)).recipe.model.config != {}
    )  # few images
    enlarged = make_plan(situation(), settings, budget=Budget(200)).recipe
    assert (enlarged.input.scale_ratio, enlarged.data.crop_px) == (1.0, (352, 352))
    same_size = settings | {"input.scale_ratio": 1.0}
    tight = make_plan(situation(), same_size, budget=Budget(200)).recipe
    assert (tight.data.crop_px, tight.model.config["pyramid_channels"]) == ((256, 256), 128)
