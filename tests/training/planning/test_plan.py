import pytest
import yaml

from maskwright.core.errors import ConfigError
from maskwright.training.planning.plan import Plan
from maskwright.training.planning.rules import make_plan
from maskwright.training.recipe import Recipe, parse_recipe

from ..situations import FREE, situation


def test_what_the_user_sets_holds_and_its_reason_says_so():
    plan = Plan({"optim.lr": 0.5})
    plan.decide("optim.lr", 0.1, "a usual value")
    plan.decide("data.workers", 3, "the machine has 4 cores")
    assert (plan.recipe.optim.lr, plan.recipe.data.workers) == (0.5, 3)
    assert plan.reasons == {"optim.lr": "given", "data.workers": "the machine has 4 cores"}


def test_a_value_is_its_default_until_it_is_decided():
    plan = Plan({})
    assert plan.get("optim.lr") == Recipe().optim.lr
    plan.keep("optim.lr", "the best found")
    assert plan.recipe == Recipe()
    assert "lr: 0.002  # the best found" in plan.to_yaml()


def test_a_wrong_setting_is_refused_at_once_but_interdependent_ones_when_all_are_decided():
    with pytest.raises(ConfigError, match=r"optim\.lr: Input should be greater than 0"):
        Plan({"optim.lr": -1})
    plan = Plan({"input.channels": 1})
    with pytest.raises(ConfigError, match=r"input of 1 channel needs as many means"):
        _ = plan.recipe


def test_the_plan_reads_back_as_the_same_recipe():
    plan = make_plan(situation(), FREE)
    assert parse_recipe(yaml.safe_load(plan.to_yaml()), where="x") == plan.recipe


def test_a_part_of_a_value_that_the_user_set_is_kept():
    plan = Plan({"model.config.pyramid_channels": 8})
    plan.decide("model.config", {"pyramid_channels": 128}, "half the usual widths")
    assert plan.recipe.model.config == {"pyramid_channels": 8}
