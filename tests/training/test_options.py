"""Plain options are short names of recipe values."""

import pytest

import maskwright
from maskwright.core.errors import ConfigError
from maskwright.training.options import PLAIN_KEYS, add_plain_options
from maskwright.training.recipe import Recipe, override


def test_plain_options_set_values_of_the_recipe_and_those_not_given_set_none():
    plain = {"epochs": 3, "batch": 2, "crop": [64, 96], "arch": None, "seed": 0}
    settings = add_plain_options({"optim.lr": 1e-3}, plain)
    assert settings == {
        "optim.lr": 1e-3,
        "schedule.epochs": 3,
        "data.batch_size": 2,
        "data.crop_px": [64, 96],
        "seed": 0,
    }
    assert override(Recipe(), settings).data.crop_px == (64, 96)


def test_each_plain_option_names_a_key_of_the_recipe():
    values = [3, 2, [64, 64], "fpn", "resnet18", "runs/a", 5]
    settings = add_plain_options({}, dict(zip(PLAIN_KEYS, values, strict=True)))
    assert len(override(Recipe(), settings).model_dump()) > 0
    assert list(settings.values()) == values


def test_a_plain_option_and_a_setting_of_one_value_are_refused():
    with pytest.raises(ConfigError, match=r"--epochs and --set schedule\.epochs give the same"):
        add_plain_options({"schedule.epochs": 3}, {"epochs": 4})


@pytest.mark.parametrize(
    ("steps", "schedule"), [(1000, (10, 100)), (36, (9, 4)), (997, (1, 997)), (1, (1, 1))]
)
def test_steps_are_made_exactly_in_up_to_ten_equal_parts(steps, schedule):
    given = add_plain_options({}, {"steps": steps})
    assert (given["schedule.epochs"], given["schedule.steps_per_epoch"]) == schedule


@pytest.mark.parametrize(
    ("settings", "options", "message"),
    [
        ({}, {"steps": 0}, "--steps 0: give 1 or more"),
        ({}, {"steps": 5, "epochs": 2}, "--steps and --epochs both give the length"),
        ({"schedule.epochs": 2}, {"steps": 5}, r"--steps and --set schedule\.epochs both"),
    ],
)
def test_steps_exclude_what_else_gives_the_length(settings, options, message):
    with pytest.raises(ConfigError, match=message):
        add_plain_options(settings, options)


def test_a_call_keeps_a_length_in_steps_exactly(street, quick):
    free = {key: value for key, value in quick.items() if key != "schedule.epochs"}
    schedule = maskwright.plan(street, steps=14, settings=free).recipe.schedule
    assert (schedule.epochs, schedule.steps_per_epoch) == (7, 2)
    with pytest.raises(ConfigError, match="epochs=2 and steps=14 both give the length"):
        maskwright.plan(street, epochs=2, steps=14, settings=free)
    with pytest.raises(ConfigError, match="steps=0: give 1 or more"):
        maskwright.plan(street, steps=0, settings=free)
