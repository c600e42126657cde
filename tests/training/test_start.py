"""A run has one process at a time, and goes on with the recipe that it began with."""

from types import SimpleNamespace

import pytest

from maskwright.core.atomic import write_json
from maskwright.core.errors import ConfigError, OutputError
from maskwright.core.jsonfile import read_json
from maskwright.training.options import TrainOptions
from maskwright.training.recipe import Recipe, override
from maskwright.training.start import choose_recipe, lock_run, require_same_recipe


def check_recipe(run, recipe):
    notes = []
    require_same_recipe(SimpleNamespace(run=run, recipe=recipe), notes.append, write=True)
    return notes


def test_a_run_records_its_recipe_and_goes_on_with_it(tmp_path):
    assert check_recipe(tmp_path, Recipe()) == []
    assert read_json(tmp_path / "run.json")["recipe"]["optim.lr"] == Recipe().optim.lr
    assert check_recipe(tmp_path, Recipe()) == []


def test_an_edited_recipe_is_refused_and_the_edit_is_named(tmp_path):
    check_recipe(tmp_path, Recipe())
    edited = override(Recipe(), {"model.arch": "fpn", "optim.lr": 0.5, "data.workers": 7})
    with pytest.raises(ConfigError, match=r"recipe\.yaml: was edited since the run") as caught:
        check_recipe(tmp_path, edited)
    message = str(caught.value)
    assert f"optim.lr {Recipe().optim.lr} -> 0.5" in message
    assert f"model.arch {Recipe().model.arch} -> fpn" in message
    assert "start a new run with this recipe (--recipe)" in message
    assert "data.workers" not in message


def test_a_run_that_began_with_recipes_of_version_1_goes_on(tmp_path):
    check_recipe(tmp_path, Recipe())
    record = read_json(tmp_path / "run.json")
    for key in ("version", "optim.name", "optim.momentum"):
        del record["recipe"][key]
    write_json(tmp_path / "run.json", record)
    assert check_recipe(tmp_path, Recipe()) == []
    with pytest.raises(ConfigError, match=r"optim\.name adamw -> sgd"):
        check_recipe(tmp_path, override(Recipe(), {"optim.name": "sgd"}))


def test_what_changes_the_speed_alone_may_be_edited_and_is_named(tmp_path):
    check_recipe(tmp_path, Recipe())
    (note,) = check_recipe(tmp_path, override(Recipe(), {"data.workers": 7}))
    assert note.endswith(f"data.workers {Recipe().data.workers} -> 7")


def test_two_trainings_in_one_folder_are_refused(tmp_path):
    with (
        lock_run(tmp_path, TrainOptions(), print),
        pytest.raises(OutputError, match="is writing here; wait until it has ended"),
        lock_run(tmp_path, TrainOptions(), print),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_began_meanwhile_is_not_overwritten(tmp_path):
    (tmp_path / "last").mkdir()
    with (
        pytest.raises(ConfigError, match="there is a run already; continue it with --resume"),
        lock_run(tmp_path, TrainOptions(), print),
    ):
        pass
    with lock_run(tmp_path, TrainOptions(resume=True), print):
        assert (tmp_path / ".lock").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: {arch: fpn}\nloss:\n  sum: dicee\n", "line 2: no loss named 'dicee'"),
        (
            "model:\n  arch: fpn\n  config: {piramid_channels: 3}\n",
            "line 3: model.config of fpn: piramid_channels: no such key; did you mean",
        ),
        ("model:\n  arch: fpnn\n", "line 2: no arch named 'fpnn'; did you mean 'fpn'"),
    ],
)
def test_names_of_parts_in_a_recipe_file_are_refused_with_their_line(tmp_path, text, message):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refusal:
        choose_recipe(tmp_path / "run", TrainOptions(recipe=path))
    assert str(refusal.value).startswith(f"{path}: {message}")
