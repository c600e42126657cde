"""A checkpoint holds all that changes in training; its links lead to whole folders."""

from dataclasses import replace

import pytest
import torch

from maskwright.core.card import ModelCard
from maskwright.core.errors import BundleError
from maskwright.core.inputspec import InputSpec
from maskwright.core.labels import LabelSpec
from maskwright.nn.build import new_model, newest
from maskwright.training import checkpoint
from maskwright.training.checkpoint import RunProgress, TrainingState
from maskwright.training.optim import MovingAverage, make_optimizer
from maskwright.training.recipe import OptimOptions, Recipe, override


@pytest.fixture
def card():
    model = {"model.arch": "fpn", "model.encoder": "test_resnet"}
    return ModelCard(
        labels=LabelSpec.from_names(("road", "car")),
        input=InputSpec(channels=3, mean=(0.5,) * 3, std=(0.25,) * 3),
        arch=newest(override(Recipe(), model).model.graph),
    )


def make_state(card, seed):
    torch.manual_seed(seed)
    model = new_model(card.arch, 3, len(card.labels))
    optimizer = make_optimizer(model, OptimOptions())
    return TrainingState(
        model=model,
        optimizer=optimizer,
        average=MovingAverage(model, 0.9),
        progress=RunProgress(),
    )


def train_a_step(state):
    state.model.train()(torch.rand(2, 3, 32, 32)).sum().backward()
    state.optimizer.step()
    state.progress.step += 1
    state.average.update(state.model, state.progress.step)


def test_what_is_loaded_is_what_was_saved(card, tmp_path):
    state, other = make_state(card, 1), make_state(card, 2)
    train_a_step(state)
    state.progress.best_miou, state.progress.best_epoch = 0.25, 3
    checkpoint.save(tmp_path, card, state, best=True)
    checkpoint.load(tmp_path, card, other)
    assert other.progress == RunProgress(step=1, epoch=0, best_miou=0.25, best_epoch=3)
    for one, two in (
        (state.model.state_dict(), other.model.state_dict()),
        (state.average.state, other.average.state),
    ):
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one)
    one, two = (s.optimizer.state_dict()["state"] for s in (state, other))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[i]["exp_avg"], two[i]["exp_avg"]) for i in one)


def test_only_the_best_and_the_last_checkpoint_are_kept(card, tmp_path):
    state = make_state(card, 1)
    for step in (1, 2, 3):
        state.progress.step = step
        checkpoint.save(tmp_path, card, state, best=step == 1)
    names = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert names == {"step-0000001", "step-0000003"}
    assert (tmp_path / "best").resolve().name == "step-0000001"
    assert (tmp_path / "last").resolve().name == "step-0000003"


def test_a_checkpoint_of_another_process_is_never_taken_over(card, tmp_path):
    state, other = make_state(card, 1), make_state(card, 2)
    state.progress.step = other.progress.step = 5
    checkpoint.save(tmp_path, card, state, best=True)
    checkpoint.save(tmp_path, card, other, best=False)
    loaded = make_state(card, 3)
    checkpoint.load(tmp_path, card, loaded)
    expected = other.model.state_dict()
    assert all(torch.equal(expected[k], v) for k, v in loaded.model.state_dict().items())
    folder = tmp_path / "checkpoints/step-0000005"
    (folder / "mine").touch()
    checkpoint.save(tmp_path, card, other, best=True)  # its own folder is not written again
    assert (folder / "mine").exists()


def test_the_state_of_parameters_that_were_grouped_otherwise_is_refused(card, tmp_path):
    state, other = make_state(card, 1), make_state(card, 1)
    train_a_step(state)
    checkpoint.save(tmp_path, card, state, best=True)
    all_parameters = [p for group in other.optimizer.param_groups for p in group["params"]]
    regrouped = replace(other, optimizer=torch.optim.AdamW(all_parameters[::-1]))
    with pytest.raises(BundleError, match=r"cannot be resumed \(the optimizer's exp_avg of"):
        checkpoint.load(tmp_path, card, regrouped)


def test_weights_of_another_network_are_refused_in_one_short_message(card, tmp_path):
    checkpoint.save(tmp_path, card, make_state(card, 1), best=True)
    other = replace(card, arch=replace(card.arch, name="unet"))
    with pytest.raises(
        BundleError, match="began with model 'fpn' with 'test_resnet'"
    ) as caught:
        checkpoint.load(tmp_path, other, make_state(card, 1))
    assert "the recipe says 'unet' with 'test_resnet'" in str(caught.value)
    assert len(str(caught.value).removeprefix(str(tmp_path))) < 400


def test_a_damaged_checkpoint_is_refused_with_what_to_do(card, tmp_path):
    state = make_state(card, 1)
    checkpoint.save(tmp_path, card, state, best=True)
    for text in ("{", "{}", "[]"):
        (tmp_path / "last" / "state.json").write_text(text)
        with pytest.raises(
            BundleError,
            match=r"last: this checkpoint cannot be resumed .*; start|last/state\.json: not",
        ):
            checkpoint.load(tmp_path, card, state)
