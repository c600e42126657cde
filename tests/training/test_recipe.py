import pytest
import yaml

from maskwright.core.errors import ConfigError, DataError
from maskwright.nn.loss import build_loss
from maskwright.training.recipe import (
    Recipe,
    override,
    parse_recipe,
    parse_settings,
    read_recipe,
    to_yaml,
)

UNREADABLE = ["a: [", "[e", "[" * 1000]
"""Not closed; the same with a letter of numbers; nested too deeply."""


def test_yaml_round_trips_with_every_value_explicit(tmp_path):
    recipe = override(Recipe(), {"optim.lr": 3e-4, "data.crop_px": [64, 96]})
    text = to_yaml(recipe, {"optim.lr": "because: it is #1"})
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    assert read_recipe(path) == recipe
    assert set(yaml.safe_load(text)["optim"]) == set(type(recipe.optim).model_fields)
    assert "lr: 0.0003  # because: it is #1" in text


def test_a_misspelt_key_names_the_nearest():
    with pytest.raises(
        ConfigError, match=r"r\.yaml: optim\.learning_rat: no such key\. Known: name, momentum,"
    ):
        parse_recipe({"optim": {"learning_rat": 1}}, where="r.yaml")
    with pytest.raises(
        ConfigError, match=r"optm: no such key; did you mean 'optim'\? Known: seed"
    ):
        parse_recipe({"optm": {}}, where="r.yaml")


def test_a_recipe_file_names_the_line_of_each_key(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("seed: 1\noptim:\n  lr: 0.1\n  lrr: 0.2\nmodle: {}\n")
    with pytest.raises(ConfigError) as refusal:
        read_recipe(path)
    first, second = str(refusal.value).split("; line ")
    assert first.startswith(f"{path}: line 4: optim.lrr: no such key; did you mean 'lr'?")
    assert second.startswith("5: modle: no such key; did you mean 'model'?")


def test_a_wrong_value_names_its_place():
    with pytest.raises(ConfigError, match=r"optim\.lr: Input should be greater than 0"):
        parse_recipe({"optim": {"lr": -1}}, where="r.yaml")


def test_jpeg_noise_on_images_that_jpeg_cannot_hold_is_refused():
    document = {"input": {"channels": 4, "mean": [0.5] * 4, "std": [0.2] * 4}}
    with pytest.raises(
        ConfigError, match=r"augment\.jpeg needs 8-bit .*set augment\.jpeg to 0"
    ):
        parse_recipe(document, where="r.yaml")


def test_settings_are_read_as_yaml_and_numbers_as_numbers():
    pairs = ["optim.lr=3e-4", "data.crop_px=[64, 96]", "model.arch=unet", "seed=7"]
    assert parse_settings(pairs) == {
        "optim.lr": 0.0003,
        "data.crop_px": [64, 96],
        "model.arch": "unet",
        "seed": 7,
    }


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("input.bands=B04,B08, NDVI", ["B04", "B08", "NDVI"]),
        ("input.bands=NDVI", ["NDVI"]),
        ("data.crop_px=64, 96", [64, 96]),
        ("model.arch=a,b", "a,b"),
    ],
)
def test_a_list_may_stand_without_brackets(pair, value):
    assert [*parse_settings([pair]).values()] == [value]


@pytest.mark.parametrize("pair", ["optim.lr", "=3"])
def test_a_setting_without_a_value_is_refused(pair):
    with pytest.raises(ConfigError, match="expected KEY=VALUE, for example"):
        parse_settings([pair])


def test_a_setting_below_a_value_is_refused():
    with pytest.raises(ConfigError, match=r"--set seed\.x: seed holds a value, not keys"):
        override(Recipe(), {"seed.x": 1})


