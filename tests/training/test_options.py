"""Plain options are short names of recipe values."""

import pytest

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