def test_a_recipe_without_a_version_opens_and_one_of_a_newer_version_is_refused(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("optim: {lr: 0.5}\n")
    assert read_recipe(path) == override(Recipe(), {"optim.lr": 0.5})
    path.write_text("version: 4\n")
    with pytest.raises(ConfigError, match=r"r\.yaml: recipe of version 4, .* up to 3; update"):
        read_recipe(path)


def test_the_input_follows_the_rules_of_the_input_spec():
    with pytest.raises(ConfigError, match=r"input: input of 1 channel needs as many means"):
        parse_recipe({"input": {"channels": 1}}, where="r.yaml")
    with pytest.raises(ConfigError, match=r"input: scale_ratio must be in \(0, 4\], got 5"):
        parse_recipe({"input": {"scale_ratio": 5}}, where="r.yaml")
    assert Recipe().input.spec.mean == (0.485, 0.456, 0.406)


def test_a_recipe_that_is_missing_or_not_yaml_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.yaml: cannot be read: no such file"):
        read_recipe(tmp_path / "none.yaml")
    for text in UNREADABLE:
        (tmp_path / "bad.yaml").write_text(text)
        with pytest.raises(ConfigError, match=r"bad\.yaml: not valid YAML"):
            read_recipe(tmp_path / "bad.yaml")


@pytest.mark.parametrize("text", UNREADABLE, ids=["open", "open_e", "deep"])
def test_a_setting_that_is_not_yaml_is_named(text):
    with pytest.raises(ConfigError, match=r"--set seed=.{2,60}: not valid YAML"):
        parse_settings([f"seed={text}"])


@pytest.mark.parametrize(
    ("pair", "why"),
    [
        (
            "schedule.epochs=1:30",
            r"--set schedule.epochs=1:30: line 1 has 1:30, .*plain number",
        ),
        ("data.batch_size=010", "line 1 has 010"),
        ("augment.flip_lr=yes", "line 1 has yes, .*true or false"),
        ("optim.lr=.inf", "not a finite number"),
        ("optim.lr=inf", r"optim.lr: expected a number, not a text, got inf"),
        ("optim.lr=1e999", "not a finite number"),
        (
            "augment.flip_lr=true",
            r"flip_lr: expected a number, not true or false, got true",
        ),
        ("schedule.epochs='8'", r"schedule.epochs: expected a number, not a text, got '8'"),
        ("model.checkpointing=1", r"model.checkpointing: expected true or false, got 1"),
        ("augment.scale=[true, 2]", r"augment.scale: expected a number, not true or false"),
        ("data.crop_px=64", r"data.crop_px: expected .* for example \[64, 64\], got 64"),
        ("input.mean=0.5", r"input.mean: expected .*example \[0.5, 0.5, 0.5\], got 0.5"),
    ],
)
def test_a_setting_is_never_misread(pair, why):
    with pytest.raises(ConfigError, match=why):
        override(Recipe(), parse_settings([pair]))


def test_numbers_of_a_recipe_file_are_as_strict_as_settings(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("optim: {lr: 3e-4}\nschedule: {epochs: 10}\n")
    assert read_recipe(path).optim.lr == 3e-4
    path.write_text("schedule: {epochs: 1:30}\n")
    with pytest.raises(ConfigError, match=r"r\.yaml: line 1 has 1:30"):
        read_recipe(path)


def test_settings_of_a_loss_are_strict_too():
    with pytest.raises(ConfigError, match="gamma"):
        build_loss("focal", {"focal": {"gamma": "inf"}}, None)


@pytest.mark.parametrize(
    ("config", "ratio"),
    [({}, 0.0), ({"annealing_steps": 0}, 0.0), ({"annealing_steps": 900}, 1.0)],
)
def test_an_eomt_recipe_of_version_1_masks_as_it_did(config, ratio):
    document = {"version": 1, "model": {"arch": "eomt", "config": {"num_queries": 7, **config}}}
    recipe = parse_recipe(document, where="recipe.yaml")
    assert recipe.model.config == {"num_queries": 7, "annealing_ratio": ratio}
    again = parse_recipe(recipe.to_json(), where="recipe.yaml")
    assert (again, recipe.to_json()["version"]) == (recipe, 3)


def test_other_recipes_of_version_1_mean_what_they_meant():
    recipe = parse_recipe({"version": 1, "model": {"arch": "fpn"}}, where="recipe.yaml")
    assert recipe == override(Recipe(), {"model.arch": "fpn"})
    assert (recipe.optim.name, recipe.optim.clip_norm) == ("adamw", 5.0)


@pytest.mark.parametrize(("max_value", "offset"), [(255, 0), (65535, 32_768)])
def test_a_wide_recipe_of_version_2_reads_values_below_0_as_it_did(max_value, offset):
    document = {"version": 2, "input": {"max_value": max_value}, "augment": {"jpeg": 0.0}}
    recipe = parse_recipe(document, where="recipe.yaml")
    assert (recipe.input.signed_offset, recipe.augment.unit) == (offset, "range")
    assert recipe.input.kind == "photograph"
    assert parse_recipe(recipe.to_json(), where="recipe.yaml") == recipe


def test_a_window_of_one_pair_is_that_of_all_channels():
    std = {"unit": "std", "saturation": 0.0, "hue": 0.0, "jpeg": 0.0}
    document = {"input": {"kind": "ct", "window": [-200, 300]}, "augment": std}
    recipe = parse_recipe(document, where="recipe.yaml")
    assert recipe.input.window == ((-200.0, 300.0),)
    assert recipe.input.spec.window == ((-200.0, 300.0),)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"input": {"kind": "ct"}}, "input.kind 'ct' needs augment.unit 'std', got 'range'"),
        ({"augment": {"unit": "std"}}, "saturation, hue and jpeg .* set them to 0"),
        ({"input": {"window": [0, 1]}}, "window clips the values of kind ct or reflectance"),
        ({"input": {"kind": "ct", "window": [[3, 1]]}}, r"window must be \[lowest, highest\]"),
        ({"input": {"kind": "xray"}}, "input.kind: Input should be 'photograph', 'ct', 'mr'"),
    ],
)
def test_kinds_units_and_windows_that_do_not_fit_are_refused(document, message):
    with pytest.raises(ConfigError, match=message):
        parse_recipe(document, where="r.yaml")


def test_the_flip_of_an_earlier_recipe_is_that_of_left_and_right():
    for version in ({}, {"version": 2}):
        recipe = parse_recipe({**version, "augment": {"flip": 0.25}}, where="recipe.yaml")
        assert recipe.augment.flip_lr == 0.25
    with pytest.raises(ConfigError, match=r"flip: no such key; did you mean 'flip_lr'"):
        parse_recipe({"version": 3, "augment": {"flip": 0.25}}, where="recipe.yaml")
